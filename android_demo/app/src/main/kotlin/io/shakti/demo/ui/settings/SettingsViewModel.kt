package io.shakti.demo.ui.settings

import io.shakti.demo.bundle.Bundle
import io.shakti.demo.engine.RuntimeInfo
import io.shakti.demo.settings.Settings
import io.shakti.demo.settings.SettingsStore
import io.shakti.demo.settings.Theme
import kotlin.time.Duration.Companion.milliseconds
import kotlinx.coroutines.CoroutineDispatcher
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.Job
import kotlinx.coroutines.delay
import kotlinx.coroutines.flow.Flow
import kotlinx.coroutines.flow.MutableStateFlow
import kotlinx.coroutines.flow.SharingStarted
import kotlinx.coroutines.flow.StateFlow
import kotlinx.coroutines.flow.combine
import kotlinx.coroutines.flow.stateIn
import kotlinx.coroutines.flow.update
import kotlinx.coroutines.launch
import kotlinx.coroutines.withContext

/** What the person changed and has not been written yet. */
private class Pending(val apply: (Settings) -> Settings) {
    fun and(next: (Settings) -> Settings) = Pending { next(apply(it)) }

    companion object {
        val NONE = Pending { it }
    }
}

/**
 * What a person may choose. It shows at once, is written a moment after the last change (neither
 * every letter nor every step of a slider goes to the disk), and applies from the next answer.
 *
 * [cores]: of the processor, the most threads that make sense.
 */
class SettingsViewModel(
    private val store: SettingsStore,
    bundle: Flow<Bundle?>,
    private val runtime: RuntimeInfo,
    private val cores: Int,
    private val scope: CoroutineScope,
    private val io: CoroutineDispatcher,
) {
    private val pending = MutableStateFlow(Pending.NONE)
    private var writing: Job? = null

    val state: StateFlow<SettingsState> =
        combine(store.settings, pending, bundle, store.unsaved) {
                stored,
                pending,
                bundle,
                unsaved ->
                val settings = pending.apply(stored)
                SettingsState(settings.theme, values(settings, bundle), changed(settings), unsaved)
            }
            .stateIn(scope, SharingStarted.Eagerly, SettingsState(store.settings.value.theme))

    fun systemPrompt(text: String) {
        val own = (state.value.model as? ModelSettings.Values)?.ownSystem
        change { it.copy(systemPrompt = text.takeIf { text != own }) }
    }

    /** Null leaves it to the model, here and below. */
    fun resetSystemPrompt() = change { it.copy(systemPrompt = null) }

    fun temperature(value: Float?) = change { it.copy(temperature = value) }

    fun maxTokens(value: Int?) = change { it.copy(maxTokens = value) }

    /** The whole context is the same as no limit, so that a larger model may use its own. */
    fun contextTokens(value: Int?) {
        val values = state.value.model as? ModelSettings.Values
        val whole = values?.contextTokens?.choices?.last()
        change { it.copy(contextTokens = value?.takeIf { it != whole }) }
    }

    fun threads(value: Int?) = change { it.copy(threads = value) }

    fun theme(value: Theme) {
        change { it.copy(theme = value) }
        writeNow()
    }

    /** Everything but the choice of the model. */
    fun resetAll() {
        change { Settings(bundleFolder = it.bundleFolder) }
        writeNow()
    }

    /** Writes without waiting, for when the screen goes. */
    fun writeNow() {
        writing?.cancel()
        write()
    }

    private fun change(next: (Settings) -> Settings) {
        pending.update { it.and(next) }
        writing?.cancel()
        writing =
            scope.launch {
                delay(PAUSE)
                withContext(io) { write() }
            }
    }

    /** Every change says what a value is to be, so that it does no harm to apply one twice. */
    private fun write() {
        val changes = pending.value
        if (changes === Pending.NONE) return
        store.update(changes.apply)
        pending.compareAndSet(changes, Pending.NONE)
    }

    private fun changed(settings: Settings) =
        settings != Settings(bundleFolder = settings.bundleFolder)

    private fun values(settings: Settings, bundle: Bundle?): ModelSettings {
        if (bundle == null) return ModelSettings.NoModel
        val manifest = bundle.manifest
        val whole = manifest.program.contextLength
        val context = settings.contextTokens?.coerceAtMost(whole) ?: whole
        val answer = (settings.maxTokens ?: manifest.generation.maxTokens).coerceAtMost(context)
        val own = manifest.chat?.defaultSystem.orEmpty()
        return ModelSettings.Values(
            modelName = manifest.name,
            system =
                Value(settings.systemPrompt ?: own, settings.systemPrompt != null)
                    .takeIf { bundle.takesSystemPrompt() },
            temperature =
                Value(
                    settings.temperature ?: manifest.generation.temperature.toFloat(),
                    settings.temperature != null,
                ),
            maxTokens =
                Choice(answer, settings.maxTokens != null, TokenChoices.answers(answer, context)),
            contextTokens =
                Choice(
                    context,
                    settings.contextTokens != null,
                    TokenChoices.contexts(context, whole),
                ),
            threads =
                Threads(settings.threads?.coerceIn(1, cores), cores)
                    .takeIf { runtime.threadsSettable },
            ownSystem = own,
        )
    }

    private companion object {
        val PAUSE = 400.milliseconds
    }
}
