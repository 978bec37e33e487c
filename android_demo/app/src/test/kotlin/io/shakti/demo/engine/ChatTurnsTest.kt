package io.shakti.demo.engine

import io.shakti.demo.AppFailure
import io.shakti.demo.FailureKind
import io.shakti.demo.bundle.SystemPlace
import io.shakti.demo.fakes.ByteTokenizer
import io.shakti.demo.fakes.CHATML_TURNS
import io.shakti.demo.fakes.ScriptedProgram
import io.shakti.demo.fakes.scriptedBundle
import org.junit.Assert.assertArrayEquals
import org.junit.Assert.assertEquals
import org.junit.Assert.assertThrows
import org.junit.Assert.assertTrue
import org.junit.Test

/** What a chat costs: which ids go to the program, and which do not go again. */
internal class ChatTurnsTest : EngineTestBase() {
    private val question = user("say it")
    private val firstPrompt = "$USER${question.text}$END\n$ASSISTANT"

    @Test
    fun question_goes_in_as_the_turns_write_it_and_the_answer_comes_out() {
        val program = replying { "yes, $it" }
        val heard = Heard()
        val answer = open(scriptedBundle(), program).answer(listOf(question), ChatOptions(), heard)
        assertEquals("yes, say it", answer.text)
        assertEquals("yes, say it", heard.pieces.joinToString(""))
        assertEquals(Finish.END, answer.finish)
        assertArrayEquals("yes, say it".map { it.code }.toIntArray(), answer.ids)
        assertEquals(firstPrompt + "yes, say it", text(program.cache))
        assertEquals(0, answer.droppedTurns)
    }

    @Test
    fun prompt_goes_in_chunks_with_progress_from_what_is_reused_to_the_whole() {
        val program = replying(maxChunk = 8) { "a" }
        val heard = Heard()
        open(scriptedBundle(maxChunk = 8), program).answer(listOf(question), ChatOptions(), heard)
        val size = tokenizer.encode(firstPrompt).size
        val steps = (0 until size step 8).toList() + size
        assertEquals(steps.map { it to size }, heard.prefill)
        assertEquals(steps.dropLast(1), program.calls.map { it.start }.take(steps.size - 1))
    }

    @Test
    fun next_turn_computes_only_what_it_adds_and_keeps_the_answer_as_sampled() {
        // The program spells "the" in three bytes, where the tokenizer has one id for it.
        val program = replying { "on the left" }
        val session = open(scriptedBundle(), program)
        val first = session.answer(listOf(question), ChatOptions(), Heard())
        val seen = program.calls.size
        val chat = listOf(question, assistant(first.text), user("why?"))
        val second = session.answer(chat, ChatOptions(), Heard())
        val held = tokenizer.encode(firstPrompt).size + first.ids.size
        assertTrue(ByteTokenizer.THE in tokenizer.encode(first.text))
        assertEquals(held, program.calls[seen].start)
        val added = tokenizer.encode("$END\n${USER}why?$END\n$ASSISTANT")
        assertArrayEquals(added, computed(program, seen, upTo = added.size))
        assertEquals(held, second.stats.reusedTokens)
        assertEquals(held + added.size, second.stats.promptTokens)
    }

    @Test
    fun chat_read_from_history_is_tokenized_as_a_whole() {
        val program = replying { "ok" }
        val chat = listOf(question, assistant("on the left"), user("why?"))
        open(scriptedBundle(), program).answer(chat, ChatOptions(), Heard())
        val whole = "${firstPrompt}on the left$END\n${USER}why?$END\n$ASSISTANT"
        val expected = tokenizer.encode(whole)
        assertArrayEquals(expected, computed(program, 0, upTo = expected.size))
    }

    @Test
    fun retry_computes_one_token_of_the_prompt() {
        val program = replying { "ok" }
        val session = open(scriptedBundle(), program)
        session.answer(listOf(question), ChatOptions(), Heard())
        val seen = program.calls.size
        val again = session.answer(listOf(question), ChatOptions(), Heard())
        val size = tokenizer.encode(firstPrompt).size
        assertEquals(ScriptedProgram.Call(size - 1, listOf('\n'.code)), program.calls[seen])
        assertEquals(size - 1, again.stats.reusedTokens)
        assertEquals("ok", again.text)
    }

