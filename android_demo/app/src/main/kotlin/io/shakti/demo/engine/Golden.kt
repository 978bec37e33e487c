package io.shakti.demo.engine

/**
 * How a program answered the golden prompts: [repeated] of [prompts] to the token; of all recorded
 * tokens the share [rankedFirst] (mean over the prompts) was its best one.
 */
data class GoldenAnswers(val prompts: Int, val repeated: Int, val rankedFirst: Double) {
    /** Why these are not the bundle's answers; null if they are. [exact] for fp32 activations. */
    fun problem(exact: Boolean, leastShare: Double = LEAST_SHARE): String? = TODO("engine")

    companion object {
        /** See LEAST_SHARE of sdk_builder/verify/golden.py. */
        const val LEAST_SHARE = 0.6
    }
}
