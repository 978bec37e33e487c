package io.shakti.demo.ui.shell

import android.app.Activity
import android.content.Intent
import android.os.Bundle
import android.view.View
import io.shakti.demo.AppGraph
import kotlinx.coroutines.CoroutineScope

/**
 * What is shown at a place. It lives as long as its Activity; what has to outlive a rotation is in
 * a
 * view model from [ScreenHost.retained], what has to outlive the process is in [save].
 */
interface Screen {
    val view: View

    /** Whether [onBack] would do something now; tell [ScreenHost.backChanged] when that changes. */
    val takesBack: Boolean get() = false

    /** In sight from now on: collect states in [scope], which ends when it is out of sight. */
    fun onShow(scope: CoroutineScope)

    /** One step back within the screen. */
    fun onBack() = Unit

    /** The answer to [ScreenHost.startForResult]; null where the person gave none. */
    fun onResult(data: Intent?) = Unit

    fun save(into: Bundle) = Unit

    /** Called before the first [onShow], with what [save] wrote in an earlier life. */
    fun restore(from: Bundle) = Unit
}

/** What the shell does for screens. */
interface ScreenHost {
    val activity: Activity
    val graph: AppGraph

    fun show(place: Place)

    /**
     * The one [T] of that [key] for as long as the person uses the app, over rotations.
     *
     * [make] gets a scope on the main thread that ends with it.
     */
    fun <T : Any> retained(key: String, make: (CoroutineScope) -> T): T

    /** Starts [intent] for the screen at [place], whose [Screen.onResult] gets what comes back. */
    fun startForResult(place: Place, intent: Intent)

    fun backChanged()

    /** Lets Android ask whether the app may show notifications; nothing depends on the answer. */
    fun askForNotifications()
}
