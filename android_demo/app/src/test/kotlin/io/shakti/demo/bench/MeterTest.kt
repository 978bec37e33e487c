package io.shakti.demo.bench

import io.shakti.demo.fakes.ScriptedLoader
import io.shakti.demo.fakes.ScriptedProgram
import io.shakti.demo.fakes.scriptedBundle
import org.junit.Assert.assertEquals
import org.junit.Assert.assertNull
import org.junit.Assert.assertTrue
import org.junit.Test

/** Chunks of 16, context 256, vocabulary 50; the clock moves only while the program runs. */
class MeterTest {
    private var clockNs = 0L
    private val program = BenchSetup.countingProgram().apply {
        beforeForward = { earlier -> clockNs += 1_000_000L * (1 + earlier % 3) }
    }
    private val loader = ScriptedLoader {
        clockNs += 7_500_000
        program
    }
    private val bundle = scriptedBundle(vocabSize = BenchSetup.VOCAB)
    private var ticks = 0
    private val meter = Meter(loader, bundle, { ticks++ }) { clockNs }

    @Test
    fun tokens_of_the_prompt_are_the_protocols() {
        assertEquals(1, benchToken(0, 49152))
        // 2654435761 mod 49151, and twice that mod 2^32 mod 49151, by hand
        assertEquals(1 + (2654435761 % 49151).toInt(), benchToken(1, 49152))
        assertEquals(1 + ((2 * 2654435761 - 4294967296) % 49151).toInt(), benchToken(2, 49152))
        val ids = (0 until 100_000).map { benchToken(it, 50) }
        assertEquals((1..49).toSet(), ids.toSet())
    }

    @Test
    fun load_is_the_time_of_opening() {
        val timing = meter.load(threads = 3)
        assertEquals(7.5, timing.durationMs, 1e-9)
        assertEquals(emptyList<Double>(), timing.tokenMs)
        assertEquals(3, loader.opened.single().threads)
    }

    @Test
    fun loading_again_lets_go_of_the_program_before() {
        val programs = ArrayList<ScriptedProgram>()
        val loader = ScriptedLoader { BenchSetup.countingProgram().also(programs::add) }
        Meter(loader, bundle).use {
            it.load(null)
            it.load(2)
            assertTrue(programs[0].closed)
            assertTrue(!programs[1].closed)
        }
        assertTrue(programs[1].closed)
        assertEquals(listOf(null, 2), loader.opened.map { it.threads })
    }

    @Test
    fun prefill_goes_in_chunks_behind_its_depth_and_is_timed_as_a_whole() {
        meter.load(null)
        meter.fill(20)
        val before = program.calls.size
        val timing = meter.run(Case(CaseKind.PREFILL, tokens = 40, depth = 20))
        val calls = program.calls.drop(before)
        assertEquals(listOf(20 to 16, 36 to 16, 52 to 8), calls.map { it.start to it.ids.size })
        assertEquals((20 until 60).map { benchToken(it, 50) }, calls.flatMap { it.ids })
        val filling = program.calls.take(2)
        assertEquals(listOf(0 to 16, 16 to 4), filling.map { it.start to it.ids.size })
        // Calls 2, 3 and 4 take 3, 1 and 2 ms.
        assertEquals(6.0, timing.durationMs, 1e-9)
        assertEquals(emptyList<Double>(), timing.tokenMs)
        assertEquals(1 + 2 + 3, ticks)
    }

    @Test
    fun ttft_is_timed_like_a_prefill() {
        meter.load(null)
        val timing = meter.run(Case(CaseKind.TTFT, tokens = 17))
        assertEquals(listOf(0 to 16, 16 to 1), program.calls.map { it.start to it.ids.size })
        assertEquals(3.0, timing.durationMs, 1e-9)
    }

    @Test
    fun decode_feeds_back_what_it_picked_and_times_each_token() {
        meter.load(null)
        meter.fill(5)
        val timing = meter.run(Case(CaseKind.DECODE, tokens = 4, depth = 5))
        val first = benchToken(5, 50)
        val calls = program.calls.drop(1)
        assertEquals((5..8).toList(), calls.map { it.start })
        assertEquals((0..3).map { listOf((first + it) % 50) }, calls.map { it.ids })
        assertEquals(listOf(2.0, 3.0, 1.0, 2.0), timing.tokenMs)
        assertEquals(8.0, timing.durationMs, 1e-9)
    }

    @Test
    fun warm_up_stays_within_the_context() {
        meter.load(null)
        meter.warmUp(WarmUp(prefillTokens = 254, decodeTokens = 100))
        assertEquals(255, program.calls.last().start)
        assertEquals(256, program.cache.size)
        meter.warmUp(WarmUp(prefillTokens = Long.MAX_VALUE, decodeTokens = 1))
        assertEquals(256, program.cache.size)
    }

    @Test
    fun case_fits_when_its_last_position_is_in_the_context() {
        assertTrue(Case(CaseKind.DECODE, tokens = 56, depth = 200).fits(256))
        assertTrue(!Case(CaseKind.DECODE, tokens = 57, depth = 200).fits(256))
        assertTrue(!Case(CaseKind.DECODE, Long.MAX_VALUE, Long.MAX_VALUE).fits(256))
        assertTrue(!Case(CaseKind.DECODE, tokens = 1, depth = Long.MAX_VALUE).fits(256))
        assertNull(Case(CaseKind.LOAD).threads)
    }

    @Test
    fun names_of_cases_are_the_sdks() {
        assertEquals("load", Case(CaseKind.LOAD).name)
        assertEquals("load/4t", Case(CaseKind.LOAD, threads = 4).name)
        assertEquals("decode-128@512/4t", Case(CaseKind.DECODE, 128, 512, 4).name)
        assertEquals("ttft-128", Case(CaseKind.TTFT, 128).name)
    }
}
