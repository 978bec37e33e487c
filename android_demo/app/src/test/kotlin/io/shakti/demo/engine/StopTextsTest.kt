package io.shakti.demo.engine

import org.junit.Assert.assertEquals
import org.junit.Assert.assertTrue
import org.junit.Test
import kotlin.random.Random

class StopTextsTest {
    @Test
    fun text_without_a_stop_text_passes_at_once() {
        val stop = StopTexts(listOf("END", ""))
        assertEquals("abc", stop.push("abc"))
        assertEquals("", stop.flush())
    }

    @Test
    fun what_could_begin_a_stop_text_is_held_until_it_is_none() {
        val stop = StopTexts(listOf("END"))
        assertEquals("ab", stop.push("abE"))
        assertEquals("", stop.push("N"))
        assertEquals("ENx", stop.push("x"))
    }

    @Test
    fun nothing_passes_after_a_stop_text() {
        val stop = StopTexts(listOf("END"))
        assertEquals("ab", stop.push("abENDcd"))
        assertTrue(stop.found)
        assertEquals("", stop.push("ef"))
        assertEquals("", stop.flush())
    }

    /** The first stop text to be complete, found by looking at every beginning of the text. */
    private fun expected(text: String, stops: List<String>): Pair<String, Boolean> {
        for (end in 1..text.length) {
            val complete = stops.filter { it.isNotEmpty() && text.take(end).endsWith(it) }
            if (complete.isNotEmpty()) return text.take(end - complete.maxOf { it.length }) to true
        }
        return text to false
    }

    @Test
    fun any_split_gives_the_text_before_the_stop_that_is_complete_first() {
        val random = Random(11)
        fun word(most: Int): String =
            String(CharArray(random.nextInt(most + 1)) { "ab ."[random.nextInt(4)] })
        var stopped = 0
        repeat(20_000) {
            val stops = List(random.nextInt(4)) { word(4) }
            val text = word(14)
            val (shown, found) = expected(text, stops)
            val stop = StopTexts(stops)
            val passed = StringBuilder()
            var rest = text
            while (rest.isNotEmpty()) {
                val piece = rest.take(1 + random.nextInt(4))
                rest = rest.drop(piece.length)
                passed.append(stop.push(piece))
            }
            passed.append(stop.flush())
            assertEquals("$stops in $text", shown, passed.toString())
            assertEquals(found, stop.found)
            if (found) stopped++
        }
        assertTrue("$stopped", stopped in 4_000..16_000)
    }
}
