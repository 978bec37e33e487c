package io.shakti.demo.settings

/** What a person may choose; a bundle's own limits are narrower and hold besides. */
object SettingsRanges {
    val TEMPERATURE = 0f..2f
    val MAX_TOKENS = 1..32_768

    /** Fewer hold no question and answer. */
    val CONTEXT_TOKENS = 64..1_048_576
    val THREADS = 1..32
    const val SYSTEM_PROMPT_CHARS = 20_000
}

/** With each value at the end of its range that is nearest; NaN is left to the bundle. */
fun Settings.withinRanges(): Settings = copy(
    systemPrompt = systemPrompt?.takeCharacters(SettingsRanges.SYSTEM_PROMPT_CHARS),
    temperature = temperature?.takeUnless { it.isNaN() }?.coerceIn(SettingsRanges.TEMPERATURE),
    maxTokens = maxTokens?.coerceIn(SettingsRanges.MAX_TOKENS),
    contextTokens = contextTokens?.coerceIn(SettingsRanges.CONTEXT_TOKENS),
    threads = threads?.coerceIn(SettingsRanges.THREADS),
)

/** At most [count] chars, none of them half of a surrogate pair that was cut. */
private fun String.takeCharacters(count: Int): String {
    if (length <= count) return this
    return take(if (this[count - 1].isHighSurrogate()) count - 1 else count)
}
