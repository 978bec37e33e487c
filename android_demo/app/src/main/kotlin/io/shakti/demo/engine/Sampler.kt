package io.shakti.demo.engine

import java.util.Collections
import java.util.PriorityQueue

/**
 * How a token is drawn. [temperature] 0 takes the best. [topP]: only the most likely that make up
 * this share; [topK]: only so many, 0 all; [minP]: only those with this share of the best one's.
 * [repetitionPenalty] above 1 makes what the answer already holds less likely.
 *
 * Throws IllegalArgumentException for a value out of range.
 */
data class Sampling(
    val temperature: Double,
    val topP: Double = 1.0,
    val topK: Int = 0,
    val minP: Double = 0.0,
    val repetitionPenalty: Double = 1.0,
) {
    init {
        require(temperature >= 0 && temperature.isFinite()) {
            "temperature must be 0 or more, not $temperature"
        }
        require(topP > 0 && topP <= 1) { "topP must be above 0 and at most 1, not $topP" }
        require(topK >= 0) { "topK must be 0 or more, not $topK" }
        require(minP in 0.0..1.0) { "minP must be from 0 to 1, not $minP" }
        require(repetitionPenalty > 0 && repetitionPenalty.isFinite()) {
            "repetitionPenalty must be above 0, not $repetitionPenalty"
        }
    }
}

/**
 * Draws the tokens of one answer from logits `[V]`.
 *
 * In this order: the penalty divides positive logits of ids in the answer and multiplies negative
 * ones (the prompt's ids are spared, for they include the chat's marks, without which no answer
 * ends); temperature; top-k; top-p of what is left; min-p. The same seed and logits give the same
 * tokens on every device: equals are ordered by id, and StrictMath and [SplitMix] leave no choice.
 */
internal class Sampler(private val sampling: Sampling, seed: Long) {
    private val random = SplitMix(seed)
    private val said = HashSet<Int>()

    /** The next id. [logits] are changed. Throws AppFailure (RUNTIME_FAILED), see [bestId]. */
    fun pick(logits: FloatArray): Int {
        if (sampling.repetitionPenalty != 1.0) penalize(logits)
        val best = bestId(logits)
        val id = if (sampling.temperature == 0.0) best else draw(logits, logits[best])
        said += id
        return id
    }

    private fun penalize(logits: FloatArray) {
        val penalty = sampling.repetitionPenalty.toFloat()
        for (id in said) {
            val logit = logits[id]
            logits[id] = if (logit > 0) logit / penalty else logit * penalty
        }
    }

    private fun draw(logits: FloatArray, highest: Float): Int {
        var ids = when (sampling.topK) {
            in 1 until logits.size -> mostLikely(logits, sampling.topK)
            else -> IntArray(logits.size) { it }
        }
        var weights = DoubleArray(ids.size) { weight(logits[ids[it]], highest) }
        if (sampling.topP < 1) {
            ids = nucleus(logits, ids, weights, sampling.topP)
            weights = DoubleArray(ids.size) { weight(logits[ids[it]], highest) }
        }
        // The best one's weight is 1.
        for (index in weights.indices) if (weights[index] < sampling.minP) weights[index] = 0.0
        return ids[chosen(weights)]
    }

    /** Relative to the best one, so that no temperature, however low, divides to infinity. */
    private fun weight(logit: Float, highest: Float): Double = when {
        logit.isNaN() -> 0.0
        else -> StrictMath.exp((logit.toDouble() - highest) / sampling.temperature)
    }

    private fun chosen(weights: DoubleArray): Int {
        var left = random.nextDouble() * weights.sum()
        for (index in weights.indices) {
            left -= weights[index]
            if (left < 0) return index
        }
        // Rounding can leave a crumb, which is the last one's.
        return weights.indexOfLast { it > 0 }
    }
}

/** The [count] most likely ids, best first. */
private fun mostLikely(logits: FloatArray, count: Int): IntArray {
    val leastFirst = PriorityQueue<Long>(count, Collections.reverseOrder())
    for (id in logits.indices) {
        val key = orderKey(logits[id], id)
        if (leastFirst.size < count) {
            leastFirst += key
        } else if (key < leastFirst.element()) {
            leastFirst.remove()
            leastFirst += key
        }
    }
    return leastFirst.sorted().map { it.toInt() }.toIntArray()
}

/** The fewest of [ids], best first, whose [weights] sum to [topP] of all of theirs. */
private fun nucleus(
    logits: FloatArray,
    ids: IntArray,
    weights: DoubleArray,
    topP: Double,
): IntArray {
    val total = weights.sum()
    // Lighter ones together weigh less than what may be left out: they need not be sorted.
    val least = (1 - topP) * total / ids.size
    val heavy = ids.indices.filter { weights[it] >= least }
    val ordered = LongArray(heavy.size) { orderKey(logits[ids[heavy[it]]], heavy[it]) }
    ordered.sort()
    var before = 0.0
    var kept = 0
    while (kept < ordered.size && before < topP * total) before += weights[ordered[kept++].toInt()]
    return IntArray(kept) { ids[ordered[it].toInt()] }
}

/** Sorts by logit, highest first, then by [id], which is its low half. NaN counts as the lowest. */
private fun orderKey(logit: Float, id: Int): Long {
    // Adding zero makes one of the two zeros.
    val bits = (if (logit.isNaN()) Float.NEGATIVE_INFINITY else logit + 0f).toRawBits()
    val ascending = bits xor ((bits shr 31) and Int.MAX_VALUE)
    return (ascending.inv().toLong() shl Int.SIZE_BITS) or id.toLong()
}

/**
 * SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014): a
 * counter in steps of the golden ratio, mixed by two multiplications. The same on every device.
 */
internal class SplitMix(private var state: Long) {
    fun nextLong(): Long {
        state += GOLDEN_RATIO
        var mixed = state
        mixed = (mixed xor (mixed ushr 30)) * FIRST_FACTOR
        mixed = (mixed xor (mixed ushr 27)) * SECOND_FACTOR
        return mixed xor (mixed ushr 31)
    }

    /** From 0 until 1, in steps of 2^-53. */
    fun nextDouble(): Double = (nextLong() ushr 11) * STEP

    private companion object {
        const val GOLDEN_RATIO = -0x61c8864680b583ebL // 0x9e3779b97f4a7c15
        const val FIRST_FACTOR = -0x40a7b892e31b1a47L // 0xbf58476d1ce4e5b9
        const val SECOND_FACTOR = -0x6b2fb644ecceee15L // 0x94d049bb133111eb
        const val STEP = 1.0 / (1L shl 53)
    }
}
