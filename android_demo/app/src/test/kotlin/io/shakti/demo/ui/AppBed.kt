package io.shakti.demo.ui

import android.os.Bundle
import android.os.Looper
import android.view.View
import android.widget.TextView
import io.shakti.demo.MainActivity
import io.shakti.demo.called
import io.shakti.demo.fakes.TestApp
import io.shakti.demo.fakes.TestGraph
import io.shakti.demo.shown
import io.shakti.demo.textsShown
import io.shakti.demo.ui.shell.Place
import org.robolectric.Robolectric
import org.robolectric.RuntimeEnvironment
import org.robolectric.Shadows.shadowOf
import org.robolectric.android.controller.ActivityController

/** The whole app over [graph], opened at [place]; its workers are threads of their own. */
class AppBed(val graph: TestGraph, private val place: Place) {
    private val app = (RuntimeEnvironment.getApplication() as TestApp).also { it.next = graph }
    private var controller: ActivityController<MainActivity> =
        Robolectric.buildActivity(MainActivity::class.java).setup()

    val activity: MainActivity get() = controller.get()
    val root: View get() = activity.window.decorView
    val texts: List<String> get() = root.textsShown()
    val chat get() = app.chat

    init {
        activity.show(place)
        settle()
    }

    fun settle() = shadowOf(Looper.getMainLooper()).idle()

    /** Lets the app work until [condition] holds. */
    fun until(what: String, condition: () -> Boolean) {
        val end = System.nanoTime() + PATIENCE_NS
        while (true) {
            settle()
            if (condition()) return
            if (System.nanoTime() > end) throw AssertionError("never came: $what; shown: $texts")
            Thread.sleep(2)
        }
    }

    /** Waits for a text that has [words] in it. */
    fun untilShown(words: String) = until("\"$words\"") { shows(words) }

    fun shows(words: String) = texts.any { words in it }

    /** Taps what has this text or description. */
    fun tap(words: String) {
        until("something called \"$words\"") { named(words) }
        root.called(words).touched().performClick()
        settle()
    }

    fun named(words: String) =
        root.shown().any {
            it.contentDescription?.toString() == words ||
                (it as? TextView)?.text?.toString() == words
        }

    /** What answers a touch on this view: it, or what it lies in. */
    private fun View.touched(): View =
        generateSequence(this) { it.parent as? View }.firstOrNull { it.isClickable } ?: this

    /** Turns the phone: the Activity is made anew, the process goes on. */
    fun turn() {
        controller.recreate()
        settle()
    }

    /** Android kills the process in the background and the person comes back. */
    fun dieAndComeBack() {
        val saved = Bundle()
        controller.pause().stop().saveInstanceState(saved).destroy()
        controller = Robolectric.buildActivity(MainActivity::class.java).setup(saved)
        settle()
    }

    private companion object {
        const val PATIENCE_NS = 15_000_000_000L
    }
}
