package io.shakti.demo.bench

import io.shakti.demo.AppFailure
import io.shakti.demo.FailureKind
import io.shakti.demo.bundle.GoldenPrompt
import io.shakti.demo.engine.Program
import io.shakti.demo.engine.ProgramLoader
import io.shakti.demo.fakes.ScriptedLoader
import java.io.File
import java.io.IOException
import org.junit.Assert.assertEquals
import org.junit.Assert.assertNull
import org.junit.Assert.assertThrows
import org.junit.Assert.assertTrue
import org.junit.Rule
import org.junit.Test
import org.junit.rules.TemporaryFolder

private val LOAD = Case(CaseKind.LOAD)
private val PREFILL = Case(CaseKind.PREFILL, 8)
private val DECODE = Case(CaseKind.DECODE, 4, depth = 2)

class RoundTest {
    @get:Rule val folder = TemporaryFolder()

    private val setup by lazy { BenchSetup(File(folder.root, "bundle")) }
    private val pulse = RecordedPulse()
    private val lines = ArrayList<Line>()

    private fun run(plan: RoundPlan, tools: RoundTools = setup.tools()): RoundEnd =
        Round(plan, tools, pulse, lines::add).run()

    private fun failure(): Failure = lines.filterIsInstance<Failure>().single()

    @Test
    fun every_case_gives_a_sample_between_the_first_and_the_last_line() {
        val end = run(setup.plan(LOAD, PREFILL, DECODE))
        assertEquals(EndStatus.COMPLETE, end.status)
        val start = lines.first() as RoundStart
        assertEquals(setup.bundle.manifest.program.sha256, start.programSha256)
        assertEquals(1 to 1, start.golden!!.prompts to start.golden!!.repeated)
        assertEquals(1.0, start.golden!!.rankedFirst, 0.0)
        val samples = lines.drop(1).dropLast(1).map { it as Sample }
        assertEquals(listOf(LOAD, PREFILL, DECODE), samples.map { it.case })
        assertTrue(samples.all { it.timing.durationMs > 0 && it.peakMemoryBytes == 12_345_678L })
        assertEquals(4, samples.last().timing.tokenMs.size)
        assertEquals(end, lines.last())
        assertTrue(lines.filterIsInstance<Sample>().all { it.round == 2L && it.attempt == 3L })
    }

    @Test
    fun progress_is_said_as_each_case_begins_and_at_the_end() {
        run(setup.plan(LOAD, PREFILL, DECODE))
        val cases = pulse.said.drop(1).map { it.done to it.now }
        assertEquals(
            listOf(0 to "load", 1 to "prefill-8", 2 to "decode-4@2", 3 to "decode-4@2"), cases,
        )
        assertEquals(CasesDone(0, 3, "load"), pulse.said.first())
        assertTrue(pulse.ticks > 10)
    }

    @Test
    fun round_that_is_not_thorough_looks_only_at_the_size() {
        val plan = setup.plan(LOAD, thorough = false)
        val other = plan.copy(program = plan.program.copy(sha256 = "f".repeat(64)))
        assertEquals(EndStatus.COMPLETE, run(other).status)
        val start = lines.first() as RoundStart
        assertNull(start.programSha256)
        assertNull(start.golden)
        assertTrue(setup.loader.opened.single().program.calls.isEmpty())
    }

    @Test
    fun warm_up_comes_once_after_each_opening_and_a_load_case_opens_anew() {
        run(setup.plan(LOAD, PREFILL, DECODE, LOAD, PREFILL, thorough = false))
        val (first, second) = setup.loader.opened.map { opened ->
            opened.program.calls.map { it.start }
        }
        // Warm-up of 3 and 2, the prefill; 2 to fill and 4 decoded; then the same on a new program.
        assertEquals(listOf(0, 3, 4, 0, 0, 2, 3, 4, 5), first)
        assertEquals(listOf(0, 3, 4, 0), second)
        assertTrue(setup.loader.opened.all { it.program.closed })
    }

    @Test
    fun another_number_of_threads_opens_the_program_again() {
        val threaded = PREFILL.copy(threads = 2)
        run(setup.plan(PREFILL, DECODE, threaded, threaded.copy(tokens = 9), thorough = false))
        assertEquals(listOf(null, 2), setup.loader.opened.map { it.threads })
        assertEquals(4, lines.filterIsInstance<Sample>().size)
    }

    @Test
    fun hot_phone_ends_the_round_after_the_sample() {
        val cool = Conditions("cool", thermalStatus = 0)
        val hot = Conditions("hot", thermalStatus = 3)
        setup.looks = listOf(cool, cool, cool, cool, hot) // load 2, first line 1, prefill 2
        val end = run(setup.plan(LOAD, PREFILL, DECODE))
        assertEquals(EndStatus.LEFT_GATE, end.status)
        assertEquals("thermal status is 3 (severe), at most 0 (none) is allowed", end.message)
        assertEquals(listOf(LOAD, PREFILL), lines.filterIsInstance<Sample>().map { it.case })
        assertEquals(hot, lines.filterIsInstance<Sample>().last().after)
        assertTrue(lines.none { it is Failure })
    }

    @Test
    fun program_of_another_size_is_not_opened() {
        File(setup.bundle.folder, "model.pte").appendText("!")
        val end = run(setup.plan(LOAD, thorough = false))
        assertEquals(EndStatus.FAILED, end.status)
        assertEquals("size_mismatch", failure().cause)
        assertEquals("model.pte has 25 bytes instead of 24", failure().message)
        val written = lines.map { it.javaClass.simpleName }
        assertEquals(listOf("RoundStart", "Failure", "RoundEnd"), written)
        assertTrue(setup.loader.opened.isEmpty())
    }

