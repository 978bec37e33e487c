package io.shakti.demo.ui.bench

import android.content.Intent
import android.net.Uri
import io.shakti.demo.AppFailure
import io.shakti.demo.FailureKind
import io.shakti.demo.descendants
import io.shakti.demo.fakes.FakeBundleStore
import io.shakti.demo.fakes.Gate
import io.shakti.demo.fakes.SampleModels
import io.shakti.demo.fakes.ScriptedBench
import io.shakti.demo.fakes.ScriptedEngine
import io.shakti.demo.fakes.Step
import io.shakti.demo.fakes.StepGate
import io.shakti.demo.fakes.TestApp
import io.shakti.demo.fakes.TestGraph
import io.shakti.demo.shown
import io.shakti.demo.ui.AppBed
import io.shakti.demo.ui.shell.Place
import org.junit.Assert.assertEquals
import org.junit.Assert.assertFalse
import org.junit.Assert.assertTrue
import org.junit.Test
import org.junit.runner.RunWith
import org.robolectric.Robolectric
import org.robolectric.RobolectricTestRunner
import org.robolectric.Shadows.shadowOf
import org.robolectric.annotation.Config

@RunWith(RobolectricTestRunner::class)
@Config(application = TestApp::class)
class BenchScreenTest {
    private fun open(
        bench: ScriptedBench,
        store: FakeBundleStore = FakeBundleStore(SampleModels.SMOL),
        engine: ScriptedEngine = ScriptedEngine(),
    ) = AppBed(TestGraph(engine = engine, bundles = store, bench = bench), Place.BENCHMARK)

    private val AppBed.keepsScreenOn get() = root.descendants().any { it.keepScreenOn }

    private fun AppBed.runButton() =
        root.shown().first { it.isClickable && namedAs(it, "Quick run") }

    private fun namedAs(view: android.view.View, words: String) =
        (view as? android.widget.TextView)?.text?.toString() == words

    @Test
    fun results_come_one_by_one_over_a_rotation_with_the_screen_kept_on() {
        val gate = Gate()
        val bench = ScriptedBench(beforeCase = { if (it == 2) gate.pass() })
        val bed = open(bench)
        bed.untilShown("For fair numbers")
        assertFalse(bed.keepsScreenOn)
        bed.tap("Run the benchmark")
        bed.untilShown("Step 3 of 5")
        assertTrue(bed.shows("Reading 512 tokens"))
        val reading = "Reading 128 tokens: 231 tokens a second. middle half 229 to 233 · 5 samples"
        assertTrue(bed.named(reading))
        assertTrue(bed.keepsScreenOn)
        bed.turn()
        assertTrue(bed.shows("Step 3 of 5"))
        assertTrue(bed.keepsScreenOn)
        gate.open()
        bed.untilShown("This phone computes what the exporting computer computed.")
        assertTrue(bed.shows("412 MB"))
        assertTrue(bed.shows("4 samples, 1 left out"))
        assertTrue(bed.shows("Samples were left out"))
        assertFalse(bed.keepsScreenOn)
        assertFalse(bench.runs.single().quick)
    }

    @Test
    fun a_quick_run_is_cancelled_and_the_start_is_shown_again() {
        val gate = Gate()
        val bench = ScriptedBench(beforeCase = { if (it == 1) gate.pass() })
        val bed = open(bench)
        bed.tap("Quick run")
        bed.untilShown("Step 2 of 5")
        bed.tap("Cancel")
        bed.untilShown("Cancelling after what is running")
        gate.open()
        bed.untilShown("For fair numbers")
        assertTrue(bench.runs.single().quick)
    }

    @Test
    fun results_are_shared_as_a_file_that_the_other_app_can_read() {
        val bed = open(ScriptedBench())
        bed.tap("Quick run")
        bed.tap("Share results")
        var chooser: Intent? = null
        bed.until("the share sheet") {
            chooser = chooser ?: shadowOf(bed.activity).nextStartedActivity
            chooser != null
        }
        @Suppress("DEPRECATION")
        val send = chooser!!.getParcelableExtra<Intent>(Intent.EXTRA_INTENT)!!
        assertEquals(Intent.ACTION_SEND, send.action)
        assertTrue(send.flags and Intent.FLAG_GRANT_READ_URI_PERMISSION != 0)
        @Suppress("DEPRECATION") val uri = send.getParcelableExtra<Uri>(Intent.EXTRA_STREAM)!!
        assertTrue(uri.lastPathSegment!!.matches(Regex("""shakti-bench-\d{8}-\d{6}\.jsonl""")))
        Robolectric.setupContentProvider(
            io.shakti.demo.share.ShareProvider::class.java,
            "io.shakti.demo.share",
        )
        val stream = bed.activity.contentResolver.openInputStream(uri)!!
        val text = stream.bufferedReader().use { it.readText() }
        assertEquals(ScriptedBench.OUTCOME.jsonl, text)
    }

    @Test
    fun what_was_not_confirmed_or_not_measured_is_said() {
        val remarks = listOf("Not measured: the battery is at 12 %.")
        val outcome =
            ScriptedBench.OUTCOME.copy(
                rows = emptyList(),
                goldenConfirmed = false,
                peakMemoryBytes = null,
                remarks = remarks,
            )
        val bed = open(ScriptedBench(outcome))
        bed.tap("Run the benchmark")
        bed.untilShown("It was not confirmed")
        assertTrue(bed.shows("Nothing valid was measured."))
        assertTrue(bed.shows("Not measured: the battery is at 12 %."))
        assertTrue(bed.shows("Not known on this phone"))
    }

    @Test
    fun a_run_that_fails_has_a_way_to_another_model() {
        val failure = AppFailure(FailureKind.GOLDEN_MISMATCH, "2 of 3 prompts differ")
        val bed = open(ScriptedBench(failure = failure))
        bed.tap("Run the benchmark")
        bed.untilShown("This model does not compute what it computed when it was exported")
        assertTrue(bed.shows("2 of 3 prompts differ"))
        bed.tap("Choose a model")
        bed.untilShown("smollm2-135m-q4")
    }

    @Test
    fun while_the_chat_answers_it_cannot_start() {
        val gate = StepGate()
        val bench = ScriptedBench()
        val bed = open(bench, engine = ScriptedEngine(gate))
        bed.chat.ask("hello")
        bed.until("the engine opens") { gate.waiting is Step.Open }
        bed.untilShown("The chat is still answering.")
        assertFalse(bed.runButton().isEnabled)
        gate.open()
        bed.until("the answer") { !bed.chat.answering.value }
        bed.until("the button") { bed.runButton().isEnabled }
        assertTrue(bench.runs.isEmpty())
    }

    @Test
    fun without_a_model_there_is_the_way_to_one() {
        val bed = open(ScriptedBench(), FakeBundleStore())
        bed.untilShown("No model to measure")
        bed.tap("Choose a model")
        bed.untilShown("No model yet")
    }
}
