package io.shakti.demo.ui.about

import io.shakti.demo.engine.RuntimeInfo
import io.shakti.demo.fakes.SampleModels
import io.shakti.demo.ui.Look
import io.shakti.demo.ui.Look.DARK
import io.shakti.demo.ui.Look.LARGE
import io.shakti.demo.ui.Look.LIGHT
import io.shakti.demo.ui.Look.TABLET
import io.shakti.demo.ui.ScreenshotTest
import io.shakti.demo.ui.inShell
import io.shakti.demo.ui.shell.Place
import org.junit.Test

class AboutShotsTest : ScreenshotTest() {
    private object Silent : AboutActions {
        override fun read(licence: Licence) = Unit

        override fun close() = Unit
    }

    private val runtime =
        RuntimeInfo(
            "ExecuTorch",
            "0.7",
            "community",
            threadsSettable = false,
            limits =
                listOf(
                    "4 KiB pages: not for phones with 16 KiB ones",
                    "older than the official one",
                ),
        )
    private val state =
        AboutState(
            "0.1.0",
            runtime,
            Licences.of("community"),
            with(SampleModels.SMOL.bundle.manifest) {
                ModelCredit(name, model.licence, model.source, model.untrained)
            },
        )

    private fun shoot(shot: String, state: AboutState, vararg looks: Look) =
        shoot(shot, *looks) { activity ->
            val view = AboutView(activity, Silent) { it.read(activity.assets) }
            view.show(state)
            inShell(activity, Place.ABOUT, view)
        }

    @Test
    fun the_app_and_what_is_in_it() = shoot("about", state, LIGHT, DARK, LARGE, TABLET)

    @Test
    fun a_licence_is_read() =
        shoot("about-licence", state.copy(reading = state.licences[1]), LIGHT)
}
