package io.shakti.demo.ui.models

import android.app.Activity
import android.content.Intent
import android.net.Uri
import android.view.View
import io.shakti.demo.FailureKind
import io.shakti.demo.called
import io.shakti.demo.fakes.FakeBundleStore
import io.shakti.demo.fakes.FakeChecker
import io.shakti.demo.fakes.Gate
import io.shakti.demo.fakes.MemorySettings
import io.shakti.demo.fakes.SampleModels
import io.shakti.demo.fakes.Step
import io.shakti.demo.fakes.StepGate
import io.shakti.demo.fakes.ScriptedEngine
import io.shakti.demo.fakes.TestApp
import io.shakti.demo.fakes.TestGraph
import io.shakti.demo.settings.Settings
import io.shakti.demo.textsShown
import io.shakti.demo.ui.AppBed
import io.shakti.demo.ui.shell.Place
import java.io.ByteArrayInputStream
import org.junit.Assert.assertEquals
import org.junit.Assert.assertFalse
import org.junit.Assert.assertNotNull
import org.junit.Assert.assertTrue
import org.junit.Test
import org.junit.runner.RunWith
import org.robolectric.RobolectricTestRunner
import org.robolectric.RuntimeEnvironment
import org.robolectric.Shadows.shadowOf
import org.robolectric.annotation.Config
import org.robolectric.shadows.ShadowDialog

@RunWith(RobolectricTestRunner::class)
@Config(application = TestApp::class)
class ModelsScreenTest {
    private val uri = Uri.parse("content://cards/smol.zip")

    private val usingSmol = Settings(bundleFolder = SampleModels.SMOL.folder.path)

    private fun open(
        store: FakeBundleStore = FakeBundleStore(SampleModels.SMOL, SampleModels.SHAKTI),
        checker: FakeChecker = FakeChecker(),
        engine: ScriptedEngine = ScriptedEngine(),
    ) =
        AppBed(
                TestGraph(
                    engine = engine,
                    bundles = store,
                    checker = checker,
                    settings = MemorySettings(usingSmol),
                ),
                Place.MODELS,
            )
            .also { bed -> bed.until("the list") { !bed.shows("Looking for models") } }

    /** Picks a zip of 5000 bytes in the system's file picker. */
    private fun AppBed.pickZip() {
        tap("Import a model")
        val asked = shadowOf(activity).nextStartedActivityForResult
        val resolver = shadowOf(activity.contentResolver)
        resolver.registerInputStreamSupplier(uri) { ByteArrayInputStream(ByteArray(5000)) }
        shadowOf(activity).receiveResult(asked.intent, Activity.RESULT_OK, Intent().setData(uri))
        settle()
    }

    private fun AppBed.dialog(): View {
        val dialog = ShadowDialog.getLatestDialog()
        assertTrue("no question is asked", dialog != null && dialog.isShowing)
        return dialog.window!!.decorView
    }

    @Test
    fun the_picker_is_asked_for_zips_and_none_picked_changes_nothing() {
        val bed = open()
        bed.tap("Import a model")
        val asked = shadowOf(bed.activity).nextStartedActivityForResult.intent
        assertEquals(Intent.ACTION_OPEN_DOCUMENT, asked.action)
        assertTrue(asked.hasCategory(Intent.CATEGORY_OPENABLE))
        assertTrue("application/zip" in asked.getStringArrayExtra(Intent.EXTRA_MIME_TYPES)!!)
        shadowOf(bed.activity).receiveResult(asked, Activity.RESULT_CANCELED, null)
        bed.settle()
        assertFalse(bed.shows("Importing"))
    }