    @Test
    fun edited_question_computes_from_the_first_difference_on() {
        val program = replying { it.reversed() }
        val session = open(scriptedBundle(), program)
        session.answer(listOf(user("abcdef")), ChatOptions(), Heard())
        val seen = program.calls.size
        val answer = session.answer(listOf(user("abcxyz")), ChatOptions(), Heard())
        assertEquals("zyxcba", answer.text)
        assertEquals(tokenizer.encode("${USER}abc").size, program.calls[seen].start)
    }

    @Test
    fun system_text_stands_where_the_turns_have_it() {
        val program = replying { "ok" }
        val options = ChatOptions(system = "Be brief.")
        open(scriptedBundle(), program).answer(listOf(question), options, Heard())
        assertTrue(text(program.cache).startsWith("<|start|>system\nBe brief.$END\n$USER"))
    }

    @Test
    fun instructions_open_the_question_where_the_template_takes_no_system_text() {
        val program = replying { "ok" }
        val turns = CHATML_TURNS.copy(systemPlace = SystemPlace.NONE)
        open(scriptedBundle(chat = turns), program)
            .answer(listOf(question), ChatOptions(system = "Be brief."), Heard())
        assertTrue(text(program.cache).startsWith("${USER}Be brief.\n\nsay it$END"))
    }

    @Test
    fun model_without_chat_turns_goes_on_where_the_text_ends() {
        val program = ScriptedProgram.sure { if (it.last() == 'c'.code) 'd'.code else 'e'.code }
        val bundle = scriptedBundle(chat = null)
        val answer =
            open(bundle, program).answer(listOf(user("abc")), ChatOptions(maxTokens = 3), Heard())
        assertEquals("dee", answer.text)
        assertEquals(listOf('a'.code, 'b'.code, 'c'.code), program.calls[0].ids)
    }

    @Test
    fun plain_text_begins_with_bos_where_the_tokenizer_adds_it() {
        val program = ScriptedProgram.sure { 'x'.code }
        val plain = scriptedBundle(chat = null)
        val info = plain.manifest.tokenizer.copy(bosId = ByteTokenizer.START, addBos = true)
        val bundle = plain.copy(manifest = plain.manifest.copy(tokenizer = info))
        open(bundle, program).answer(listOf(user("a")), ChatOptions(maxTokens = 1), Heard())
        assertEquals(listOf(ByteTokenizer.START, 'a'.code), program.calls[0].ids)
    }

    @Test
    fun chat_that_does_not_end_with_a_question_is_refused() {
        val session = open(scriptedBundle(), replying { "ok" })
        val answered = assistant("a")
        for (chat in listOf(emptyList(), listOf(question, answered), listOf(answered))) {
            assertThrows(IllegalArgumentException::class.java) {
                session.answer(chat, ChatOptions(), Heard())
            }
        }
    }

    @Test
    fun id_beyond_the_models_vocabulary_never_reaches_the_program() {
        val program = replying { "ok" }
        val session = open(scriptedBundle(vocabSize = ByteTokenizer.THE), program)
        val failure = assertThrows(AppFailure::class.java) {
            session.answer(listOf(user("the end")), ChatOptions(), Heard())
        }
        assertEquals(FailureKind.BUNDLE_CORRUPT, failure.kind)
        assertTrue(program.calls.isEmpty())
        assertEquals("ok", session.answer(listOf(user("hi")), ChatOptions(), Heard()).text)
    }

    private fun text(ids: List<Int>) = tokenizer.decode(ids.toIntArray(), skipSpecial = false)

    /** The first [upTo] ids that were computed from call [from] on. */
    private fun computed(program: ScriptedProgram, from: Int, upTo: Int): IntArray =
        program.calls.drop(from).flatMap { it.ids }.take(upTo).toIntArray()
}
