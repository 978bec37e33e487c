package io.shakti.demo.ui.settings

import android.content.res.Configuration
import android.widget.EditText
import io.shakti.demo.called
import io.shakti.demo.fakes.FakeBundleStore
import io.shakti.demo.fakes.MemorySettings
import io.shakti.demo.fakes.SampleModels
import io.shakti.demo.fakes.TestApp
import io.shakti.demo.fakes.TestGraph
import io.shakti.demo.settings.Settings
import io.shakti.demo.settings.Theme
import io.shakti.demo.shown
import io.shakti.demo.ui.AppBed
import io.shakti.demo.ui.accessibilityProblems
import io.shakti.demo.ui.shell.Place
import org.junit.Assert.assertEquals
import org.junit.Assert.assertFalse
import org.junit.Assert.assertNull
import org.junit.Assert.assertTrue
import org.junit.Test
import org.junit.runner.RunWith
import org.robolectric.RobolectricTestRunner
import org.robolectric.annotation.Config
import org.robolectric.shadows.ShadowDialog

@RunWith(RobolectricTestRunner::class)
@Config(application = TestApp::class)
class SettingsScreenTest {
    private fun open(settings: Settings = Settings(), vararg models: FakeBundleStore) =
        AppBed(
            TestGraph(
                bundles = models.singleOrNull() ?: FakeBundleStore(SampleModels.SMOL),
                settings = MemorySettings(settings),
            ),
            Place.SETTINGS,
        )

    private val AppBed.kept get() = graph.settings.settings.value
    private val AppBed.prompt get() = root.shown().filterIsInstance<EditText>().single()

    @Test
    fun what_is_typed_is_kept_when_the_screen_goes_and_shown_when_it_comes_back() {
        val bed = open()
        bed.untilShown("Answers of smollm2-135m-q4")
        assertEquals("You are a helpful AI assistant named SmolLM.", bed.prompt.text.toString())
        bed.prompt.setText("Be brief.")
        bed.activity.show(Place.ABOUT)
        bed.settle()
        assertEquals("Be brief.", bed.kept.systemPrompt)
        bed.turn()
        bed.activity.show(Place.SETTINGS)
        bed.until("the prompt") { bed.prompt.text.toString() == "Be brief." }
    }

    @Test
    fun the_prompt_goes_back_to_the_models_own() {
        val bed = open(Settings(systemPrompt = "Be brief."))
        bed.untilShown("Be brief.")
        bed.tap("Back to the model's own")
        bed.untilShown("You are a helpful AI assistant named SmolLM.")
        bed.activity.show(Place.CHAT)
        assertNull(bed.kept.systemPrompt)
    }

    @Test
    fun a_step_of_the_temperature_is_exact_and_can_be_taken_back() {
        val bed = open()
        bed.untilShown("0.70")
        bed.tap("More: Temperature")
        bed.untilShown("0.75")
        bed.activity.show(Place.CHAT)
        assertEquals(0.75f, bed.kept.temperature)
        bed.activity.show(Place.SETTINGS)
        bed.tap("Temperature: back to the model's own")
        bed.untilShown("0.70")
    }

    @Test
    fun tokens_and_threads_go_by_their_steps() {
        val bed = open()
        bed.untilShown("512 tokens")
        bed.tap("Less: Longest answer")
        bed.untilShown("384 tokens")
        bed.tap("Less: Context")
        bed.untilShown("3,072 tokens")
        bed.tap("More: Threads")
        bed.activity.show(Place.CHAT)
        val expected = Settings(maxTokens = 384, contextTokens = 3072, threads = 1)
        assertEquals(expected, bed.kept)
    }

    @Test
    fun the_dark_theme_is_drawn_at_once_and_the_place_stays() {
        val bed = open()
        bed.tap("Dark")
        bed.turn()
        val night = bed.activity.resources.configuration.uiMode and Configuration.UI_MODE_NIGHT_MASK
        assertEquals(Configuration.UI_MODE_NIGHT_YES, night)
        assertEquals(Theme.DARK, bed.kept.theme)
        bed.untilShown("Appearance")
    }

    @Test
    fun all_is_reset_after_a_question() {
        val bed = open(Settings(systemPrompt = "Be brief.", temperature = 0f))
        bed.untilShown("Be brief.")
        bed.tap("Reset all settings")
        val question = ShadowDialog.getLatestDialog().window!!.decorView
        question.called("Reset all settings").performClick()
        bed.until("the reset") { bed.kept == Settings() }
        bed.untilShown("You are a helpful AI assistant named SmolLM.")
        bed.until("no more to reset") { !bed.named("Reset all settings") }
    }

    @Test
    @Config(qualifiers = "w411dp-h891dp", fontScale = 1.8f)
    fun in_large_text_everything_can_be_read_and_touched() {
        val bed = open(Settings(systemPrompt = "Be brief.", temperature = 0f, threads = 2))
        bed.untilShown("Answers of smollm2-135m-q4")
        assertEquals(emptyList<String>(), accessibilityProblems(bed.root))
    }

    @Test
    fun without_a_model_the_way_to_one_is_shown() {
        val bed = open(Settings(), FakeBundleStore())
        bed.untilShown("No model is in use.")
        assertFalse(bed.shows("Temperature"))
        bed.tap("Choose a model")
        assertTrue(bed.shows("No model yet") || bed.shows("Looking for models"))
    }
}
