package io.shakti.demo

import android.graphics.Bitmap
import android.graphics.Canvas
import io.shakti.demo.bundle.BundleOrigin
import io.shakti.demo.bundle.BundleStore
import io.shakti.demo.bundle.StoredBundle
import io.shakti.demo.chat.ChatState
import io.shakti.demo.engine.LlmEngine
import io.shakti.demo.engine.RuntimeEngine
import io.shakti.demo.fakes.FakeBundleStore
import io.shakti.demo.fakes.TestGraph
import io.shakti.demo.runtime.RuntimeBundles
import io.shakti.demo.runtime.RuntimeFlavour
import io.shakti.demo.settings.Settings
import io.shakti.demo.tokenizer.readTokenizer
import io.shakti.demo.ui.Look
import io.shakti.demo.ui.Shots
import java.io.File
import org.junit.Assert.assertTrue
import org.junit.Test
import org.robolectric.RuntimeEnvironment

/** The chat screen itself, answered by SmolLM2 through the app's engine and Android's library. */
class ChatRuntimeTest : AppTestBase() {
    /** All as in other tests but the engine and the bundle, which are the real ones. */
    private class RealGraph(
        private val rest: TestGraph = TestGraph(),
    ) : AppGraph by rest {
        private val bundle = RuntimeBundles.q4
        override val engine: LlmEngine = RuntimeEngine(RuntimeFlavour.loader()) { readTokenizer(it) }
        override val bundles: BundleStore = FakeBundleStore(
            StoredBundle.Ready(bundle, BundleOrigin.PUSHED, bundle.programFile.length()),
        )

        init {
            rest.settings.update { Settings(temperature = 0f, maxTokens = 80) }
        }
    }

    @Test
    fun smollm2_answers_two_questions_on_the_screen_word_by_word() {
        RuntimeEnvironment.setQualifiers(Look.LIGHT.qualifiers)
        start(graph = RealGraph())
        ask("What is the capital of France?")
        val seen = mutableSetOf<String>()
        until("an answer") {
            (state as? ChatState.Answering)?.let { seen += it.text }
            state is ChatState.Ready && state.facts.conversation.turns.size == 2
        }
        assertTrue("only ${seen.size} parts came", seen.size >= 2)
        untilShown("Paris")
        val reusedBefore = state.facts.stats!!.reusedTokens
        ask("And of Italy?")
        until("a second answer") {
            state is ChatState.Ready && state.facts.conversation.turns.size == 4
        }
        untilShown("Rome")
        assertTrue(state.facts.stats!!.reusedTokens > reusedBefore)
        idle(200)
        store(picture())
    }

    private fun picture(): Bitmap {
        val bitmap = Bitmap.createBitmap(screen.width, screen.height, Bitmap.Config.ARGB_8888)
        screen.draw(Canvas(bitmap))
        return bitmap
    }

    private fun store(picture: Bitmap) {
        val name = Look.LIGHT.file(Shots.REAL)
        val update = System.getProperty("shakti.screenshots.update") == "true"
        for (property in listOfNotNull("shakti.screenshots", "shakti.golden".takeIf { update })) {
            val folder = File(checkNotNull(System.getProperty(property)) { "set the property $property" })
            folder.mkdirs()
            File(folder, name).outputStream().use {
                picture.compress(Bitmap.CompressFormat.PNG, 100, it)
            }
        }
    }
}
