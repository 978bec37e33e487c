package io.shakti.demo.fakes

import io.shakti.demo.AppFailure
import io.shakti.demo.bench.BenchOutcome
import io.shakti.demo.bench.BenchProgress
import io.shakti.demo.bench.BenchRow
import io.shakti.demo.bench.InAppBench
import io.shakti.demo.bundle.Bundle
import java.util.concurrent.CopyOnWriteArrayList

/**
 * A benchmark that brings the rows of [outcome] one by one. [beforeCase] runs before each case:
 * there a test may look at the screen, cancel or wait. After the last one comes [failure], if set.
 */
class ScriptedBench(
    var outcome: BenchOutcome = OUTCOME,
    var failure: AppFailure? = null,
    var beforeCase: (index: Int) -> Unit = {},
) : InAppBench {
    data class Run(val bundle: Bundle, val quick: Boolean)

    val runs: MutableList<Run> = CopyOnWriteArrayList()

    override fun run(
        bundle: Bundle,
        quick: Boolean,
        progress: (BenchProgress) -> Unit,
        cancelled: () -> Boolean,
    ): BenchOutcome? {
        runs += Run(bundle, quick)
        val rows = outcome.rows
        rows.forEachIndexed { index, row ->
            progress(BenchProgress(index, rows.size, row.case, rows.take(index)))
            beforeCase(index)
            if (cancelled()) return null
        }
        failure?.let { throw it }
        return outcome
    }

    companion object {
        val ROWS =
            listOf(
                BenchRow("load", 5, 0, 412.0, 398.0, 431.0, "ms"),
                BenchRow("prefill-128", 5, 0, 231.4, 228.9, 233.0, "tokens/s"),
                BenchRow("prefill-512", 5, 0, 219.7, 216.2, 221.5, "tokens/s"),
                BenchRow("ttft-128", 5, 0, 561.0, 552.0, 570.0, "ms"),
                BenchRow("decode-128", 4, 1, 38.62, 38.1, 38.9, "tokens/s"),
            )

        val OUTCOME =
            BenchOutcome(
                rows = ROWS,
                peakMemoryBytes = 412_300_000,
                goldenConfirmed = true,
                remarks = emptyList(),
                jsonl = ROWS.joinToString("") { """{"case":"${it.case}"}""" + "\n" },
            )
    }
}
