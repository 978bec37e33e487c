package io.shakti.demo.bench

import io.shakti.demo.AppFailure
import io.shakti.demo.FailureKind
import io.shakti.demo.bundle.GoldenPrompt
import io.shakti.demo.fakes.ScriptedLoader
import java.io.File
import kotlinx.serialization.json.Json
import kotlinx.serialization.json.jsonObject
import kotlinx.serialization.json.jsonPrimitive
import org.junit.Assert.assertEquals
import org.junit.Assert.assertFalse
import org.junit.Assert.assertNull
import org.junit.Assert.assertThrows
import org.junit.Assert.assertTrue
import org.junit.Rule
import org.junit.Test
import org.junit.rules.TemporaryFolder

/** The context of 256 holds the quick plan's cases, and of the whole plan all but prefill-512. */
class LocalBenchTest {
    @get:Rule val folder = TemporaryFolder()

    private val setup by lazy { setup() }
    private val progress = ArrayList<BenchProgress>()

    private fun setup(golden: List<GoldenPrompt> = listOf(BenchSetup.COUNTING)): BenchSetup {
        val made = BenchSetup(folder.newFolder(), golden)
        File(made.bundle.folder, "manifest.json").writeText("{\"name\": \"n\"}\n")
        return made
    }

    private fun run(
        quick: Boolean,
        setup: BenchSetup = this.setup,
        cancelled: () -> Boolean = { false },
    ): BenchOutcome? =
        LocalBench(setup.tools(), { PhoneFacts("Pixel 8", "Google") }, "1.0.0")
            .run(setup.bundle, quick, progress::add, cancelled)

    private fun types(outcome: BenchOutcome): List<String> =
        outcome.jsonl.lines().dropLast(1).map {
            Json.parseToJsonElement(it).jsonObject.getValue("type").jsonPrimitive.content
        }

    @Test
    fun quick_benchmark_gives_a_row_a_case() {
        val outcome = run(quick = true)!!
        assertEquals(
            listOf(
                "load" to "ms", "prefill-64" to "tokens/s",
                "ttft-64" to "ms", "decode-32" to "tokens/s",
            ),
            outcome.rows.map { it.case to it.unit },
        )
        assertTrue(outcome.rows.all { it.samples == 2 && it.invalid == 0 && it.median > 0 })
        assertTrue(outcome.rows.all { it.low <= it.median && it.median <= it.high })
        assertTrue(outcome.goldenConfirmed)
        assertEquals(12_345_678L, outcome.peakMemoryBytes)
        val round = listOf("round") + List(4) { "sample" } + "round_end"
        assertEquals(listOf("run") + round + round, types(outcome))
    }

    @Test
    fun whole_benchmark_has_five_rounds_of_what_fits_the_context() {
        val outcome = run(quick = false)!!
        assertEquals(
            listOf("load", "prefill-128", "ttft-128", "decode-128"), outcome.rows.map { it.case },
        )
        assertTrue(outcome.rows.all { it.samples == 5 })
        assertEquals(5, setup.loader.opened.size)
        assertTrue(setup.loader.opened.all { it.program.closed })
    }

    @Test
    fun progress_counts_all_rounds_and_brings_the_rows_so_far() {
        run(quick = true)
        assertEquals(0, progress.first().done)
        assertTrue(progress.all { it.total == 8 })
        assertEquals(progress.map { it.done }.sorted(), progress.map { it.done })
        assertEquals(8, progress.last().done)
        assertTrue(progress.first().rows.isEmpty())
        assertEquals(4, progress.last().rows.size)
    }

    @Test
    fun cancelled_benchmark_gives_nothing_and_lets_go_of_the_program() {
        assertNull(run(quick = true) { progress.size > 3 })
        assertTrue(setup.loader.opened.single().program.closed)
    }

    @Test
    fun cancelling_is_noticed_within_a_case() {
        val program = BenchSetup.countingProgram()
        val bench = LocalBench(setup.tools(ScriptedLoader { program }), { PhoneFacts("x") }, "1")
        assertNull(bench.run(setup.bundle, quick = true, {}, { program.calls.size >= 10 }))
        assertEquals(10, program.calls.size)
    }

    @Test
    fun hot_phone_ends_it_with_a_remark_and_the_sample_does_not_count() {
        val cool = Conditions("cool", thermalStatus = 0)
        // The start, the load's two, the first line, prefill's two.
        setup.looks = List(5) { cool } + Conditions("hot", thermalStatus = 2)
        val outcome = run(quick = true)!!
        assertEquals(listOf("load"), outcome.rows.map { it.case })
        val remark = outcome.remarks.first()
        val begins = "Ended in round 1 of 2: thermal status is 2 (moderate)"
        assertTrue(remark, remark.startsWith(begins))
        val hot = outcome.jsonl.lines().single { "invalid_reason" in it }
        assertTrue(hot, "after: thermal status is 2 (moderate)" in hot)
    }

    @Test
    fun nothing_is_measured_where_the_battery_is_too_low_to_start() {
        setup.looks = listOf(Conditions("low", batteryPercent = 15.0))
        val outcome = run(quick = true)!!
        assertTrue(outcome.rows.isEmpty())
        assertFalse(outcome.goldenConfirmed)
        assertEquals(
            listOf("Not measured: battery is at 15 %, at least 20 % is needed."), outcome.remarks,
        )
        assertTrue(setup.loader.opened.isEmpty())
    }

    @Test
    fun other_golden_answers_are_a_failure() {
        val other = setup(listOf(GoldenPrompt("text", intArrayOf(1), intArrayOf(9, 9, 9))))
        val failure = assertThrows(AppFailure::class.java) { run(quick = true, setup = other) }
        assertEquals(FailureKind.GOLDEN_MISMATCH, failure.kind)
    }

    @Test
    fun damaged_program_is_a_failure_and_so_is_one_that_does_not_open() {
        File(setup.bundle.folder, "model.pte").writeText("another program of bytes")
        val damaged = assertThrows(AppFailure::class.java) { run(quick = true) }
        assertEquals(FailureKind.BUNDLE_CORRUPT, damaged.kind)
        val other = setup()
        other.loader.fail(FailureKind.OUT_OF_MEMORY)
        val full = assertThrows(AppFailure::class.java) { run(quick = true, setup = other) }
        assertEquals(FailureKind.OUT_OF_MEMORY, full.kind)
    }

    @Test
    fun bundle_without_golden_prompts_is_measured_but_not_confirmed() {
        assertFalse(run(quick = true, setup = setup(emptyList()))!!.goldenConfirmed)
    }

    @Test
    fun each_round_begins_with_another_case_and_the_load_stays_first() {
        val plan = LocalPlan.of(contextLength = 4096, quick = false)
        val firsts = (0 until 5).map { round ->
            val cases = plan.casesOf(round)
            assertEquals(plan.cases.toSet(), cases.toSet())
            assertEquals("load", cases[0].name)
            cases[1].name
        }
        assertEquals(
            listOf("prefill-128", "prefill-512", "ttft-128", "decode-128", "prefill-128"), firsts,
        )
    }
}
