package io.shakti.demo.ui.settings

import io.shakti.demo.AppFailure
import io.shakti.demo.FailureKind
import io.shakti.demo.bundle.Bundle
import io.shakti.demo.bundle.SystemPlace
import io.shakti.demo.engine.RuntimeInfo
import io.shakti.demo.fakes.CHATML_TURNS
import io.shakti.demo.fakes.MemorySettings
import io.shakti.demo.fakes.scriptedBundle
import io.shakti.demo.settings.Settings
import io.shakti.demo.settings.SettingsStore
import io.shakti.demo.settings.Theme
import kotlin.time.Duration.Companion.milliseconds
import kotlinx.coroutines.ExperimentalCoroutinesApi
import kotlinx.coroutines.flow.MutableStateFlow
import kotlinx.coroutines.test.StandardTestDispatcher
import kotlinx.coroutines.test.TestScope
import kotlinx.coroutines.test.advanceTimeBy
import kotlinx.coroutines.test.runCurrent
import kotlinx.coroutines.test.runTest
import org.junit.Assert.assertEquals
import org.junit.Assert.assertFalse
import org.junit.Assert.assertNull
import org.junit.Assert.assertSame
import org.junit.Assert.assertTrue
import org.junit.Test

@OptIn(ExperimentalCoroutinesApi::class)
class SettingsViewModelTest {
    private val bundle =
        scriptedBundle(
            contextLength = 2048,
            maxTokens = 512,
            temperature = 0.7,
            chat = CHATML_TURNS.copy(defaultSystem = "You are kind."),
        )

    private class CountedSettings(private val held: MemorySettings) : SettingsStore by held {
        var writes = 0
        override val unsaved = MutableStateFlow<AppFailure?>(null)

        override fun update(change: (Settings) -> Settings) {
            writes++
            held.update(change)
        }
    }

    private class Screen(
        scope: TestScope,
        first: Settings,
        bundle: Bundle?,
        threadsSettable: Boolean,
    ) {
        val store = CountedSettings(MemorySettings(first))
        val bundle = MutableStateFlow(bundle)
        private val runtime = RuntimeInfo("Scripted", "1", "scripted", threadsSettable)
        val model = SettingsViewModel(
                store,
                this.bundle,
                runtime,
                cores = 8,
                scope.backgroundScope,
                StandardTestDispatcher(scope.testScheduler),
            )
        val kept: Settings get() = store.settings.value
        val values: ModelSettings.Values get() = model.state.value.model as ModelSettings.Values
    }

    private fun TestScope.screen(
        first: Settings = Settings(),
        bundle: Bundle? = this@SettingsViewModelTest.bundle,
        threadsSettable: Boolean = true,
    ) = Screen(this, first, bundle, threadsSettable).also { runCurrent() }

    @Test
    fun a_fresh_app_shows_the_models_own_values() = runTest {
        val values = screen().values
        assertEquals(Value("You are kind.", chosen = false), values.system)
        assertEquals(Value(0.7f, chosen = false), values.temperature)
        assertEquals(512, values.maxTokens.value)
        assertEquals(2048, values.contextTokens.value)
        assertEquals(Threads(null, 8), values.threads)
    }

    @Test
    fun without_a_model_only_the_theme_can_be_chosen() = runTest {
        val screen = screen(bundle = null)
        assertEquals(ModelSettings.NoModel, screen.model.state.value.model)
        screen.model.theme(Theme.DARK)
        runCurrent()
        assertEquals(Theme.DARK, screen.model.state.value.theme)
        assertTrue(screen.model.state.value.changed)
    }

    @Test
    fun a_fixed_number_of_threads_and_a_model_without_system_text_are_not_offered() = runTest {
        val turns = CHATML_TURNS.copy(systemPlace = SystemPlace.NONE)
        val screen = screen(bundle = scriptedBundle(chat = turns), threadsSettable = false)
        assertNull(screen.values.threads)
        assertNull(screen.values.system)
        screen.bundle.value = scriptedBundle(chat = null)
        runCurrent()
        assertNull(screen.values.system)
    }

    @Test
    fun choices_are_bounded_by_the_model_and_hold_the_value() = runTest {
        val screen = screen(Settings(contextTokens = 1000))
        val context = screen.values.contextTokens
        assertEquals(1000, context.value)
        assertEquals(listOf(128, 192, 256, 384, 512, 768, 1000, 1024, 1536, 2048), context.choices)
        assertEquals(768, screen.values.maxTokens.choices.last())
        screen.bundle.value = scriptedBundle(contextLength = 256, maxTokens = 512)
        runCurrent()
        assertEquals(256, screen.values.contextTokens.value)
        assertEquals(256, screen.values.maxTokens.value)
        assertEquals(256, screen.values.maxTokens.choices.last())
    }

