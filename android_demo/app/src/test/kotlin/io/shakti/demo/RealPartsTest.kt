package io.shakti.demo

import android.os.Looper
import io.shakti.demo.settings.Theme
import java.io.File
import java.time.Duration
import org.junit.Assert.assertEquals
import org.junit.Assert.assertTrue
import org.junit.Test
import org.junit.runner.RunWith
import org.robolectric.Robolectric
import org.robolectric.RobolectricTestRunner
import org.robolectric.RuntimeEnvironment
import org.robolectric.Shadows.shadowOf
import org.robolectric.annotation.Config

/**
 * The app with the parts that it has on a phone; only its programs would need Android's library.
 */
@RunWith(RobolectricTestRunner::class)
@Config(application = ShaktiApp::class)
class RealPartsTest {
    @Test
    fun app_without_a_model_starts_and_says_what_to_do_first() {
        val screen = Robolectric.buildActivity(MainActivity::class.java).setup().get().window.decorView
        val end = System.nanoTime() + 20_000_000_000
        while ("First, a model" !in screen.textsShown() && System.nanoTime() < end) {
            shadowOf(Looper.getMainLooper()).idleFor(Duration.ofMillis(20))
            Thread.sleep(5)
        }
        assertTrue("${screen.textsShown()}", "First, a model" in screen.textsShown())
    }

    @Test
    fun settings_are_in_the_apps_own_files() {
        val app = RuntimeEnvironment.getApplication() as ShaktiApp
        app.graph.settings.update { it.copy(theme = Theme.DARK) }
        assertTrue(File(app.filesDir, "settings.json").isFile)
        assertEquals(Theme.DARK, AndroidGraph(app).settings.settings.value.theme)
    }
}
