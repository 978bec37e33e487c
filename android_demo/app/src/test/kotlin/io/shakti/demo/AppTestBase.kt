package io.shakti.demo

import android.content.Intent
import android.os.Bundle
import android.os.Looper
import android.view.View
import android.widget.EditText
import io.shakti.demo.chat.ChatState
import io.shakti.demo.fakes.ScriptedEngine
import io.shakti.demo.fakes.StepGate
import io.shakti.demo.fakes.TestApp
import io.shakti.demo.fakes.TestGraph
import java.time.Duration
import org.junit.After
import org.junit.runner.RunWith
import org.robolectric.Robolectric
import org.robolectric.RobolectricTestRunner
import org.robolectric.RuntimeEnvironment
import org.robolectric.Shadows.shadowOf
import org.robolectric.android.controller.ActivityController
import org.robolectric.annotation.Config

/** The whole app on the screen, with an engine that answers when the test lets it. */
@RunWith(RobolectricTestRunner::class)
@Config(application = TestApp::class)
abstract class AppTestBase {
    protected val app get() = RuntimeEnvironment.getApplication() as TestApp
    protected val gate = StepGate()
    protected val engine = ScriptedEngine(gate, chunk = 4)
    protected val graph = TestGraph(engine)
    protected lateinit var controller: ActivityController<MainActivity>
    protected val screen: View get() = controller.get().window.decorView
    protected val state: ChatState get() = app.chat.state.value

    protected fun start(saved: Bundle? = null, intent: Intent? = null, graph: AppGraph = this.graph) {
        app.next = graph
        controller = Robolectric.buildActivity(MainActivity::class.java, intent).create(saved)
        controller.start()
        if (saved != null) controller.restoreInstanceState(saved)
        controller.postCreate(saved).resume().visible()
        idle()
    }

    /** Lets the screen's time go by. */
    protected fun idle(ms: Long = 60) = shadowOf(Looper.getMainLooper()).idleFor(Duration.ofMillis(ms))

    /** Waits for the engine's thread and the screen until [met]. */
    protected fun until(what: String, met: () -> Boolean) {
        val end = System.nanoTime() + PATIENCE_NS
        while (!met()) {
            check(System.nanoTime() < end) { "never came: $what; $state; ${screen.textsShown()}" }
            idle(STEP_MS)
            Thread.sleep(STEP_MS)
        }
    }

    protected fun untilShown(words: String) =
        until("\"$words\"") { screen.textsShown().any { words in it } }

    protected fun type(text: String) {
        screen.shown().filterIsInstance<EditText>().single().setText(text)
        idle()
    }

    protected fun tap(words: String) {
        screen.called(words).performClick()
        idle()
    }

    protected fun ask(text: String) {
        type(text)
        tap("Send")
    }

    @After
    fun letTheEngineGo() = gate.open()

    private companion object {
        const val PATIENCE_NS = 20_000_000_000

        /** The screen's time goes as the test's, so that nothing long passes while it waits. */
        const val STEP_MS = 4L
    }
}