    @Test
    fun a_context_smaller_than_the_smallest_step_is_its_own_choice() = runTest {
        val screen = screen(bundle = scriptedBundle(contextLength = 100, maxTokens = 8))
        assertEquals(listOf(100), screen.values.contextTokens.choices)
        assertEquals(listOf(8, 16, 24, 32, 48, 64, 96), screen.values.maxTokens.choices)
    }

    @Test
    fun the_whole_context_is_kept_as_no_limit() = runTest {
        val screen = screen(Settings(contextTokens = 512))
        screen.model.contextTokens(2048)
        screen.model.writeNow()
        assertNull(screen.kept.contextTokens)
        screen.model.contextTokens(768)
        screen.model.writeNow()
        assertEquals(768, screen.kept.contextTokens)
    }

    @Test
    fun a_slider_shows_each_step_at_once_and_writes_where_it_stops() = runTest {
        val screen = screen()
        for (step in 1..5) {
            screen.model.temperature(Temperatures.at(step))
            runCurrent()
            assertEquals(Value(Temperatures.at(step), chosen = true), screen.values.temperature)
            advanceTimeBy(50.milliseconds)
        }
        assertNull(screen.kept.temperature)
        advanceTimeBy(500.milliseconds)
        assertEquals(0.25f, screen.kept.temperature)
        assertEquals(1, screen.store.writes)
        assertEquals(Value(0.25f, chosen = true), screen.values.temperature)
    }

    @Test
    fun a_change_meanwhile_by_another_screen_is_not_undone() = runTest {
        val screen = screen()
        screen.model.temperature(0.5f)
        screen.store.update { it.copy(bundleFolder = "/bundles/other") }
        screen.model.writeNow()
        assertEquals(Settings(temperature = 0.5f, bundleFolder = "/bundles/other"), screen.kept)
    }

    @Test
    fun what_could_not_be_saved_is_told_and_applies_all_the_same() = runTest {
        val screen = screen()
        val full = AppFailure(FailureKind.STORAGE_FULL, "no room")
        screen.store.unsaved.value = full
        screen.model.theme(Theme.DARK)
        runCurrent()
        assertSame(full, screen.model.state.value.unsaved)
        assertEquals(Theme.DARK, screen.kept.theme)
    }

    @Test
    fun every_step_of_the_temperature_is_exact_to_two_places() {
        assertEquals(0f, Temperatures.at(0), 0f)
        assertEquals(2f, Temperatures.at(Temperatures.STEPS), 0f)
        for (step in 0..Temperatures.STEPS) {
            val value = Temperatures.at(step)
            assertEquals((step * 5).toString(), Math.round(value * 100).toString())
            assertEquals(step, Temperatures.step(value))
        }
        assertEquals(Temperatures.STEPS, Temperatures.step(7f))
    }

    @Test
    fun the_system_prompt_is_kept_once_a_moment_after_the_last_key() = runTest {
        val screen = screen()
        for (text in listOf("B", "Be", "Be b", "Be brief.")) {
            screen.model.systemPrompt(text)
            advanceTimeBy(100.milliseconds)
        }
        assertNull(screen.kept.systemPrompt)
        advanceTimeBy(400.milliseconds)
        runCurrent()
        assertEquals("Be brief.", screen.kept.systemPrompt)
        assertEquals(1, screen.store.writes)
    }

    @Test
    fun leaving_the_screen_keeps_what_was_typed_at_once() = runTest {
        val screen = screen()
        screen.model.systemPrompt("Be brief.")
        screen.model.writeNow()
        assertEquals("Be brief.", screen.kept.systemPrompt)
        advanceTimeBy(1000.milliseconds)
        assertEquals(1, screen.store.writes)
    }

    @Test
    fun the_models_own_text_typed_again_is_no_choice_and_an_empty_one_is() = runTest {
        val screen = screen(Settings(systemPrompt = "Be brief."))
        screen.model.systemPrompt("You are kind.")
        screen.model.writeNow()
        assertNull(screen.kept.systemPrompt)
        screen.model.systemPrompt("")
        screen.model.writeNow()
        assertEquals("", screen.kept.systemPrompt)
    }

    @Test
    fun a_reset_overtakes_what_is_still_being_typed() = runTest {
        val screen = screen(Settings(systemPrompt = "Be brief."))
        screen.model.systemPrompt("Be")
        screen.model.resetSystemPrompt()
        advanceTimeBy(1000.milliseconds)
        runCurrent()
        assertNull(screen.kept.systemPrompt)
        assertEquals(Value("You are kind.", chosen = false), screen.values.system)
    }

    @Test
    fun reset_all_leaves_only_the_choice_of_the_model() = runTest {
        val folder = "/bundles/a"
        val screen =
            screen(Settings("Be brief.", 0.2f, 64, 512, 2, Theme.DARK, bundleFolder = folder))
        assertTrue(screen.model.state.value.changed)
        screen.model.resetAll()
        runCurrent()
        assertEquals(Settings(bundleFolder = folder), screen.kept)
        assertFalse(screen.model.state.value.changed)
    }
}
