package io.shakti.demo.bench

import java.io.File
import kotlin.random.Random
import org.junit.Assert.assertEquals
import org.junit.Assert.assertNotNull
import org.junit.Assert.assertNull
import org.junit.Assert.assertThrows
import org.junit.Assert.assertTrue
import org.junit.Rule
import org.junit.Test
import org.junit.rules.TemporaryFolder

class PlanReaderTest {
    @get:Rule val folder = TemporaryFolder()

    private val plans: List<File> by lazy {
        val fixtures = requireNotNull(System.getProperty("shakti.fixtures")) {
            "shakti.fixtures must name the repository's tests/fixtures"
        }
        File(fixtures, "protocol").listFiles { file -> file.name.startsWith("plan") }!!.sorted()
    }
    private val text by lazy { plans.first { it.name == "plan.json" }.readText() }

    private fun plan(text: String): RoundPlan = parsePlan(text.toByteArray())

    private fun attempt(text: String): Attempt? = attemptOf(text.toByteArray())

    private fun refusal(text: String): String =
        assertThrows(PlanRefused::class.java) { plan(text) }.message

    @Test
    fun plans_of_the_sdk_are_accepted() {
        assertTrue(plans.size >= 2)
        plans.forEach { assertTrue(plan(it.readText()).cases.isNotEmpty()) }
    }

    @Test
    fun fields_of_a_plan_arrive() {
        val plan = plan(text)
        assertEquals("0f3a5c7e9b1d2468-r0-a0.jsonl", plan.outputName)
        assertEquals(77912345L, plan.program.sizeBytes)
        assertEquals(Gate(), plan.gate)
        assertEquals(WarmUp(64, 16), plan.warmUp)
        assertEquals(Case(CaseKind.PREFILL, 512, 512, 4), plan.cases[2])
        assertEquals(
            listOf("load", "prefill-128", "prefill-512@512/4t", "decode-4", "ttft-128"),
            plan.cases.map { it.name },
        )
    }

    @Test
    fun plan_of_a_newer_protocol_asks_for_a_newer_app() {
        assertEquals(
            "this app speaks benchmark protocol 1 and the plan is of protocol 2: " +
                "update the app (shakti-sdk demo install)",
            refusal(text.replace("\"protocol\": 1", "\"protocol\": 2, \"more\": []")),
        )
    }

    @Test
    fun plan_of_an_older_protocol_asks_for_a_newer_sdk() {
        val older = refusal(text.replace("\"protocol\": 1", "\"protocol\": 0"))
        assertTrue(older, older.endsWith("the plan is of protocol 0: update shakti-sdk"))
    }

    @Test
    fun limits_may_be_null_or_absent() {
        val gate = Regex("\"gate\": \\{[^}]*}")
        fun gateOf(json: String) = plan(text.replace(gate, "\"gate\": $json")).gate
        assertEquals(Gate(), gateOf("{}"))
        assertEquals(Gate(maxThermalStatus = null), gateOf("{\"max_thermal_status\": null}"))
        assertEquals(Gate(minBatteryPercent = 3.0), gateOf("{\"min_battery_percent\": 3}"))
    }

    @Test
    fun refusals_name_the_field_in_one_line() {
        val changes = listOf(
            "\"round\": 0" to "\"round\": -1",
            "\"attempt\": 0" to "\"attempt\": 0.0",
            "\"attempt\": 0" to "\"attempt\": \"0\"",
            "\"thorough\": true" to "\"thorough\": \"true\"",
            "\"least_share\": 0.6" to "\"least_share\": 1.1",
            "\"least_share\": 0.6" to "\"least_share\": NaN",
            "\"size_bytes\": 77912345" to "\"size_bytes\": 9223372036854775808",
            "\"file\": \"model.pte\"" to "\"file\": \"../model.pte\"",
            "\"heartbeat_s\": 5" to "\"heartbeat_s\": 0",
            "\"heartbeat_s\": 5" to "\"heartbeat_s\": 5, \"colour\": 1",
            "\"kind\": \"load\"" to "\"kind\": \"run\"",
            "\"run_id\": \"0f3a" to "\"run_id\": \"0F3A",
        )
        for ((before, after) in changes) {
            assertTrue(before, before in text)
            val message = refusal(text.replace(before, after))
            val name = after.substringAfterLast(", ").substringAfter('"').substringBefore('"')
            assertTrue("$after: $message", name in message || "cannot be followed" in message)
            assertTrue(message, '\n' !in message)
        }
    }

