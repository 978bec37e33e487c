package io.shakti.demo.engine

import io.shakti.demo.AppFailure
import io.shakti.demo.FailureKind
import io.shakti.demo.fakes.scriptedBundle
import org.junit.Assert.assertEquals
import org.junit.Assert.assertThrows
import org.junit.Assert.assertTrue
import org.junit.Test

/** The oldest exchanges leave a full context; the system text and the last question never do. */
internal class ContextFullTest : EngineTestBase() {
    private val context = 400
    private val room = 20
    private val options = ChatOptions(system = "SYS", maxTokens = room)
    private val program = replying(contextLength = context) { "re $it" }
    private val session by lazy { open(scriptedBundle(contextLength = context), program) }

    /** What a chat without its first turns takes, by the texts of the turns themselves. */
    private fun size(chat: List<Turn>): Int {
        val text = StringBuilder("<|start|>system\nSYS$END\n")
        for (turn in chat) {
            val mark = if (turn.role == Role.USER) USER else ASSISTANT
            text.append(mark).append(turn.text).append("$END\n")
        }
        return tokenizer.encode(text.append(ASSISTANT).toString()).size
    }

    private fun chat(exchanges: Int): List<Turn> =
        (1..exchanges).flatMap { listOf(user("question $it"), assistant("answer $it")) } +
            user("last question")

    @Test
    fun chat_that_fits_beside_its_answer_stays_whole() {
        val most = (1..40).last { size(chat(it)) <= context - room }
        assertEquals(0, session.answer(chat(most), options, Heard()).droppedTurns)
        val one = open(scriptedBundle(contextLength = context), replying(context) { "a" })
        assertTrue(one.answer(chat(most + 1), options, Heard()).droppedTurns > 0)
    }

    @Test
    fun oldest_exchanges_leave_until_half_of_the_context_is_free() {
        val long = chat(30)
        val answer = session.answer(long, options, Heard())
        val expected = (0..60 step 2).first { size(long.drop(it)) <= context / 2 }
        assertEquals(expected, answer.droppedTurns)
        assertEquals(size(long.drop(expected)), answer.stats.promptTokens)
        val text = tokenizer.decode(program.cache.toIntArray(), skipSpecial = false)
        assertTrue(text.startsWith("<|start|>system\nSYS$END\n$USER" + long[expected].text))
        assertEquals("re last question", answer.text)
    }

    @Test
    fun chat_that_lost_turns_goes_on_without_computing_the_rest_again() {
        var chat = emptyList<Turn>()
        var tokensComputed = 0
        var tokensAdded = 0
        var drops = 0
        var droppedBefore = 0
        repeat(100) { turn ->
            val asked = chat + user("question number $turn")
            val answer = session.answer(asked, options, Heard())
            assertEquals("re question number $turn".take(room), answer.text)
            assertTrue(answer.stats.promptTokens <= context - room)
            if (answer.droppedTurns > droppedBefore) drops++
            droppedBefore = answer.droppedTurns
            tokensComputed += answer.stats.promptTokens - answer.stats.reusedTokens
            tokensAdded += size(asked.takeLast(1)) + answer.answerTokens()
            chat = asked + assistant(answer.text)
        }
        assertTrue("$drops", drops in 2..50)
        // Each drop computes at most half of the context again; nothing else is computed twice.
        assertTrue(tokensComputed <= tokensAdded + drops * context / 2)
    }

    private fun Answer.answerTokens() = stats.answerTokens

    @Test
    fun chat_edited_back_to_fit_is_whole_again() {
        session.answer(chat(30), options, Heard())
        assertEquals(0, session.answer(chat(2), options, Heard()).droppedTurns)
    }

    @Test
    fun smaller_context_chosen_by_the_person_is_kept_to() {
        val small = options.copy(contextTokens = 200)
        val answer = session.answer(chat(10), small, Heard())
        assertEquals((0..20 step 2).first { size(chat(10).drop(it)) <= 100 }, answer.droppedTurns)
        val full = options.copy(contextTokens = size(chat(0)) + 3, maxTokens = 50)
        val cut = session.answer(chat(0), full, Heard())
        assertEquals(Finish.CONTEXT_FULL, cut.finish)
        assertEquals(size(chat(0)) + 3, session.usedTokens)
    }

    @Test
    fun one_long_exchange_stays_while_it_fits() {
        val long = listOf(user("q".repeat(200)), assistant("c"), user("d"))
        check(size(long) in context / 2 + 1..context - room)
        val filler = listOf(user("f".repeat(180)), assistant("g"))
        assertEquals(2, session.answer(filler + long, options, Heard()).droppedTurns)
    }

    @Test
    fun question_that_fits_without_the_room_is_answered_as_far_as_it_goes() {
        val asked = listOf(user("q".repeat(context - size(chat(0)) + "last question".length - 3)))
        assertEquals(context - 3, size(asked))
        val answer = session.answer(asked, options, Heard())
        assertEquals(Finish.CONTEXT_FULL, answer.finish)
        assertEquals("re q", answer.text)
    }

    @Test
    fun question_that_is_too_long_by_itself_is_refused_and_the_session_goes_on() {
        val failure = assertThrows(AppFailure::class.java) {
            session.answer(chat(1) + assistant("a") + user("q".repeat(context)), options, Heard())
        }
        assertEquals(FailureKind.PROMPT_TOO_LONG, failure.kind)
        assertTrue(program.calls.isEmpty())
        assertEquals("re last question", session.answer(chat(0), options, Heard()).text)
    }
}
