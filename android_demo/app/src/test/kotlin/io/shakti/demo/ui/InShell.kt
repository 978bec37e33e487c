package io.shakti.demo.ui

import android.app.Activity
import android.view.View
import io.shakti.demo.ui.shell.Place
import io.shakti.demo.ui.shell.Screen
import io.shakti.demo.ui.shell.Shell
import kotlinx.coroutines.CoroutineScope

/** [view] as it stands at [place] in the app's shell. */
fun inShell(activity: Activity, place: Place, view: View): View =
    Shell(activity, {}) { Still(if (it == place) view else View(activity)) }.apply { show(place) }

private class Still(override val view: View) : Screen {
    override fun onShow(scope: CoroutineScope) = Unit
}