    @Test
    fun program_with_other_bytes_is_not_opened_and_its_hash_is_told() {
        File(setup.bundle.folder, "model.pte").writeText("another program of bytes")
        assertEquals(EndStatus.FAILED, run(setup.plan(LOAD)).status)
        assertEquals("hash_mismatch", failure().cause)
        val told = (lines.first() as RoundStart).programSha256!!
        assertTrue(told != setup.bundle.manifest.program.sha256)
        assertEquals("model.pte has the hash ${told.take(16)}...", failure().message)
        assertTrue(setup.loader.opened.isEmpty())
    }

    @Test
    fun other_answers_to_the_golden_prompts_end_the_round() {
        val golden = GoldenPrompt("text", intArrayOf(1, 2), intArrayOf(3, 4, 9, 10))
        val other = BenchSetup(File(folder.root, "other"), listOf(golden))
        run(other.plan(LOAD, exact = true), other.tools())
        assertEquals("golden_mismatch", failure().cause)
        assertEquals("0 of 1 golden answers repeated", failure().message)
        assertEquals(0.75, (lines.first() as RoundStart).golden!!.rankedFirst, 0.0)
        assertTrue(lines.none { it is Sample })
    }

    @Test
    fun enough_golden_tokens_are_enough_for_rounded_activations() {
        val golden = GoldenPrompt("text", intArrayOf(1, 2), intArrayOf(3, 4, 9, 10))
        val other = BenchSetup(File(folder.root, "other"), listOf(golden))
        assertEquals(EndStatus.COMPLETE, run(other.plan(LOAD, exact = false), other.tools()).status)
    }

    @Test
    fun bundle_without_golden_prompts_is_measured() {
        val other = BenchSetup(File(folder.root, "other"), golden = emptyList())
        assertEquals(EndStatus.COMPLETE, run(other.plan(LOAD), other.tools()).status)
        val start = lines.first() as RoundStart
        assertNull(start.golden)
        assertEquals(other.bundle.manifest.program.sha256, start.programSha256)
    }

    @Test
    fun program_that_does_not_open_is_told_by_name() {
        setup.loader.fail(FailureKind.OPERATOR_MISSING)
        val round = Round(setup.plan(LOAD), setup.tools(), pulse, lines::add)
        assertEquals(EndStatus.FAILED, round.run().status)
        assertEquals("load_failed", failure().cause)
        assertEquals(FailureKind.OPERATOR_MISSING, round.failure!!.kind)
    }

    @Test
    fun runtime_whose_library_does_not_load_is_missing() {
        val loader = object : ProgramLoader by setup.loader {
            override fun open(file: File, threads: Int?): Program {
                val cause = UnsatisfiedLinkError("no executorch in java.library.path")
                throw AppFailure(FailureKind.RUNTIME_FAILED, "the library does not load", cause)
            }
        }
        run(setup.plan(LOAD), setup.tools(loader))
        assertEquals("runtime_missing", failure().cause)
    }

    @Test
    fun failure_within_a_case_names_it_and_keeps_the_samples_before() {
        val loader = ScriptedLoader {
            BenchSetup.countingProgram().apply {
                beforeForward = { earlier ->
                    if (earlier == 5) throw AppFailure(FailureKind.RUNTIME_FAILED, "code\n 18")
                }
            }
        }
        val end = run(setup.plan(LOAD, PREFILL, DECODE, thorough = false), setup.tools(loader))
        assertEquals(EndStatus.FAILED to "code 18", end.status to end.message)
        assertEquals("engine_failed" to DECODE, failure().cause to failure().case)
        assertEquals(listOf(LOAD, PREFILL), lines.filterIsInstance<Sample>().map { it.case })
        assertTrue(loader.opened.single().program.closed)
    }

    @Test
    fun memory_that_runs_out_is_a_failure_line() {
        val loader = ScriptedLoader {
            val full: (Int) -> Unit = { throw OutOfMemoryError("heap") }
            BenchSetup.countingProgram().apply { beforeForward = full }
        }
        run(setup.plan(PREFILL, thorough = false), setup.tools(loader))
        assertEquals("out_of_memory", failure().cause)
        assertTrue(lines.last() is RoundEnd)
    }

    @Test
    fun case_beyond_the_context_is_refused_before_anything_runs() {
        run(setup.plan(PREFILL, Case(CaseKind.DECODE, tokens = 57, depth = 200)))
        assertEquals("plan_unfit", failure().cause)
        assertEquals("decode-57@200 does not fit the context of 256 tokens", failure().message)
        assertTrue(setup.loader.opened.isEmpty())
    }

    @Test
    fun plan_for_another_program_file_is_refused() {
        val plan = setup.plan(LOAD)
        run(plan.copy(program = plan.program.copy(file = "other.pte")))
        assertEquals("bundle_unreadable", failure().cause)
        assertEquals("the program of the bundle is model.pte, not other.pte", failure().message)
    }

    @Test
    fun bundle_that_cannot_be_read_is_told() {
        val tools = RoundTools(
            { setup.loader },
            { throw AppFailure(FailureKind.BUNDLE_NEWER, "schema 2.0") },
            { Conditions("now") },
            { null },
        )
        run(setup.plan(LOAD), tools)
        assertEquals("bundle_unreadable" to "schema 2.0", failure().cause to failure().message)
    }

    @Test
    fun line_that_cannot_be_written_ends_the_round() {
        val round = Round(setup.plan(LOAD), setup.tools(), pulse) { throw IOException("full") }
        assertThrows(IOException::class.java) { round.run() }
        assertTrue(setup.loader.opened.all { it.program.closed })
    }
}
