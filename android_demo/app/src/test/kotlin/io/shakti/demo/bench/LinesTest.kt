package io.shakti.demo.bench

import kotlinx.serialization.json.Json
import kotlinx.serialization.json.jsonObject
import kotlinx.serialization.json.jsonPrimitive
import org.junit.Assert.assertEquals
import org.junit.Assert.assertThrows
import org.junit.Assert.assertTrue
import org.junit.Test

class LinesTest {
    private val look = Conditions(at = "now")

    @Test
    fun what_is_not_known_is_left_out() {
        val line = encodeLine(RoundStart("0123456789abcdef", 0, 0, "now", null, null, look))
        assertTrue(line.endsWith("}\n"))
        val fields = Json.parseToJsonElement(line).jsonObject
        assertEquals(
            setOf("type", "protocol", "run_id", "round", "attempt", "at", "conditions"),
            fields.keys,
        )
        assertEquals(
            setOf("at", "temperatures_c", "clocks_mhz"),
            fields.getValue("conditions").jsonObject.keys,
        )
    }

    @Test
    fun message_with_line_breaks_stays_one_line() {
        val message = "one\ntwo\r\u2028three"
        val line = encodeLine(RoundEnd(0, 0, "now", EndStatus.FAILED, message))
        assertEquals(1, line.count { it == '\n' })
        val fields = Json.parseToJsonElement(line).jsonObject
        assertEquals(message, fields.getValue("message").jsonPrimitive.content)
    }

    @Test
    fun numbers_that_are_not_finite_are_refused() {
        val bad = listOf(Double.NaN, Double.POSITIVE_INFINITY, Double.NEGATIVE_INFINITY)
        for (value in bad) {
            val lines = listOf(
                sample(Timing(value), look),
                sample(Timing(1.0, listOf(value)), look),
                sample(Timing(1.0), look.copy(temperaturesC = mapOf("skin" to value))),
                sample(Timing(1.0), look.copy(batteryPercent = value)),
                sample(Timing(1.0), look.copy(clocksMhz = listOf(value))),
            )
            for (line in lines) {
                assertThrows(IllegalArgumentException::class.java) { encodeLine(line) }
            }
        }
    }

    private fun sample(timing: Timing, after: Conditions): Line =
        Sample(0, 0, Case(CaseKind.LOAD), "now", timing, null, look, after)
}
