package io.shakti.demo.ui.settings

import io.shakti.demo.bundle.Bundle
import io.shakti.demo.bundle.BundleStore
import io.shakti.demo.bundle.StoredBundle
import io.shakti.demo.engine.RuntimeInfo
import io.shakti.demo.settings.Settings
import io.shakti.demo.settings.SettingsStore
import io.shakti.demo.settings.Theme
import java.io.File
import kotlin.time.Duration.Companion.milliseconds
import kotlinx.coroutines.CoroutineDispatcher
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.Job
import kotlinx.coroutines.delay
import kotlinx.coroutines.flow.Flow
import kotlinx.coroutines.flow.SharingStarted
import kotlinx.coroutines.flow.StateFlow
import kotlinx.coroutines.flow.combine
import kotlinx.coroutines.flow.distinctUntilChanged
import kotlinx.coroutines.flow.flowOn
import kotlinx.coroutines.flow.map
import kotlinx.coroutines.flow.stateIn
import kotlinx.coroutines.launch

/** The bundle that chats use, as it is told by the settings; null when there is none. */
fun bundleInUse(
    settings: SettingsStore,
    store: BundleStore,
    io: CoroutineDispatcher,
): Flow<Bundle?> =
    settings.settings
        .map { it.bundleFolder }
        .distinctUntilChanged()
        .map { folder ->
            folder?.let { (store.at(File(it)) as? StoredBundle.Ready)?.bundle }
        }
        .flowOn(io)

/**
 * What a person may choose. Everything is kept at once and applies from the next answer; the system
 * prompt is kept a moment after the last key, so that not every letter is written to the disk.
 *
 * [cores]: of the processor, the most threads that make sense.
 */
class SettingsViewModel(
    private val store: SettingsStore,
    bundle: Flow<Bundle?>,
    private val runtime: RuntimeInfo,
    private val cores: Int,
    private val scope: CoroutineScope,
) {
    val state: StateFlow<SettingsState> =
        combine(store.settings, bundle) { settings, bundle ->
                SettingsState(settings.theme, values(settings, bundle), changed(settings))
            }
            .stateIn(scope, SharingStarted.Eagerly, SettingsState(store.settings.value.theme))

    private var typing: Job? = null
    private var typed: String? = null

    fun typeSystemPrompt(text: String) {
        typed = text
        typing?.cancel()
        typing =
            scope.launch {
                delay(PAUSE)
                keepTyped()
            }
    }

    /** Keeps what was typed without waiting, for when the screen goes. */
    fun keepTyped() {
        val text = typed ?: return
        typed = null
        val own = (state.value.model as? ModelSettings.Values)?.ownSystem
        store.update { it.copy(systemPrompt = text.takeIf { text != own }) }
    }

    fun resetSystemPrompt() {
        forgetTyped()
        store.update { it.copy(systemPrompt = null) }
    }

    /** Null leaves it to the model, here and below. */
    fun temperature(value: Float?) = store.update { it.copy(temperature = value) }

    fun maxTokens(value: Int?) = store.update { it.copy(maxTokens = value) }

    /** The whole context is the same as no limit, so that a larger model may use its own. */
    fun contextTokens(value: Int?) {
        val values = state.value.model as? ModelSettings.Values
        val whole = values?.contextTokens?.choices?.last()
        store.update { it.copy(contextTokens = value?.takeIf { it != whole }) }
    }

    fun threads(value: Int?) = store.update { it.copy(threads = value) }

    fun theme(value: Theme) = store.update { it.copy(theme = value) }

    /** Everything but the choice of the model. */
    fun resetAll() {
        forgetTyped()
        store.update { Settings(bundleFolder = it.bundleFolder) }
    }

    private fun forgetTyped() {
        typing?.cancel()
        typed = null
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
