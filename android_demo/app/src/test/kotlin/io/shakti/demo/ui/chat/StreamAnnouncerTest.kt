package io.shakti.demo.ui.chat

import org.junit.Assert.assertEquals
import org.junit.Assert.assertTrue
import org.junit.Test

class StreamAnnouncerTest {
    private var nowMs = 0L
    private val announcer = StreamAnnouncer(3000) { nowMs }

    @Test
    fun whole_sentences_are_said_and_each_once() {
        assertEquals(null, announcer.next("Hello", isWhole = false))
        assertEquals("Hello there.", announcer.next("Hello there. How a", isWhole = false))
        nowMs += 3000
        assertEquals(null, announcer.next("Hello there. How are you", isWhole = false))
        assertEquals("How are you?", announcer.next("Hello there. How are you?", isWhole = true))
        assertEquals(null, announcer.next("Hello there. How are you?", isWhole = true))
    }

    @Test
    fun a_fast_answer_is_said_no_more_often_than_every_three_seconds() {
        val answer = "A short sentence. ".repeat(100)
        val said = (18..answer.length).count {
            nowMs += 10
            announcer.next(answer.take(it), isWhole = false) != null
        }
        assertTrue("$said", said in 2..7)
    }

    @Test
    fun decimal_points_end_no_sentence() {
        assertEquals(null, announcer.next("It is 3.5 metres", isWhole = false))
    }
}
