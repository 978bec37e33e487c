package io.shakti.demo

import android.content.Intent
import android.content.res.Configuration
import android.view.View
import android.view.ViewGroup
import io.shakti.demo.fakes.TestApp
import io.shakti.demo.fakes.TestGraph
import io.shakti.demo.settings.Settings
import io.shakti.demo.settings.Theme
import io.shakti.demo.ui.shell.NavBar
import io.shakti.demo.ui.shell.Place
import org.junit.Assert.assertEquals
import org.junit.Assert.assertTrue
import org.junit.Test
import org.junit.runner.RunWith
import org.robolectric.Robolectric
import org.robolectric.RobolectricTestRunner
import org.robolectric.RuntimeEnvironment
import org.robolectric.annotation.Config

@RunWith(RobolectricTestRunner::class)
@Config(application = TestApp::class)
class StartTest {
    @Test
    fun place_shown_is_kept_when_the_activity_is_made_anew() {
        val controller = Robolectric.buildActivity(MainActivity::class.java).setup()
        controller.get().show(Place.SETTINGS)
        controller.recreate()
        assertEquals("Settings", selectedPlace(controller.get()))
    }

    @Test
    fun back_from_another_place_leads_to_chat() {
        val activity = Robolectric.buildActivity(MainActivity::class.java).setup().get()
        activity.show(Place.ABOUT)
        @Suppress("DEPRECATION")
        activity.onBackPressed()
        assertEquals("Chat", selectedPlace(activity))
    }

    @Test
    fun dark_theme_chosen_on_a_light_phone_draws_dark() {
        val app = RuntimeEnvironment.getApplication() as TestApp
        app.next = TestGraph().apply { settings.update { Settings(theme = Theme.DARK) } }
        val activity = Robolectric.buildActivity(MainActivity::class.java).setup().get()
        val night = activity.resources.configuration.uiMode and Configuration.UI_MODE_NIGHT_MASK
        assertEquals(Configuration.UI_MODE_NIGHT_YES, night)
        assertEquals(0xFF111416.toInt(), activity.getColor(R.color.ground))
    }

    @Test
    fun while_the_sdk_measures_there_is_a_note_alone_and_the_screen_stays_on() {
        val app = RuntimeEnvironment.getApplication() as TestApp
        val intent = Intent(app, MainActivity::class.java).putExtra("io.shakti.demo.BENCH", true)
        val activity = Robolectric.buildActivity(MainActivity::class.java, intent).setup().get()
        val content = activity.findViewById<ViewGroup>(android.R.id.content).getChildAt(0)
        assertTrue(content.keepScreenOn)
        assertEquals("Benchmark running", content.textsShown().first())
        assertEquals(emptyList<View>(), content.shown().filter { it.isClickable }.toList())
    }

    private fun selectedPlace(activity: MainActivity): CharSequence? =
        activity.window.decorView.descendants()
            .first { it.isSelected && it.parent is NavBar }.contentDescription
}