    @Test
    fun an_import_goes_on_over_a_rotation_and_another_screen_and_says_when_it_is_done() {
        val gate = Gate()
        val store = FakeBundleStore(SampleModels.SMOL)
        store.beforeBuffer = { if (it == 3000L) gate.pass() }
        val bed = open(store)
        bed.pickZip()
        bed.untilShown("Importing smol.zip")
        bed.until("the third buffer") { gate.isReached }
        bed.turn()
        assertTrue(bed.shows("Importing smol.zip"))
        bed.activity.show(Place.ABOUT)
        bed.activity.show(Place.MODELS)
        bed.settle()
        assertTrue(bed.shows("Importing smol.zip"))
        gate.open()
        bed.untilShown("imported is on this phone.")
        assertTrue(bed.named("imported"))
        bed.tap("Close")
        assertFalse(bed.shows("is on this phone"))
    }

    @Test
    fun a_cancelled_import_leaves_the_list_as_it_was() {
        val gate = Gate()
        val store = FakeBundleStore(SampleModels.SMOL)
        store.beforeBuffer = { if (it == 3000L) gate.pass() }
        val bed = open(store)
        bed.pickZip()
        bed.until("the third buffer") { gate.isReached }
        bed.tap("Cancel")
        bed.untilShown("Nothing will be left behind")
        gate.open()
        bed.until("the end") { !bed.shows("Importing") }
        assertFalse(bed.named("imported"))
    }

    @Test
    fun a_corrupt_zip_is_told_with_its_cause_and_another_can_be_picked() {
        val store = FakeBundleStore()
        store.willFail(FailureKind.BUNDLE_CORRUPT, "model.pte: checksum differs")
        val bed = open(store)
        bed.pickZip()
        bed.untilShown("smol.zip is damaged or no bundle")
        assertTrue(bed.shows("model.pte: checksum differs"))
        bed.tap("Choose another file")
        assertNotNull(shadowOf(bed.activity).nextStartedActivityForResult)
    }

    @Test
    fun an_import_that_failed_for_space_is_tried_again() {
        val store = FakeBundleStore()
        store.willFail(FailureKind.STORAGE_FULL)
        val bed = open(store)
        bed.pickZip()
        bed.untilShown("There is not enough space for smol.zip")
        bed.tap("Try again")
        bed.untilShown("imported is on this phone, and chats use it now.")
    }

    @Test
    fun a_phone_without_a_file_picker_is_told_of_the_other_way() {
        val bed = open(FakeBundleStore())
        shadowOf(RuntimeEnvironment.getApplication()).checkActivities(true)
        bed.tap("Import a model")
        bed.untilShown("no app to choose files with")
    }

    @Test
    fun no_model_at_all_says_how_to_get_one() {
        val bed = open(FakeBundleStore())
        assertTrue(bed.shows("No model yet"))
        assertTrue(bed.shows("shakti-sdk export MODEL --quant q4 --zip"))
        assertTrue(bed.shows("shakti-sdk demo install --bundle BUNDLE"))
    }

    @Test
    fun a_bundle_that_is_pushed_meanwhile_is_found_by_looking_again() {
        val store = FakeBundleStore()
        val bed = open(store)
        store.add(SampleModels.SHAKTI)
        bed.tap("Look again")
        bed.untilShown("shakti-100m-q8")
    }

    @Test
    fun another_model_is_used_and_its_card_says_so() {
        val bed = open()
        bed.tap("Use shakti-100m-q8")
        bed.untilShown("Chats use shakti-100m-q8 from the next answer on.")
        assertEquals(
            SampleModels.SHAKTI.folder.path,
            bed.graph.settings.settings.value.bundleFolder,
        )
        assertTrue(bed.named("Use smollm2-135m-q4"))
    }

    @Test
    fun details_close_with_back_and_are_open_again_after_the_process_died() {
        val bed = open()
        bed.tap("smollm2-135m-q4")
        bed.untilShown("189 MB (fp32)")
        assertTrue(bed.shows("1.083"))
        bed.dieAndComeBack()
        bed.untilShown("189 MB (fp32)")
        @Suppress("DEPRECATION") bed.activity.onBackPressed()
        bed.until("the list") { !bed.shows("189 MB (fp32)") }
        assertTrue(bed.named("Import a model"))
    }

