package io.shakti.demo.settings

import io.shakti.demo.AppFailure
import kotlinx.coroutines.flow.MutableStateFlow
import kotlinx.coroutines.flow.StateFlow

enum class Theme { SYSTEM, LIGHT, DARK }

/**
 * What the person chose; null leaves a value to the bundle. [contextTokens] bounds the KV cache's
 * use.
 */
data class Settings(
    val systemPrompt: String? = null,
    val temperature: Float? = null,
    val maxTokens: Int? = null,
    val contextTokens: Int? = null,
    val threads: Int? = null,
    val theme: Theme = Theme.SYSTEM,
    /** Folder of the bundle that chats use. */
    val bundleFolder: String? = null,
)

/** Keeps the settings over process death. */
interface SettingsStore {
    val settings: StateFlow<Settings>

    /** Why the last change will be gone with the process; null where it was written. */
    val unsaved: StateFlow<AppFailure?> get() = NOTHING_UNSAVED

    fun update(change: (Settings) -> Settings)
}

private val NOTHING_UNSAVED = MutableStateFlow<AppFailure?>(null)
