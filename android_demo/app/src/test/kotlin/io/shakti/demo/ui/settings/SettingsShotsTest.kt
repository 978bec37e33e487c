package io.shakti.demo.ui.settings

import io.shakti.demo.R
import io.shakti.demo.settings.Theme
import io.shakti.demo.ui.Look
import io.shakti.demo.ui.Look.DARK
import io.shakti.demo.ui.Look.LARGE
import io.shakti.demo.ui.Look.LIGHT
import io.shakti.demo.ui.Look.TABLET
import io.shakti.demo.ui.ScreenshotTest
import org.junit.Test

class SettingsShotsTest : ScreenshotTest() {
    private object Silent : SettingsActions {
        override fun systemPrompt(text: String) = Unit

        override fun resetSystemPrompt() = Unit

        override fun temperature(value: Float?) = Unit

        override fun maxTokens(value: Int?) = Unit

        override fun contextTokens(value: Int?) = Unit

        override fun threads(value: Int?) = Unit

        override fun theme(value: Theme) = Unit

        override fun resetAll() = Unit

        override fun chooseModel() = Unit

        override fun freeStorage() = Unit
    }

    private fun shoot(shot: String, state: SettingsState, vararg looks: Look) =
        shoot(shot, *looks) { activity ->
            SettingsView(activity, Silent).apply {
                setBackgroundColor(activity.getColor(R.color.ground))
                show(state)
            }
        }

    @Test
    fun settings_with_some_values_chosen() {
        val values =
            ModelSettings.Values(
                modelName = "smollm2-135m-q4",
                system = Value("Answer in one short sentence.", chosen = true),
                temperature = Value(0.4f, chosen = true),
                maxTokens = Choice(512, chosen = false, TokenChoices.answers(512, 4096)),
                contextTokens = Choice(4096, chosen = false, TokenChoices.contexts(4096, 4096)),
                threads = Threads(null, 8),
                ownSystem = "You are a helpful AI assistant named SmolLM.",
            )
        val state = SettingsState(Theme.SYSTEM, values, changed = true)
        shoot("settings", state, LIGHT, DARK, LARGE, TABLET)
    }

    @Test
    fun settings_without_a_model() =
        shoot("settings.no-model", SettingsState(model = ModelSettings.NoModel), LIGHT)
}
