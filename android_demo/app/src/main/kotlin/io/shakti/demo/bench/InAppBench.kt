package io.shakti.demo.bench

import io.shakti.demo.bundle.Bundle

/** The benchmark protocol's plan, run within the app for its benchmark screen. Blocking. */
interface InAppBench {
    /** Throws AppFailure. Null when [cancelled] became true. [quick]: fewer and shorter cases. */
    fun run(
        bundle: Bundle,
        quick: Boolean,
        progress: (BenchProgress) -> Unit,
        cancelled: () -> Boolean,
    ): BenchOutcome?
}

/** [now] names the case that is running; [rows] are the results so far. */
data class BenchProgress(val done: Int, val total: Int, val now: String, val rows: List<BenchRow>)

/** A case in numbers, over [samples] valid samples. [unit]: "tokens/s" or "ms". */
data class BenchRow(
    val case: String,
    val samples: Int,
    val invalid: Int,
    val median: Double,
    val low: Double,
    val high: Double,
    val unit: String,
)

/** [jsonl]: the result lines as the protocol has them, to be shared. */
data class BenchOutcome(
    val rows: List<BenchRow>,
    val peakMemoryBytes: Long?,
    val goldenConfirmed: Boolean,
    val remarks: List<String>,
    val jsonl: String,
)
