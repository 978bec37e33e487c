package io.shakti.demo.bench

/** Median and quartiles of some numbers, by linear interpolation as in the SDK's reports. */
data class Quartiles(val low: Double, val median: Double, val high: Double) {
    companion object {
        /** [values] are at least one. */
        fun of(values: Collection<Double>): Quartiles {
            val ordered = values.sorted()
            val (low, median, high) = listOf(0.25, 0.5, 0.75).map { quantile(ordered, it) }
            return Quartiles(low, median, high)
        }

        private fun quantile(ordered: List<Double>, share: Double): Double {
            val at = share * (ordered.size - 1)
            val below = at.toInt()
            val above = minOf(below + 1, ordered.lastIndex)
            return ordered[below] + (at - below) * (ordered[above] - ordered[below])
        }
    }
}

/** The rows of a result: each case of [cases] that has a sample, in that order. */
fun rowsOf(cases: List<Case>, samples: List<Sample>): List<BenchRow> =
    cases.mapNotNull { case ->
        val ofCase = samples.filter { it.case == case }
        val valid = ofCase.filter { it.invalidReason == null }
        if (valid.isEmpty()) return@mapNotNull null
        val quartiles = Quartiles.of(valid.map(::valueOf))
        BenchRow(
            case.name, valid.size, ofCase.size - valid.size, quartiles.median, quartiles.low,
            quartiles.high, if (isRate(case)) "tokens/s" else "ms",
        )
    }

private fun isRate(case: Case) = case.kind == CaseKind.PREFILL || case.kind == CaseKind.DECODE

private fun valueOf(sample: Sample): Double {
    val durationMs = sample.timing.durationMs
    return if (isRate(sample.case)) sample.case.tokens * 1000 / durationMs else durationMs
}
