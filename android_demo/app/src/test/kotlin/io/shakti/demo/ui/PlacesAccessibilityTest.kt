package io.shakti.demo.ui

import android.app.Activity
import android.content.Context
import android.os.Looper
import android.view.View
import io.shakti.demo.bench.BenchOutcome
import io.shakti.demo.called
import io.shakti.demo.engine.RuntimeInfo
import io.shakti.demo.fakes.SampleModels
import io.shakti.demo.fakes.ScriptedBench
import io.shakti.demo.fakes.SilentModelsActions
import io.shakti.demo.fakes.TestApp
import io.shakti.demo.ui.about.AboutActions
import io.shakti.demo.ui.about.AboutState
import io.shakti.demo.ui.about.AboutView
import io.shakti.demo.ui.about.Licence
import io.shakti.demo.ui.about.Licences
import io.shakti.demo.ui.bench.BenchActions
import io.shakti.demo.ui.bench.BenchState
import io.shakti.demo.ui.bench.BenchView
import io.shakti.demo.ui.models.CheckState
import io.shakti.demo.ui.models.DetailsState
import io.shakti.demo.ui.models.ImportState
import io.shakti.demo.ui.models.ModelItem
import io.shakti.demo.ui.models.ModelList
import io.shakti.demo.ui.models.ModelsState
import io.shakti.demo.ui.models.ModelsView
import io.shakti.demo.ui.shell.Place
import org.junit.Assert.assertEquals
import org.junit.Assert.assertTrue
import org.junit.Test
import org.junit.runner.RunWith
import org.robolectric.Robolectric
import org.robolectric.RobolectricTestRunner
import org.robolectric.RuntimeEnvironment
import org.robolectric.Shadows.shadowOf
import org.robolectric.annotation.Config

/** What TalkBack, fingers and large text need of the models, benchmark and about screens. */
@RunWith(RobolectricTestRunner::class)
@Config(application = TestApp::class)
class PlacesAccessibilityTest {
    private object SilentBench : BenchActions {
        override fun start(quick: Boolean) = Unit

        override fun cancel() = Unit

        override fun share(outcome: BenchOutcome) = Unit

        override fun dismiss() = Unit

        override fun go(place: Place) = Unit
    }

    private object SilentAbout : AboutActions {
        override fun read(licence: Licence) = Unit

        override fun close() = Unit
    }

    private val smol = ModelItem.Usable(SampleModels.SMOL, inUse = true)
    private val shakti = ModelItem.Usable(SampleModels.SHAKTI, inUse = false)
    private val list =
        ModelList.Loaded(listOf(smol, shakti, ModelItem.Broken(SampleModels.CORRUPT)))
    private val importing = ImportState.Running("a-rather-long-name-of-a-file.zip", 1, 2, 3.0)

    private fun models(context: Context, state: ModelsState): View =
        ModelsView(context, SilentModelsActions).apply { show(state) }

    private fun bench(context: Context, state: BenchState): View =
        BenchView(context, SilentBench).apply { show(state) }

    private fun about(context: Context): View {
        val runtime = RuntimeInfo("ExecuTorch", "0.7", "community", false, listOf("4 KiB pages"))
        val state = AboutState("0.1.0", runtime, Licences.of("community"))
        return AboutView(context, SilentAbout) { it.title }.apply { show(state) }
    }

    private val screens: Map<String, (Context) -> View> =
        mapOf(
            "list" to { models(it, ModelsState(list, importing)) },
            "empty" to { models(it, ModelsState(ModelList.Empty)) },
            "details" to { models(it, ModelsState(list, details = DetailsState.Open(shakti))) },
            "check" to
                {
                    val check = CheckState.Running(shakti.folder, 0.4)
                    val details = DetailsState.Open(shakti)
                    models(it, ModelsState(list, check = check, details = details))
                },
            "before a run" to { bench(it, BenchState.Idle("smollm2-135m-q4", EngineUser.CHAT)) },
            "results" to { bench(it, BenchState.Done("smol", ScriptedBench.OUTCOME, true)) },
            "about" to { about(it) },
        )

    private fun draw(look: Look, build: (Context) -> View): View {
        RuntimeEnvironment.setQualifiers(look.qualifiers)
        RuntimeEnvironment.setFontScale(look.fontScale)
        val controller = Robolectric.buildActivity(Activity::class.java).create()
        val view = build(controller.get())
        controller.get().setContentView(view)
        controller.start().resume().visible()
        shadowOf(Looper.getMainLooper()).idle()
        return view
    }

    @Test
    fun everything_that_is_touched_has_words_and_room_and_no_text_is_cut_off() {
        for (look in listOf(Look.LIGHT, Look.LARGE)) {
            for ((name, build) in screens) {
                val problems = accessibilityProblems(draw(look, build))
                assertEquals("$name, $look", emptyList<String>(), problems)
            }
        }
    }

    @Test
    fun from_right_to_left_the_tags_of_a_model_stand_at_the_right() {
        val view = draw(Look.LIGHT) { context ->
            models(context, ModelsState(list)).apply { layoutDirection = View.LAYOUT_DIRECTION_RTL }
        }
        val tag = view.called("In use")
        val place = IntArray(2).also(tag::getLocationInWindow)
        assertTrue("the tag is at ${place[0]} of ${view.width}", place[0] > view.width / 2)
    }
}
