package io.shakti.demo.ui.bench

import io.shakti.demo.bench.BenchRow
import io.shakti.demo.fakes.TestApp
import org.junit.Assert.assertEquals
import org.junit.Test
import org.junit.runner.RunWith
import org.robolectric.RobolectricTestRunner
import org.robolectric.RuntimeEnvironment
import org.robolectric.annotation.Config

@RunWith(RobolectricTestRunner::class)
@Config(application = TestApp::class)
class BenchWordsTest {
    private val context = RuntimeEnvironment.getApplication()

    @Test
    fun cases_of_the_protocol_are_said_in_words_and_others_keep_their_name() {
        val words =
            mapOf(
                "load" to "Opening the model",
                "prefill-512" to "Reading 512 tokens",
                "decode-128@512/4t" to "Writing 128 tokens, 512 tokens into a chat, 4 threads",
                "ttft-128" to "First token after 128",
                "swap-3" to "swap-3",
            )
        for ((case, expected) in words) assertEquals(expected, context.caseWords(case))
    }

    @Test
    fun one_sample_has_no_spread() {
        val row = BenchRow("load", 1, 0, 412.0, 412.0, 412.0, "ms")
        assertEquals("1 sample", context.spreadWords(row))
        assertEquals(
            "middle half 7.45 to 8.31 · 3 samples, 2 left out",
            context.spreadWords(row.copy(samples = 3, invalid = 2, low = 7.45, high = 8.31)),
        )
    }
}
