package io.shakti.demo.ui.bench

import io.shakti.demo.R
import io.shakti.demo.bench.BenchOutcome
import io.shakti.demo.bench.BenchProgress
import io.shakti.demo.fakes.ScriptedBench
import io.shakti.demo.ui.Look
import io.shakti.demo.ui.Look.DARK
import io.shakti.demo.ui.Look.LARGE
import io.shakti.demo.ui.Look.LIGHT
import io.shakti.demo.ui.Look.TABLET
import io.shakti.demo.ui.ScreenshotTest
import io.shakti.demo.ui.shell.Place
import org.junit.Test

class BenchShotsTest : ScreenshotTest() {
    private object Silent : BenchActions {
        override fun start(quick: Boolean) = Unit

        override fun cancel() = Unit

        override fun share(outcome: BenchOutcome) = Unit

        override fun dismiss() = Unit

        override fun go(place: Place) = Unit
    }

    private fun shoot(shot: String, state: BenchState, vararg looks: Look) =
        shoot(shot, *looks) { activity ->
            BenchView(activity, Silent).apply {
                setBackgroundColor(activity.getColor(R.color.ground))
                show(state)
            }
        }

    @Test
    fun before_a_run() =
        shoot("benchmark", BenchState.Idle("smollm2-135m-q4", null), LIGHT, DARK, LARGE)

    @Test
    fun during_a_run() {
        val progress = BenchProgress(8, 25, "decode-128", ScriptedBench.ROWS.take(3))
        val state = BenchState.Running("smollm2-135m-q4", quick = false, progress)
        shoot("benchmark.running", state, LIGHT)
    }

    @Test
    fun after_a_run() {
        val remarks = listOf("The phone measured itself, in one process.")
        val outcome = ScriptedBench.OUTCOME.copy(remarks = remarks)
        val state = BenchState.Done("smollm2-135m-q4", outcome, canRepeat = true)
        shoot("benchmark.results", state, LIGHT, DARK, LARGE, TABLET)
    }
}
