package io.shakti.demo.ui.shell

import android.content.Context
import android.view.View
import io.shakti.demo.ui.design.Page
import kotlinx.coroutines.CoroutineScope

/** Which screen stands at which place. */
fun screenAt(place: Place, host: ScreenHost): Screen = Untitled(host.activity, place)

private class Untitled(context: Context, place: Place) : Screen {
    override val view: View = Page(context, context.getString(place.label))

    override fun onShow(scope: CoroutineScope) = Unit
}
