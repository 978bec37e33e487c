package io.shakti.demo.engine

import io.shakti.demo.bundle.SparseBlocks
import io.shakti.demo.fakes.scriptedBundle
import org.junit.Assert.assertEquals
import org.junit.Assert.assertTrue
import org.junit.Test

/** A program with a sliding window: calls keep to its borders, and what is forgotten is not used. */
internal class SlidingWindowTest : EngineTestBase() {
    private val chunk = 16
    private val window = 20
    private val program = replying(contextLength = CONTEXT, maxChunk = chunk) { "re $it" }
    private val session by lazy {
        val bundle = scriptedBundle(contextLength = CONTEXT, maxChunk = chunk)
        val info = bundle.manifest.program.copy(window = window)
        open(bundle.copy(manifest = bundle.manifest.copy(program = info)), program)
    }
    private val ring = RingCache.window(window, chunk, sinks = 4)

    private fun ask(vararg turns: Turn): Answer =
        session.answer(turns.toList(), ChatOptions(maxTokens = 30), Heard())

    @Test
    fun no_call_goes_across_a_border() {
        val first = ask(user("one"))
        ask(user("one"), assistant(first.text), user("two, which is longer than the one before"))
        assertTrue(program.calls.size > 20)
        for (call in program.calls) {
            assertEquals("$call", call.start / chunk, (call.start + call.ids.size - 1) / chunk)
        }
    }

    @Test
    fun next_turn_goes_on_where_the_answer_ended() {
        val first = ask(user("one"))
        val before = program.cache.size
        ask(user("one"), assistant(first.text), user("two"))
        val starts = program.calls.map { it.start }
        assertTrue(starts.lastIndexOf(0) == 0 && before > 0)
    }

    @Test
    fun chat_that_changed_far_back_is_computed_anew() {
        val long = "a question that fills the ring more than once, and then a little more of it"
        ask(user("one"), assistant("two"), user(long))
        val callsBefore = program.calls.size
        ask(user("one"), assistant("TWO"), user("short"))
        assertEquals(0, program.calls[callsBefore].start)
    }

    @Test
    fun ring_that_is_not_full_yet_has_forgotten_nothing() {
        assertEquals(7, ring.reusable(prefix = 7, written = 30))
        assertEquals(0, ring.reusable(prefix = 7, written = 200))
        assertEquals(190, ring.reusable(prefix = 190, written = 200))
        assertEquals(184, ring.reusable(prefix = 184, written = 200))
        assertEquals(0, ring.reusable(prefix = 183, written = 200))
    }

    @Test
    fun blocks_that_are_written_over_cannot_be_gone_on_behind() {
        // Blocks of 4; a ring of 5 blocks; every 2nd of the last 8 as well, 10 with those of a call.
        val blocks = SparseBlocks(block = 4, local = 3, stride = 2, reach = 8)
        val sparse = RingCache.sparse(blocks, chunk = 8, sinks = 4)
        assertEquals(5, sparse.reusable(prefix = 5, written = 20))
        assertEquals(0, sparse.reusable(prefix = 5, written = 60))
        assertEquals(52, sparse.reusable(prefix = 52, written = 60))
        assertEquals(0, sparse.reusable(prefix = 43, written = 60))
        assertEquals(3, sparse.room(start = 13, most = 8))
        assertEquals(4L + 1 + 20 + 20, sparse.slots)
        assertEquals(4L + 1 + 35, ring.slots)
    }

    private companion object {
        const val CONTEXT = 4096
    }
}
