package io.shakti.demo.ui.models

import android.app.Activity
import android.view.View
import io.shakti.demo.AppFailure
import io.shakti.demo.FailureKind
import io.shakti.demo.bundle.CheckResult
import io.shakti.demo.bundle.CheckStatus
import io.shakti.demo.fakes.SampleModels
import io.shakti.demo.fakes.SilentModelsActions
import io.shakti.demo.ui.Look
import io.shakti.demo.ui.Look.DARK
import io.shakti.demo.ui.Look.LARGE
import io.shakti.demo.ui.Look.LIGHT
import io.shakti.demo.ui.Look.TABLET
import io.shakti.demo.ui.ScreenshotTest
import io.shakti.demo.ui.inShell
import io.shakti.demo.ui.shell.Place
import org.junit.Test

class ModelsShotsTest : ScreenshotTest() {
    private val smol = ModelItem.Usable(SampleModels.SMOL, inUse = true)
    private val shakti = ModelItem.Usable(SampleModels.SHAKTI, inUse = false)
    private val list =
        ModelList.Loaded(
            listOf(
                smol,
                shakti,
                ModelItem.Broken(SampleModels.CORRUPT),
                ModelItem.Broken(SampleModels.NEWER),
            )
        )

    private fun shoot(shot: String, state: ModelsState, vararg looks: Look) =
        shoot(shot, *looks) { draw(it, state) }

    private fun draw(activity: Activity, state: ModelsState): View {
        val view = ModelsView(activity, SilentModelsActions)
        view.show(state)
        return inShell(activity, Place.MODELS, view)
    }

    @Test
    fun the_list_with_good_and_broken_models() =
        shoot("models-list", ModelsState(list), LIGHT, DARK, LARGE, TABLET)

    @Test
    fun no_model_says_how_to_get_one() =
        shoot("models-empty", ModelsState(ModelList.Empty), LIGHT, LARGE)

    @Test
    fun an_import_on_its_way() {
        val running =
            ImportState.Running("smollm2-360m-q4.zip", 91_300_000, 214_958_080, 38_200_000.0)
        val state = ModelsState(ModelList.Loaded(listOf(smol, shakti)), import = running)
        shoot("models-importing", state, LIGHT)
    }

    @Test
    fun an_import_that_did_not_fit() {
        val full =
            AppFailure(FailureKind.STORAGE_FULL, "the bundle needs 215 MB and 121 MB are free")
        val failed = ImportState.Failed("smollm2-360m-q4.zip", full, 110_735_296)
        val state = ModelsState(ModelList.Loaded(listOf(smol)), import = failed)
        shoot("models-import-failed", state, LIGHT)
    }

    @Test
    fun the_details_of_a_model() {
        val state = ModelsState(list, details = DetailsState.Open(smol))
        shoot("models-details", state, LIGHT, DARK, LARGE, TABLET)
    }

    @Test
    fun a_check_that_found_something() {
        val results =
            listOf(
                CheckResult("manifest schema", CheckStatus.PASS, "1.0"),
                CheckResult("program size", CheckStatus.PASS, "77.9 MB"),
                CheckResult("program hash", CheckStatus.FAIL, "the file is not the exported one"),
                CheckResult("operators", CheckStatus.PASS, "all 24 are there"),
                CheckResult("tokenizer", CheckStatus.PASS, "49152 tokens"),
                CheckResult("golden tokens", CheckStatus.SKIPPED, "not without the exported program"),
            )
        val state =
            ModelsState(
                list,
                check = CheckState.Done(shakti.folder, results),
                details = DetailsState.Open(shakti),
            )
        shoot("models-check", state, LIGHT, DARK)
    }
}
