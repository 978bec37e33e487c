package io.shakti.demo.ui.bench

import android.content.Context
import io.shakti.demo.R
import io.shakti.demo.bench.BenchRow
import io.shakti.demo.ui.numberWords

private val CASE = Regex("""(load|prefill|decode|ttft)(?:-(\d+))?(?:@(\d+))?(?:/(\d+)t)?""")

/** A case of the protocol in words; one that is not known keeps its name. */
fun Context.caseWords(name: String): String {
    val (kind, tokens, depth, threads) = CASE.matchEntire(name)?.destructured ?: return name
    val what =
        when (kind) {
            "load" -> getString(R.string.case_load)
            "prefill" -> getString(R.string.case_prefill, tokens)
            "decode" -> getString(R.string.case_decode, tokens)
            else -> getString(R.string.case_ttft, tokens)
        }
    return listOfNotNull(
            what,
            depth.ifEmpty { null }?.let { getString(R.string.case_depth, it) },
            threads.ifEmpty { null }?.let { getString(R.string.case_threads, it) },
        )
        .joinToString(", ")
}

fun Context.unitWords(unit: String): String =
    getString(if (unit == "tokens/s") R.string.unit_tokens_s else R.string.unit_ms)

/** "Middle half 228.9 to 233.0 · 5 samples, 1 left out". */
fun Context.spreadWords(row: BenchRow): String {
    val samples = resources.getQuantityString(R.plurals.bench_samples, row.samples, row.samples)
    val left = row.invalid.takeIf { it > 0 }?.let { getString(R.string.bench_left_out, it) }
    val spread =
        getString(R.string.bench_spread, numberWords(row.low), numberWords(row.high))
            .takeIf { row.samples > 1 }
    val counted = if (left == null) samples else "$samples, $left"
    return listOfNotNull(spread, counted).joinToString(" · ")
}