    @Test
    fun cases_that_mean_nothing_are_refused() {
        val cases = Regex("\"cases\": \\[.*?]", RegexOption.DOT_MATCHES_ALL)
        val bad = listOf(
            "[]", "{}", "[1]", "[{\"kind\": \"load\", \"tokens\": 1}]",
            "[{\"kind\": \"load\", \"depth\": 1}]", "[{\"kind\": \"decode\"}]",
            "[{\"kind\": \"decode\", \"tokens\": 1, \"threads\": 0}]",
        )
        for (json in bad) refusal(text.replace(cases, "\"cases\": $json"))
        val fine = text.replace(cases, "\"cases\": [{\"kind\": \"load\"}]")
        assertEquals(listOf(Case(CaseKind.LOAD)), plan(fine).cases)
    }

    @Test
    fun plan_that_is_refused_still_tells_its_attempt() {
        val other = text
            .replace("\"protocol\": 1", "\"protocol\": 7")
            .replace("\"attempt\": 0", "\"attempt\": 4")
        assertEquals(Attempt("0f3a5c7e9b1d2468", 0, 4), attempt(other))
        assertNull(attempt(text.replace("0f3a5c7e9b1d2468", "../../x")))
        assertNull(attempt("[]"))
        assertNull(attempt("{"))
    }

    @Test
    fun files_that_are_no_plans_are_refused_by_name() {
        val none = File(folder.root, "none")
        val missing = assertThrows(PlanRefused::class.java) { readPlanFile(none) }
        assertTrue(missing.message, missing.message.startsWith("cannot read $none"))
        val binary = folder.newFile().apply { writeBytes(byteArrayOf(0x7b, -1, -2)) }
        assertThrows(PlanRefused::class.java) { parsePlan(readPlanFile(binary)) }
        val large = folder.newFile().apply { writeBytes(ByteArray((1 shl 20) + 1)) }
        assertThrows(PlanRefused::class.java) { readPlanFile(large) }
    }

    /** Whatever the bytes, it is a plan or one line that says why not. */
    @Test
    fun mutated_plans_are_plans_or_refused() {
        val random = Random(20261126)
        var accepted = 0
        repeat(20_000) {
            val mutated = mutated(text, random)
            try {
                val plan = plan(mutated)
                assertTrue(plan.cases.isNotEmpty() && plan.heartbeatS > 0)
                accepted++
            } catch (refused: PlanRefused) {
                val message = refused.message
                assertTrue(message, message.isNotBlank() && '\n' !in message)
                assertTrue(message, message.length < 500)
            }
            attempt(mutated)?.let { assertNotNull(outputName(it.runId, it.round, it.attempt)) }
        }
        assertTrue("$accepted", accepted in 100..19_900)
    }

    @Test
    fun deeply_nested_text_is_refused() {
        refusal("[".repeat(500_000))
        refusal("{\"a\":".repeat(100_000))
    }

    private fun mutated(text: String, random: Random): String {
        val out = StringBuilder(text)
        repeat(random.nextInt(1, 4)) {
            val at = random.nextInt(out.length)
            val end = minOf(out.length, at + random.nextInt(40))
            when (random.nextInt(5)) {
                0 -> out.deleteCharAt(at)
                1 -> out.insert(at, PIECES.random(random))
                2 -> out.setCharAt(at, random.nextInt(0x20, 0x3000).toChar())
                3 -> out.replace(at, end, PIECES.random(random))
                4 -> Regex("[0-9.]+").findAll(out).toList().randomOrNull(random)?.let {
                    out.replace(it.range.first, it.range.last + 1, NUMBERS.random(random))
                }
            }
        }
        return out.toString()
    }

    private companion object {
        val NUMBERS = listOf(
            "0", "-1", "1.5", "1e2", "1e999", "9223372036854775807", "9223372036854775808", "-0",
            "null", "true", "\"1\"", "[1]", "{}", "01", "+1", "0x10", "NaN",
        )
        val PIECES = listOf(
            "{", "}", "[", "]", ",", ":", "\"", "\\ud800", "null", "\u0000", "🙂", "1e",
        )
    }
}
