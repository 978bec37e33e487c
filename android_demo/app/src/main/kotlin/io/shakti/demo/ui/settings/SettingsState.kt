package io.shakti.demo.ui.settings

import io.shakti.demo.AppFailure
import io.shakti.demo.bundle.Bundle
import io.shakti.demo.bundle.SystemPlace
import io.shakti.demo.settings.Theme
import kotlin.math.roundToInt

/** The settings screen: [theme] always applies, the rest once a model is in use. */
data class SettingsState(
    val theme: Theme = Theme.SYSTEM,
    val model: ModelSettings = ModelSettings.Loading,
    /** Something differs from what a fresh app has. */
    val changed: Boolean = false,
    /** Why the last change is not on the disk. */
    val unsaved: AppFailure? = null,
)

sealed interface ModelSettings {
    data object Loading : ModelSettings

    /** No model is in use, so there is nothing that these values could be bounded by. */
    data object NoModel : ModelSettings

    /** [system] is null for a model that takes no system prompt, [threads] for a fixed number. */
    data class Values(
        val modelName: String,
        val system: Value<String>?,
        val temperature: Value<Float>,
        val maxTokens: Choice,
        val contextTokens: Choice,
        val threads: Threads?,
        /** The model's own system prompt; empty where it has none. */
        val ownSystem: String,
    ) : ModelSettings
}

/** [value] applies; [chosen] by the person, or else the model's own. */
data class Value<T>(val value: T, val chosen: Boolean)

/** A number of tokens out of [choices], which are ascending and hold [value]. */
data class Choice(val value: Int, val chosen: Boolean, val choices: List<Int>)

/** [chosen] out of 1 to [most]; null leaves it to the runtime. */
data class Threads(val chosen: Int?, val most: Int)

/** Temperatures go in steps of [STEP] from 0 to [MOST]. */
object Temperatures {
    const val STEPS = 40
    const val STEP = 0.05f
    const val MOST = 2f

    fun at(step: Int): Float = step.coerceIn(0, STEPS) * 5 / 100f

    fun step(temperature: Float): Int = (temperature / STEP).roundToInt().coerceIn(0, STEPS)
}

internal object TokenChoices {
    private const val LEAST_ANSWER = 16
    private const val LEAST_CONTEXT = 128

    fun answers(value: Int, most: Int): List<Int> = (steps(LEAST_ANSWER, most) + value).sortedSet()

    fun contexts(value: Int, most: Int): List<Int> =
        (steps(LEAST_CONTEXT, most) + value + most).sortedSet()

    /** Powers of two and the middles between them: 16, 24, 32, 48, 64 … up to [most]. */
    private fun steps(least: Int, most: Int): List<Int> =
        generateSequence(least) { it * 2 }
            .takeWhile { it in 1..most }
            .flatMap { sequenceOf(it, it + it / 2) }
            .filter { it <= most }
            .toList()

    private fun List<Int>.sortedSet() = distinct().sorted()
}

internal fun Bundle.takesSystemPrompt(): Boolean =
    manifest.chat.let { it != null && it.systemPlace != SystemPlace.NONE }
