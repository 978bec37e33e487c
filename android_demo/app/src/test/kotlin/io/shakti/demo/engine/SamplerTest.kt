package io.shakti.demo.engine

import io.shakti.demo.AppFailure
import io.shakti.demo.FailureKind
import org.junit.Assert.assertEquals
import org.junit.Assert.assertThrows
import org.junit.Assert.assertTrue
import org.junit.Test
import java.util.SplittableRandom
import kotlin.math.exp
import kotlin.math.sqrt

class SamplerTest {
    private val logits = floatArrayOf(1.0f, -0.5f, 2.5f, 2.5f, 0.0f, -3.0f, 1.7f, 0.3f)

    @Test
    fun greedy_takes_the_lowest_of_equals() {
        assertEquals(2, Sampler(Sampling(0.0), seed = 1).pick(logits.copyOf()))
        assertEquals(0, bestId(floatArrayOf(-0f, 0f, Float.NEGATIVE_INFINITY)))
        assertEquals(1, bestId(floatArrayOf(Float.NaN, 3f, Float.NaN, 3f)))
    }

    @Test
    fun logits_without_a_number_are_a_failure_of_the_runtime() {
        for (value in listOf(Float.NaN, Float.NEGATIVE_INFINITY)) {
            val bad = floatArrayOf(value, value)
            val failure = assertThrows(AppFailure::class.java) {
                Sampler(Sampling(1.0), seed = 1).pick(bad)
            }
            assertEquals(FailureKind.RUNTIME_FAILED, failure.kind)
        }
    }

    @Test
    fun random_numbers_are_those_of_splitmix64() {
        for (seed in longArrayOf(0, 1, -1, 1234567, Long.MIN_VALUE)) {
            val theirs = SplittableRandom(seed) // of the JDK; the same generator
            val ours = SplitMix(seed)
            repeat(1000) { assertEquals(theirs.nextLong(), ours.nextLong()) }
            repeat(1000) { assertEquals(theirs.nextDouble(), ours.nextDouble(), 0.0) }
        }
    }

    @Test
    fun same_seed_gives_the_same_tokens_and_another_gives_others() {
        fun draws(seed: Long) =
            Sampler(Sampling(1.5), seed).let { s -> List(50) { s.pick(logits.copyOf()) } }
        assertEquals(draws(7), draws(7))
        assertTrue(draws(7) != draws(8))
        // By the JDK's generator and the sums of the shares, in the order of the ids.
        val random = SplittableRandom(7)
        val sums = softmax(logits.toList(), 1.5).runningReduce { sum, share -> sum + share }
        val expected = List(50) { random.nextDouble().let { u -> sums.indexOfFirst { it > u } } }
        assertEquals(expected, draws(7))
    }

    @Test
    fun shares_are_those_of_the_settings() {
        val settings = listOf(
            Sampling(1.0),
            Sampling(0.5),
            Sampling(2.0, topP = 0.7),
            Sampling(1.0, topP = 0.9),
            Sampling(1.0, topP = 1e-9),
            Sampling(1.0, topK = 3),
            Sampling(1.0, topK = 1),
            Sampling(1.0, topK = 100),
            Sampling(1.3, topK = 5, topP = 0.8),
            Sampling(1.0, minP = 0.2),
            Sampling(1.5, topK = 6, topP = 0.95, minP = 0.1),
            Sampling(1e-300),
        )
        for (sampling in settings) assertShares(expectedShares(sampling), sampling)
    }

    @Test
    fun penalty_makes_what_was_said_less_likely_and_spares_the_rest() {
        val sampler = Sampler(Sampling(0.0, repetitionPenalty = 2.0), seed = 1)
        val negative = floatArrayOf(2f, 1.5f, -1f)
        assertEquals(0, sampler.pick(negative.copyOf()))
        assertEquals(1, sampler.pick(negative.copyOf())) // 1 against 1.5
        assertEquals(0, sampler.pick(floatArrayOf(2f, 1.5f, -1f))) // 1 against 0.75
        val low = Sampler(Sampling(0.0, repetitionPenalty = 3.0), seed = 1)
        assertEquals(1, low.pick(floatArrayOf(-4f, -1f)))
        assertEquals(1, low.pick(floatArrayOf(-4f, -1f))) // -3 against -4
        assertEquals(0, low.pick(floatArrayOf(-2f, -1f))) // -3 against -2
    }

    @Test
    fun values_out_of_range_are_refused() {
        val wrong = listOf<() -> Sampling>(
            { Sampling(-0.1) },
            { Sampling(Double.NaN) },
            { Sampling(Double.POSITIVE_INFINITY) },
            { Sampling(1.0, topP = 0.0) },
            { Sampling(1.0, topP = 1.1) },
            { Sampling(1.0, topK = -1) },
            { Sampling(1.0, minP = 1.5) },
            { Sampling(1.0, repetitionPenalty = 0.0) },
        )
        for (make in wrong) assertThrows(IllegalArgumentException::class.java) { make() }
    }

    @Test
    fun large_vocabulary_keeps_exactly_the_nucleus() {
        val random = SplittableRandom(5)
        val many = FloatArray(5000) { (random.nextDouble() * 6).toFloat() }
        val shares = softmax(many.toList(), 1.0)
        val order = shares.indices.sortedWith(compareBy({ -many[it] }, { it }))
        var sum = 0.0
        val kept = order.takeWhile { id -> (sum < 0.5).also { sum += shares[id] } }.toSet()
        val sampler = Sampler(Sampling(1.0, topP = 0.5), seed = 3)
        val drawn = List(3000) { sampler.pick(many.copyOf()) }.toSet()
        assertTrue(drawn.all { it in kept })
        assertTrue(drawn.size > kept.size / 4)
    }

    private fun assertShares(expected: List<Double>, sampling: Sampling) {
        val draws = 20_000
        val sampler = Sampler(sampling, seed = 42)
        val counts = IntArray(logits.size)
        repeat(draws) { counts[sampler.pick(logits.copyOf())]++ }
        for (id in logits.indices) {
            val share = counts[id].toDouble() / draws
            // Five standard deviations; a share of 0 or 1 leaves none.
            val tolerance = 5 * sqrt(expected[id] * (1 - expected[id]) / draws)
            assertEquals("$sampling, id $id", expected[id], share, tolerance)
        }
    }

    /** Straight from the definitions, all over the vocabulary, renormalised after each step. */
    private fun expectedShares(sampling: Sampling): List<Double> {
        var shares = softmax(logits.toList(), sampling.temperature)
        val order = logits.indices.sortedWith(compareBy({ -logits[it] }, { it }))
        if (sampling.topK > 0) shares = keep(shares, order.take(sampling.topK))
        val nucleus = order.indices.filter { rank ->
            order.take(rank).sumOf { shares[it] } < sampling.topP
        }
        shares = keep(shares, nucleus.map { order[it] })
        return keep(shares, shares.indices.filter { shares[it] >= sampling.minP * shares.max() })
    }

    private fun softmax(logits: List<Float>, temperature: Double): List<Double> {
        val powers = logits.map { exp((it - logits.max()) / temperature) }
        return powers.map { it / powers.sum() }
    }

    private fun keep(shares: List<Double>, ids: Collection<Int>): List<Double> {
        val total = ids.sumOf { shares[it] }
        return shares.mapIndexed { id, share -> if (id in ids) share / total else 0.0 }
    }
}
