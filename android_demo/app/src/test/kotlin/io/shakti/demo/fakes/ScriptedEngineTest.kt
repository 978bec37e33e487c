package io.shakti.demo.fakes

import io.shakti.demo.AppFailure
import io.shakti.demo.FailureKind
import io.shakti.demo.engine.AnswerListener
import io.shakti.demo.engine.AnswerStats
import io.shakti.demo.engine.ChatOptions
import io.shakti.demo.engine.Finish
import io.shakti.demo.engine.Role
import io.shakti.demo.engine.Turn
import org.junit.Assert.assertEquals
import org.junit.Assert.assertThrows
import org.junit.Assert.assertTrue
import org.junit.Test
import kotlin.concurrent.thread

class ScriptedEngineTest {
    private class Heard : AnswerListener {
        val prefill = ArrayList<Pair<Int, Int>>()
        val text = StringBuilder()

        override fun onPrefill(done: Int, total: Int) {
            prefill += done to total
        }

        override fun onText(piece: String, stats: AnswerStats) {
            text.append(piece)
        }
    }

    private fun user(text: String) = Turn(Role.USER, text)

    @Test
    fun queued_replies_come_in_order_and_then_the_rule() {
        val engine = ScriptedEngine()
        engine.reply("one two")
        val session = engine.open(scriptedBundle())
        val heard = Heard()
        assertEquals("one two", session.answer(listOf(user("a")), ChatOptions(), heard).text)
        assertEquals("one two", heard.text.toString())
        assertEquals("You said: b", session.answer(listOf(user("b")), ChatOptions(), heard).text)
        assertEquals(listOf("a", "b"), engine.asked.map { it.turns.single().text })
    }

    @Test
    fun a_gate_holds_the_worker_until_the_test_allows_the_step() {
        val gate = StepGate()
        val engine = ScriptedEngine(gate)
        engine.reply("one two three")
        gate.allow(3) // open, one chunk of prefill, one word
        val session = engine.open(scriptedBundle())
        val heard = Heard()
        var finish: Finish? = null
        val worker =
            thread { finish = session.answer(listOf(user("a")), ChatOptions(), heard).finish }
        while (gate.waiting != Step.Piece(1, " two")) Thread.sleep(1)
        assertEquals("one", heard.text.toString())
        session.stop()
        gate.open()
        worker.join()
        assertEquals(Finish.STOPPED, finish)
        assertEquals("one", heard.text.toString())
    }

    @Test
    fun stop_during_prefill_ends_before_the_first_word() {
        val engine = ScriptedEngine(chunk = 2)
        val session = engine.open(scriptedBundle())
        engine.beforeStep = { if (it is Step.Prefill && it.done >= 4) session.stop() }
        val heard = Heard()
        val answer = session.answer(listOf(user("a b c d e f")), ChatOptions(), heard)
        assertEquals(Finish.STOPPED, answer.finish)
        assertEquals(listOf(0 to 7, 2 to 7), heard.prefill)
    }

    @Test
    fun failures_come_where_the_script_has_them_and_a_runtime_failure_lasts() {
        val engine = ScriptedEngine()
        engine.failOpen(FailureKind.PROGRAM_CORRUPT)
        engine.reply(Reply.failing(FailureKind.RUNTIME_FAILED, after = listOf("half")))
        assertThrows(AppFailure::class.java) { engine.open(scriptedBundle()) }
        val session = engine.open(scriptedBundle())
        val heard = Heard()
        repeat(2) {
            val failure = assertThrows(AppFailure::class.java) {
                session.answer(listOf(user("a")), ChatOptions(), heard)
            }
            assertEquals(FailureKind.RUNTIME_FAILED, failure.kind)
        }
        assertEquals("half", heard.text.toString())
    }

    @Test
    fun the_oldest_exchanges_leave_a_full_context_and_a_long_question_is_refused() {
        val session = ScriptedEngine().open(scriptedBundle(contextLength = 20, maxTokens = 4))
        val long = "w".plus(" w".repeat(6))
        val chat = listOf(user(long), Turn(Role.ASSISTANT, long), user("q"))
        assertEquals(2, session.answer(chat, ChatOptions(), Heard()).droppedTurns)
        assertEquals(0, session.answer(chat.drop(2), ChatOptions(), Heard()).droppedTurns)
        val failure = assertThrows(AppFailure::class.java) {
            session.answer(listOf(user("w".plus(" w".repeat(30)))), ChatOptions(), Heard())
        }
        assertEquals(FailureKind.PROMPT_TOO_LONG, failure.kind)
    }

    @Test
    fun the_next_turn_reuses_the_earlier_ones() {
        val session = ScriptedEngine().open(scriptedBundle())
        val first = session.answer(listOf(user("a b c")), ChatOptions(), Heard())
        val chat = listOf(user("a b c"), Turn(Role.ASSISTANT, first.text), user("d"))
        assertTrue(session.answer(chat, ChatOptions(), Heard()).stats.reusedTokens > 4)
    }
}
