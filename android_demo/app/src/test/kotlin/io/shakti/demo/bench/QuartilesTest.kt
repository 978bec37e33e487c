package io.shakti.demo.bench

import org.junit.Assert.assertEquals
import org.junit.Test

class QuartilesTest {
    @Test
    fun quartiles_are_those_of_numpy() {
        // numpy.quantile([…], [0.25, 0.5, 0.75])
        assertEquals(Quartiles(7.0, 7.0, 7.0), Quartiles.of(listOf(7.0)))
        assertEquals(Quartiles(1.25, 1.5, 1.75), Quartiles.of(listOf(2.0, 1.0)))
        assertEquals(Quartiles(2.0, 3.0, 9.0), Quartiles.of(listOf(10.0, 1.0, 9.0, 2.0, 3.0)))
        assertEquals(Quartiles(1.75, 2.5, 3.25), Quartiles.of(listOf(4.0, 3.0, 2.0, 1.0)))
    }

    @Test
    fun rows_leave_invalid_samples_out_and_keep_the_plans_order() {
        val load = Case(CaseKind.LOAD)
        val decode = Case(CaseKind.DECODE, 10)
        val prefill = Case(CaseKind.PREFILL, 100)
        val look = Conditions("now")
        fun sample(case: Case, durationMs: Double, reason: String? = null): Sample =
            Sample(0, 0, case, "now", Timing(durationMs), null, look, look, reason)
        val samples = listOf(
            sample(decode, 100.0), sample(load, 400.0), sample(decode, 50.0),
            sample(decode, 1.0, "hot"), sample(prefill, 5.0, "hot"), sample(load, 200.0),
        )
        assertEquals(
            listOf(
                BenchRow("load", 2, 0, 300.0, low = 250.0, high = 350.0, unit = "ms"),
                BenchRow("decode-10", 2, 1, 150.0, low = 125.0, high = 175.0, unit = "tokens/s"),
            ),
            rowsOf(listOf(load, prefill, decode), samples),
        )
    }
}
