package io.shakti.demo.ui.shell

import android.content.Context
import android.view.View
import io.shakti.demo.ui.design.Page
import io.shakti.demo.ui.models.ModelsScreen
import io.shakti.demo.ui.settings.SettingsScreen
import kotlinx.coroutines.CoroutineScope

/** Which screen stands at which place. */
fun screenAt(place: Place, host: ScreenHost): Screen =
    when (place) {
        Place.MODELS -> ModelsScreen(host)
        Place.SETTINGS -> SettingsScreen(host)
        else -> Untitled(host.activity, place)
    }

private class Untitled(context: Context, place: Place) : Screen {
    override val view: View = Page(context, context.getString(place.label))

    override fun onShow(scope: CoroutineScope) = Unit
}
