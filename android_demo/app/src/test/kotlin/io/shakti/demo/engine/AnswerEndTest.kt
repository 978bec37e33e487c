package io.shakti.demo.engine

import io.shakti.demo.AppFailure
import io.shakti.demo.FailureKind
import io.shakti.demo.fakes.ScriptedProgram
import io.shakti.demo.fakes.scriptedBundle
import org.junit.Assert.assertEquals
import org.junit.Assert.assertFalse
import org.junit.Assert.assertNull
import org.junit.Assert.assertThrows
import org.junit.Assert.assertTrue
import org.junit.Test

/** How answers end, and what a session can do after it. */
internal class AnswerEndTest : EngineTestBase() {
    private val question = listOf(user("?"))
    private val options = ChatOptions()

    @Test
    fun stop_in_prefill_ends_within_a_chunk_and_the_chunks_are_kept() {
        val program = replying(maxChunk = 8) { "ok" }
        val session = open(scriptedBundle(maxChunk = 8), program)
        val long = listOf(user("a".repeat(60)))
        val heard = Heard { if (it.prefill.size == 3) session.stop() }
        val stopped = session.answer(long, options, heard)
        assertEquals(Finish.STOPPED, stopped.finish)
        assertEquals("", stopped.text)
        assertNull(stopped.stats.ttftMs)
        assertEquals(2, program.calls.size)
        assertEquals(16, session.usedTokens)
        val next = session.answer(long, options, Heard())
        assertEquals("ok", next.text)
        assertEquals(16, next.stats.reusedTokens)
    }

    @Test
    fun stop_in_decode_ends_within_a_token_and_keeps_what_was_said() {
        val session = open(scriptedBundle(), replying { "one two three" })
        val heard = Heard { if (it.pieces.joinToString("") == "one t") session.stop() }
        val answer = session.answer(question, options, heard)
        assertEquals(Finish.STOPPED, answer.finish)
        assertEquals("one t", answer.text)
        assertEquals(5, answer.ids.size)
    }

    @Test
    fun stop_before_an_answer_does_not_end_it_but_the_first_progress_can() {
        val session = open(scriptedBundle(), replying { "ok" })
        session.stop()
        assertEquals("ok", session.answer(question, options, Heard()).text)
        val stopped = session.answer(question, options, Heard { session.stop() })
        assertEquals(Finish.STOPPED, stopped.finish)
        assertEquals("", stopped.text)
    }

    @Test
    fun longest_answer_ends_with_max_tokens() {
        val answer = open(scriptedBundle(), replying { "abcdef" })
            .answer(question, ChatOptions(maxTokens = 4), Heard())
        assertEquals(Finish.MAX_TOKENS, answer.finish)
        assertEquals("abcd", answer.text)
        val byDefault = open(scriptedBundle(maxTokens = 2), replying { "abcdef" })
            .answer(question, options, Heard())
        assertEquals("ab", byDefault.text)
    }

    @Test
    fun stop_text_over_several_tokens_ends_the_answer_and_is_never_shown() {
        val bundle = scriptedBundle(stop = listOf("STOP", "\n\n"))
        val heard = Heard()
        val answer = open(bundle, replying { "go STO on STOP it" }).answer(question, options, heard)
        assertEquals("go STO on ", answer.text)
        assertEquals(answer.text, heard.pieces.joinToString(""))
        assertEquals(Finish.END, answer.finish)
        assertTrue("STO on" !in heard.pieces.first())
    }

    @Test
    fun text_held_back_for_a_stop_text_comes_when_the_answer_ends() {
        val bundle = scriptedBundle(stop = listOf("STOP"))
        val answer = open(bundle, replying { "go STO" }).answer(question, options, Heard())
        assertEquals("go STO", answer.text)
    }

    @Test
    fun characters_come_whole() {
        val text = "नमस्ते 🙂 ok"
        val heard = Heard()
        val answer = open(scriptedBundle(), replying { text }).answer(question, options, heard)
        assertEquals(text, answer.text)
        assertFalse(heard.pieces.any { '\uFFFD' in it || it.last().isHighSurrogate() })
        assertTrue(heard.pieces.contains("🙂"))
    }

    @Test
    fun half_a_character_at_the_end_shows_as_replacement() {
        val answer = open(scriptedBundle(), replying { "a🙂" })
            .answer(question, ChatOptions(maxTokens = 3), Heard())
        assertEquals("a\uFFFD", answer.text)
    }

    @Test
    fun context_that_runs_out_ends_the_answer_at_its_last_position() {
        val size = tokenizer.encode("$USER?$END\n$ASSISTANT").size
        val program = replying(contextLength = size + 5) { "abcdefghijklm" }
        val answer = open(scriptedBundle(contextLength = size + 5), program)
            .answer(question, options, Heard())
        assertEquals(Finish.CONTEXT_FULL, answer.finish)
        // Five positions hold five tokens; the sixth is picked from the last one's logits.
        assertEquals("abcdef", answer.text)
        assertEquals(size + 5, program.cache.size)
    }

    @Test
    fun failure_of_the_runtime_ends_the_session_for_good() {
        val program = replying { "abc" }
        val session = open(scriptedBundle(), program)
        program.beforeForward = {
            if (it == 3) throw AppFailure(FailureKind.RUNTIME_FAILED, "kernel trouble")
        }
        val heard = Heard()
        repeat(2) {
            val failure = assertThrows(AppFailure::class.java) {
                session.answer(question, options, heard)
            }
            assertEquals(FailureKind.RUNTIME_FAILED, failure.kind)
            assertEquals("kernel trouble", failure.message)
        }
        assertEquals("ab", heard.pieces.joinToString(""))
        session.close()
        assertTrue(program.closed)
    }

    @Test
    fun no_memory_is_told_as_such() {
        val program = ScriptedProgram.sure { throw OutOfMemoryError("scripted") }
        val session = open(scriptedBundle(), replying { "a" }.also {
            it.beforeForward = { _ -> program.forward(intArrayOf(0), 0) }
        })
        val failure = assertThrows(AppFailure::class.java) {
            session.answer(question, options, Heard())
        }
        assertEquals(FailureKind.OUT_OF_MEMORY, failure.kind)
    }

    @Test
    fun closed_session_fails_with_one_line_and_closes_once() {
        val program = replying { "ok" }
        val session = open(scriptedBundle(), program)
        session.close()
        session.close()
        assertTrue(program.closed)
        val failure = assertThrows(AppFailure::class.java) {
            session.answer(question, options, Heard())
        }
        assertEquals("the session is closed", failure.message)
    }

    @Test
    fun speed_is_measured_by_the_clock_given() {
        var nowNs = 0L
        val program = replying { "abc" }
        program.beforeForward = { nowNs += if (it == 0) 0 else 10_000_000 }
        val heard = Heard()
        val prompt = tokenizer.encode("$USER?$END\n$ASSISTANT").size
        check(prompt in 17..32) { "two chunks, of which the second takes 10 ms" }
        val answer = open(scriptedBundle(), program) { nowNs }.answer(question, options, heard)
        val stats = answer.stats
        assertEquals(prompt, stats.promptTokens)
        assertEquals(3, stats.answerTokens)
        assertEquals(10.0, stats.ttftMs!!, 1e-9)
        assertEquals(prompt * 100.0, stats.prefillTokensPerS!!, 1e-6)
        assertEquals(listOf(null, 100.0, 100.0), heard.stats.map { it.decodeTokensPerS })
    }
}
