package io.shakti.demo.fakes

import io.shakti.demo.settings.Settings
import io.shakti.demo.settings.SettingsStore
import kotlinx.coroutines.flow.MutableStateFlow
import kotlinx.coroutines.flow.StateFlow
import kotlinx.coroutines.flow.asStateFlow
import kotlinx.coroutines.flow.update

/** Settings that last as long as the object. [writes] counts the updates. */
class HeldSettings(first: Settings = Settings()) : SettingsStore {
    private val held = MutableStateFlow(first)
    override val settings: StateFlow<Settings> = held.asStateFlow()

    var writes = 0
        private set

    override fun update(change: (Settings) -> Settings) {
        writes++
        held.update(change)
    }
}
