package io.shakti.demo.runtime

import io.shakti.demo.AppFailure
import io.shakti.demo.FailureKind
import io.shakti.demo.engine.GoldenAnswers
import io.shakti.demo.engine.Program
import io.shakti.demo.engine.RingCache
import io.shakti.demo.engine.goldenAnswers
import org.junit.AfterClass
import org.junit.Assert.assertArrayEquals
import org.junit.Assert.assertEquals
import org.junit.Assert.assertNull
import org.junit.Assert.assertThrows
import org.junit.Assert.assertTrue
import org.junit.BeforeClass
import org.junit.Test
import java.io.File
import java.io.IOException

/** Programs on Android's own library: what it computes, and what is kept from it. */
class ProgramRuntimeTest {
    private val loader = RuntimeFlavour.loader()
    private val vocabSize = RuntimeBundles.q4.manifest.model.vocabSize
    private val context = RuntimeBundles.q4.manifest.program.contextLength
    private val maxChunk = RuntimeBundles.q4.manifest.program.maxChunk

    private fun <T> opened(block: (Program) -> T): T =
        loader.open(RuntimeBundles.q4.programFile, threads = null).use(block)

    @Test
    fun fp32_program_repeats_every_golden_answer_to_the_token() {
        val answers = goldenAnswers(fp32, RuntimeBundles.none.manifest.golden, maxChunk)
        assertEquals(GoldenAnswers(5, 5, 1.0), answers)
        assertNull(answers!!.problem(exact = true))
    }

    @Test
    fun attention_patterns_repeat_every_golden_answer_to_the_token() {
        for (bundle in listOf(RuntimeBundles.window, RuntimeBundles.sparse)) {
            val info = bundle.manifest.program
            val longest = bundle.manifest.golden.maxOf { it.promptIds.size + it.expectedIds.size }
            assertTrue("$longest", longest > checkNotNull(RingCache.of(info)).slots)
            val answers = loader.open(bundle.programFile, threads = null).use {
                goldenAnswers(it, bundle.manifest.golden, info.maxChunk)
            }
            assertEquals(GoldenAnswers(5, 5, 1.0), answers)
        }
    }

    @Test
    fun q4_program_keeps_the_rule_for_rounded_activations() {
        val bundle = RuntimeBundles.q4
        val answers = opened { goldenAnswers(it, bundle.manifest.golden, maxChunk) }!!
        assertNull(answers.problem(exact = false))
        assertTrue("$answers", answers.rankedFirst > 0.8)
    }

    @Test
    fun int8_kv_cache_keeps_the_rule_for_rounded_activations() {
        val bundle = RuntimeBundles.int8Kv
        val answers = loader.open(bundle.programFile, threads = null).use {
            goldenAnswers(it, bundle.manifest.golden, bundle.manifest.program.maxChunk)
        }!!
        assertNull(answers.problem(exact = false))
        assertTrue("$answers", answers.rankedFirst > 0.8)
    }

    @Test
    fun score_gives_the_logits_of_every_position_without_touching_the_cache() {
        val ids = RuntimeBundles.none.manifest.golden.first().promptIds
        val whole = fp32.forward(ids, 0)
        val rows = fp32.score(ids, 0)
        assertEquals(ids.size * vocabSize, rows.size)
        val last = rows.copyOfRange((ids.size - 1) * vocabSize, ids.size * vocabSize)
        assertArrayEquals(whole, last, 1e-3f)
        fp32.score(intArrayOf(5, 6, 7), 0)
        // The cache of forward is as it was: the last id again gives the same.
        val again = fp32.forward(intArrayOf(ids.last()), ids.size - 1)
        assertArrayEquals(whole, again, 1e-3f)
    }

    @Test
    fun cache_that_is_written_again_from_a_position_forgets_what_was_there() {
        val ids = RuntimeBundles.none.manifest.golden.first().promptIds
        val fresh = fp32.forward(ids, 0)
        fp32.forward(IntArray(20) { 1000 + it }, 10)
        val rewritten = fp32.forward(ids.copyOfRange(10, ids.size), 10)
        assertArrayEquals(fresh, rewritten, 1e-3f)
    }

    @Test
    fun what_the_kernels_would_not_notice_is_refused_in_one_line() {
        opened { program ->
            val wrong = listOf(
                intArrayOf() to 0,
                IntArray(maxChunk + 1) to 0,
                intArrayOf(1) to -1,
                intArrayOf(1) to context,
                IntArray(2) to context - 1,
                intArrayOf(1) to Int.MAX_VALUE,
                intArrayOf(vocabSize) to 0,
                intArrayOf(-1) to 0,
            )
            for ((ids, start) in wrong) {
                for (call in listOf(program::forward, program::score)) {
                    assertOneLine(FailureKind.RUNTIME_FAILED) { call(ids, start) }
                }
            }
            // The last of everything is still taken.
            val last = IntArray(maxChunk) { vocabSize - 1 }
            assertEquals(vocabSize, program.forward(last, context - maxChunk).size)
            assertEquals(vocabSize, program.forward(last.copyOf(1), context - 1).size)
        }
    }

    @Test
    fun closed_program_fails_in_one_line_and_closes_twice() {
        val program = loader.open(RuntimeBundles.q4.programFile, threads = null)
        program.close()
        program.close()
        val failure =
            assertOneLine(FailureKind.RUNTIME_FAILED) { program.forward(intArrayOf(1), 0) }
        assertEquals("the program is closed", failure.message)
    }

    @Test
    fun threads_asked_for_are_the_librarys() {
        // Threads that the library starts are called as the one that asks; the JVM names its own.
        val name = File("/proc/thread-self/comm").readText()
        fun threads(count: Int): Int = loader.open(RuntimeBundles.q4.programFile, count).use {
            val tasks = checkNotNull(File("/proc/self/task").list())
            tasks.count { task -> commOf(task) == name }
        }
        assertTrue(loader.runtime.threadsSettable)
        val one = threads(1)
        assertEquals(one + 1, threads(2))
        assertEquals(one, threads(1))
    }

    /** The name of a thread, null where it has just ended. */
    private fun commOf(task: String): String? =
        try {
            File("/proc/self/task/$task/comm").readText()
        } catch (_: IOException) {
            null
        }

    @Test
    fun operators_of_the_bundles_are_there_and_others_are_named() {
        for (bundle in listOf(RuntimeBundles.q4, RuntimeBundles.none)) {
            assertEquals(emptyList<String>(), loader.missing(bundle.manifest.program.operators))
        }
        val asked = listOf("aten::mul.out", "torchao::linear_5bit.out", "aten::none.out")
        assertEquals(asked.drop(1), loader.missing(asked))
    }

    @Test
    fun runtime_says_what_it_is() {
        val runtime = loader.runtime
        assertEquals("community", runtime.flavour)
        assertTrue(runtime.limits.any { "4 KiB" in it })
    }

    private fun assertOneLine(kind: FailureKind, block: () -> Unit): AppFailure {
        val failure = assertThrows(AppFailure::class.java) { block() }
        assertEquals(kind, failure.kind)
        assertTrue(failure.message, failure.message.isNotEmpty() && '\n' !in failure.message)
        return failure
    }

    companion object {
        private lateinit var fp32: Program

        @JvmStatic
        @BeforeClass
        fun openFp32() {
            val file = RuntimeBundles.none.programFile
            fp32 = RuntimeFlavour.loader().open(file, threads = null)
        }

        @JvmStatic
        @AfterClass
        fun closeFp32() = fp32.close()
    }
}
