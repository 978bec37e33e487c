package io.shakti.demo.settings

import kotlinx.coroutines.flow.StateFlow

enum class Theme { SYSTEM, LIGHT, DARK }

/** What the person chose; null leaves a value to the bundle. [contextTokens] bounds the KV cache's use. */
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

    fun update(change: (Settings) -> Settings)
}
