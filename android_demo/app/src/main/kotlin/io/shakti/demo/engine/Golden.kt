package io.shakti.demo.engine

import io.shakti.demo.bundle.GoldenPrompt
import kotlin.math.roundToInt

/**
 * How a program answered the golden prompts: [repeated] of [prompts] to the token; of all recorded
 * tokens the share [rankedFirst] (mean over the prompts) was its best one.
 */
data class GoldenAnswers(val prompts: Int, val repeated: Int, val rankedFirst: Double) {
    /** Why these are not the bundle's answers; null if they are. [exact] for fp32 activations. */
    fun problem(exact: Boolean, leastShare: Double = LEAST_SHARE): String? {
        val nearEnough = !exact && rankedFirst >= leastShare
        if (repeated == prompts || nearEnough) return null
        val answers = "$repeated of $prompts golden answers repeated"
        if (exact) return answers
        return "$answers, ${(100 * rankedFirst).roundToInt()}% of their tokens ranked first"
    }

    companion object {
        /** See LEAST_SHARE of sdk_builder/verify/golden.py. */
        const val LEAST_SHARE = 0.6
    }
}

/**
 * Lets [program] answer the bundle's golden prompts; null if it has none. Writes its KV cache.
 *
 * The recorded answer is fed token by token. A program that ranks every recorded token first would
 * have given the same answer by itself, for it would have been fed the same; so one pass serves
 * both the exact rule and the one for rounded activations. [tick] is called before each token.
 * Throws AppFailure (RUNTIME_FAILED).
 */
fun goldenAnswers(
    program: Program,
    prompts: List<GoldenPrompt>,
    maxChunk: Int,
    tick: () -> Unit = {},
): GoldenAnswers? {
    val usable = prompts.filter { it.promptIds.isNotEmpty() && it.expectedIds.isNotEmpty() }
    if (usable.isEmpty()) return null
    val shares = usable.map { shareRankedFirst(program, it, maxChunk, tick) }
    return GoldenAnswers(
        prompts = shares.size,
        repeated = shares.count { it == 1.0 },
        rankedFirst = shares.average(),
    )
}

/** Share of the recorded answer's tokens that the program ranks first, given those before. */
private fun shareRankedFirst(
    program: Program,
    prompt: GoldenPrompt,
    maxChunk: Int,
    tick: () -> Unit,
): Double {
    val ids = prompt.promptIds
    val expected = prompt.expectedIds
    var logits = FloatArray(0)
    for (start in ids.indices step maxChunk) {
        tick()
        logits = program.forward(ids.copyOfRange(start, minOf(start + maxChunk, ids.size)), start)
    }
    var rankedFirst = 0
    for (count in expected.indices) {
        if (bestId(logits) == expected[count]) rankedFirst++
        if (count == expected.lastIndex) break
        tick()
        logits = program.forward(intArrayOf(expected[count]), ids.size + count)
    }
    return rankedFirst.toDouble() / expected.size
}
