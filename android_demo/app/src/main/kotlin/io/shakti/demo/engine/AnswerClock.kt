package io.shakti.demo.engine

/** Measures an answer. [nowNs]: a clock that only goes forward, in nanoseconds. */
internal class AnswerClock(private val nowNs: () -> Long) {
    private val calledNs = nowNs()
    private var prefillNs = 0L
    private var firstNs: Long? = null
    private var lastNs = 0L
    private var promptTokens = 0
    private var reusedTokens = 0
    private var picks = 0
    private var tokens = 0

    fun beforePrefill(promptTokens: Int, reusedTokens: Int) {
        this.promptTokens = promptTokens
        this.reusedTokens = reusedTokens
        prefillNs = nowNs()
    }

    fun afterPrefill() {
        prefillNs = nowNs() - prefillNs
    }

    /** A token was picked, maybe the one that ends the answer. */
    fun afterPick() {
        lastNs = nowNs()
        if (picks++ == 0) firstNs = lastNs
    }

    /** The token that was picked belongs to the answer. */
    fun count() {
        tokens++
    }

    fun stats(): AnswerStats {
        val firstNs = firstNs
        return AnswerStats(
            promptTokens = promptTokens,
            reusedTokens = reusedTokens,
            answerTokens = tokens,
            ttftMs = firstNs?.let { (it - calledNs) / NS_PER_MS },
            prefillTokensPerS = firstNs?.let { rate(promptTokens - reusedTokens, prefillNs) },
            decodeTokensPerS = firstNs?.let { rate(picks - 1, lastNs - it) },
        )
    }

    private fun rate(count: Int, durationNs: Long): Double? =
        if (count > 0 && durationNs > 0) count * NS_PER_S / durationNs else null

    private companion object {
        const val NS_PER_MS = 1e6
        const val NS_PER_S = 1e9
    }
}
