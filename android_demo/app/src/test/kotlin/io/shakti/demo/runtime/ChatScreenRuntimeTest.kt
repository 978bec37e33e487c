package io.shakti.demo.runtime

import android.graphics.Bitmap
import android.graphics.Canvas
import android.os.Looper
import android.widget.EditText
import android.widget.TextView
import io.shakti.demo.AndroidGraph
import io.shakti.demo.MainActivity
import io.shakti.demo.called
import io.shakti.demo.engine.Role
import io.shakti.demo.fakes.TestApp
import io.shakti.demo.settings.Settings
import io.shakti.demo.shown
import io.shakti.demo.textsShown
import io.shakti.demo.ui.Look
import io.shakti.demo.ui.Shots
import io.shakti.demo.ui.chat.AnswerView
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
 * The chat screen as a person uses it, with nothing faked: SmolLM2's q4 bundle, the app's engine
 * and
 * Android's own ExecuTorch library. The picture of it, whose figures differ from run to run, is
 * written for people to look at and compared with nothing.
 */
@RunWith(RobolectricTestRunner::class)
@Config(application = TestApp::class)
class ChatScreenRuntimeTest {
    private val app = RuntimeEnvironment.getApplication() as TestApp
    private val graph = AndroidGraph(app).also { real ->
        val bundle = RuntimeBundles.q4.folder.path
        real.settings.update {
            Settings(temperature = 0f, threads = 1, bundleFolder = bundle)
        }
    }

    @Test
    fun questions_are_answered_into_the_view_as_the_model_writes() {
        RuntimeEnvironment.setQualifiers(Look.LIGHT.qualifiers)
        app.next = graph
        val activity = Robolectric.buildActivity(MainActivity::class.java).setup().get()
        ask(activity, "What is the capital of France?")
        val first = watchAnswer(activity, 1)
        assertEquals("The capital of France is Paris.", first.last())
        ask(activity, "What is it famous for?")
        val second = watchAnswer(activity, 2)
        second.zipWithNext { before, after -> assertTrue("$before | $after", after.startsWith(before)) }
        assertTrue("came in ${second.size} pieces", second.size >= 2)

        val figures = activity.window.decorView.textsShown().single { "tokens/s" in it }
        assertTrue(figures, Regex("""[1-9][\d.,]* tokens/s""").containsMatchIn(figures))
        val kept = graph.chats.load(graph.chats.list().single().id)!!.turns
        assertEquals(listOf(Role.USER, Role.ASSISTANT, Role.USER, Role.ASSISTANT), kept.map { it.role })
        assertEquals(first.last(), kept[1].text)
        keepPicture(activity)
    }

    private fun ask(activity: MainActivity, question: String) {
        val view = activity.window.decorView
        view.shown().filterIsInstance<EditText>().single().setText(question)
        shadowOf(Looper.getMainLooper()).idle()
        view.called("Send").performClick()
    }

    /** Every text that the growing answer to question [number] had on the way, up to the last. */
    private fun watchAnswer(activity: MainActivity, number: Int): List<String> {
        val texts = ArrayList<String>()
        val deadline = System.nanoTime() + PATIENCE_NS
        do {
            val chat = app.chat.state.value
            val isOver = !chat.isBusy && chat.facts.conversation.turns.size == 2 * number
            // The view draws what has come every so often, by Android's clock, which stands still
            // here.
            shadowOf(Looper.getMainLooper()).idleFor(Duration.ofMillis(FRAME_MS))
            val text = answerShown(activity, number)
            if (text != texts.lastOrNull() && !text.isNullOrEmpty()) texts += text
            assertTrue("no answer in time: $texts, $chat", System.nanoTime() < deadline)
            Thread.sleep(FRAME_MS)
        } while (!isOver)
        return texts
    }

    private fun answerShown(activity: MainActivity, number: Int): String? {
        val answers = activity.window.decorView.shown().filterIsInstance<AnswerView>().toList()
        val words = answers.getOrNull(number - 1)?.shown()?.filterIsInstance<TextView>()?.firstOrNull()
        return words?.text?.toString()
    }

    private fun keepPicture(activity: MainActivity) {
        shadowOf(Looper.getMainLooper()).idle()
        val view = activity.window.decorView
        val picture = Bitmap.createBitmap(view.width, view.height, Bitmap.Config.ARGB_8888)
        view.draw(Canvas(picture))
        val update = System.getProperty("shakti.screenshots.update") == "true"
        for (property in listOfNotNull("shakti.screenshots", "shakti.golden".takeIf { update })) {
            val folder = File(checkNotNull(System.getProperty(property)) { "-D$property: a folder" })
            folder.mkdirs()
            File(folder, Look.LIGHT.file(Shots.REAL)).outputStream().use {
                picture.compress(Bitmap.CompressFormat.PNG, 100, it)
            }
        }
    }

    private companion object {
        const val FRAME_MS = 60L
        const val PATIENCE_NS = 120_000_000_000L
    }
}
