package io.shakti.demo

import android.app.Application

/** Makes the app's parts once, for every screen and service. */
open class ShaktiApp : Application() {
    val graph: AppGraph by lazy(::makeGraph)

    protected open fun makeGraph(): AppGraph = error("the app's parts are not joined yet")
}
