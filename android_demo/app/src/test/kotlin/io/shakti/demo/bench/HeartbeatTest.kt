package io.shakti.demo.bench

import java.util.concurrent.LinkedBlockingQueue
import java.util.concurrent.TimeUnit
import org.junit.Assert.assertEquals
import org.junit.Assert.assertNotNull
import org.junit.Assert.assertNull
import org.junit.Assert.assertTrue
import org.junit.Test

class HeartbeatTest {
    private val sent = LinkedBlockingQueue<CasesDone>()
    private val first = CasesDone(0, 2, "load")
    private val second = CasesDone(1, 2, "decode-4")

    private fun next(): CasesDone? = sent.poll(20, TimeUnit.SECONDS)

    @Test
    fun progress_is_sent_at_once_and_again_while_nothing_changes() {
        Heartbeat(intervalMs = 20, send = sent::add).use { pulse ->
            assertNull(sent.poll(60, TimeUnit.MILLISECONDS)) // there is nothing to say yet
            pulse.say(first)
            repeat(4) { assertEquals(first, next()) }
            pulse.say(second)
            assertTrue(generateSequence(::next).take(50).any { it == second })
            assertEquals(second, next())
        }
        sent.clear()
        assertNull(sent.poll(100, TimeUnit.MILLISECONDS))
    }

    @Test
    fun silence_falls_when_no_call_returns_and_ends_when_one_does() {
        Heartbeat(intervalMs = 20, hangMs = 300, send = sent::add).use { pulse ->
            pulse.say(first)
            while (sent.poll(2, TimeUnit.SECONDS) != null) Unit // until it is silent
            pulse.tick()
            assertNotNull(next())
        }
    }

    @Test
    fun calls_that_return_keep_it_beating() {
        Heartbeat(intervalMs = 20, hangMs = 2000, send = sent::add).use { pulse ->
            pulse.say(first)
            val until = System.nanoTime() + TimeUnit.MILLISECONDS.toNanos(4000)
            var beats = 0
            while (System.nanoTime() < until) {
                pulse.tick()
                if (sent.poll(200, TimeUnit.MILLISECONDS) != null) beats++
            }
            assertTrue("$beats", beats >= 15)
        }
    }
}