    @Test
    fun a_check_shows_how_far_it_is_and_then_each_result() {
        val gate = Gate()
        val results = FakeChecker.allBut("operators", detail = "llama::sdpa is missing")
        val checker = FakeChecker(results)
        checker.beforeResult = { if (it == 4) gate.pass() }
        val bed = open(checker = checker)
        bed.tap("smollm2-135m-q4")
        bed.tap("Check this model")
        bed.untilShown("Checking · 50 %")
        bed.turn()
        assertTrue(bed.shows("Checking · 50 %"))
        gate.open()
        bed.untilShown("Something is wrong with this model.")
        assertTrue(bed.named("Operators, Failed. llama::sdpa is missing"))
        assertTrue(bed.named("Golden tokens, Passed. as it should be"))
    }

    @Test
    fun a_check_is_cancelled() {
        val gate = Gate()
        val checker = FakeChecker()
        checker.beforeResult = { if (it == 2) gate.pass() }
        val bed = open(checker = checker)
        bed.tap("smollm2-135m-q4")
        bed.tap("Check this model")
        bed.untilShown("Checking · 25 %")
        bed.tap("Cancel")
        bed.untilShown("Cancelling the check")
        gate.open()
        bed.untilShown("Reads the whole bundle")
        assertTrue(bed.named("Check this model"))
    }

    @Test
    fun while_the_chat_answers_a_check_is_refused_with_the_way_there() {
        val gate = StepGate()
        val bed = open(engine = ScriptedEngine(gate))
        bed.chat.ask("hello")
        bed.until("the engine opens") { gate.waiting is Step.Open }
        bed.tap("smollm2-135m-q4")
        bed.tap("Check this model")
        bed.untilShown("The chat is still answering.")
        assertTrue(bed.graph.checker.checked.isEmpty())
        gate.open()
        bed.until("the answer") { !bed.chat.answering.value }
    }

    @Test
    fun deleting_asks_survives_a_rotation_and_deletes() {
        val store = FakeBundleStore(SampleModels.SMOL, FakeBundleStore.ready("other"))
        val bed = open(store)
        bed.tap("smollm2-135m-q4")
        bed.tap("Delete smollm2-135m-q4")
        bed.turn()
        assertTrue("Delete smollm2-135m-q4?" in bed.dialog().textsShown())
        bed.dialog().called("Delete").performClick()
        bed.untilShown("smollm2-135m-q4 was deleted.")
        assertEquals(listOf("other"), store.list().map { it.folder.name })
    }

    @Test
    fun a_question_that_is_cancelled_deletes_nothing_and_can_be_asked_again() {
        val bed = open()
        bed.tap("smollm2-135m-q4")
        repeat(2) {
            bed.tap("Delete smollm2-135m-q4")
            bed.dialog().called("Cancel").performClick()
            bed.settle()
            assertFalse(ShadowDialog.getLatestDialog().isShowing)
        }
        assertEquals(2, bed.graph.bundles.list().size)
    }

    @Test
    fun a_broken_bundle_says_why_and_only_an_imported_one_can_be_deleted() {
        val bed = open(FakeBundleStore(SampleModels.CORRUPT, SampleModels.NEWER))
        assertTrue(bed.shows("This model is damaged or incomplete."))
        assertTrue(bed.shows("the manifest says 214,958,080"))
        assertTrue(bed.shows("This model was made for a newer version of the app."))
        assertTrue(bed.shows("delete its folder: /data/local/tmp/shakti/bundles/shakti-250m-q4"))
        assertTrue(bed.named("Delete smollm2-360m-q4"))
        assertFalse(bed.named("Delete shakti-250m-q4"))
        bed.tap("Delete smollm2-360m-q4")
        bed.dialog().called("Delete").performClick()
        bed.untilShown("smollm2-360m-q4 was deleted.")
    }
}
