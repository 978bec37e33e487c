package io.shakti.demo.bench

import android.app.Activity
import android.app.Application
import android.os.Bundle
import java.util.concurrent.CountDownLatch
import java.util.concurrent.TimeUnit

/** Waits for one of the app's activities to be in front: then its process gets the fast cores. */
class InFront(private val application: Application) : Application.ActivityLifecycleCallbacks {
    private val resumed = CountDownLatch(1)

    /** Calls [show] and waits; false if nothing came to the front within [timeoutMs]. */
    fun await(timeoutMs: Long, show: () -> Unit): Boolean {
        application.registerActivityLifecycleCallbacks(this)
        try {
            show()
            return resumed.await(timeoutMs, TimeUnit.MILLISECONDS)
        } finally {
            application.unregisterActivityLifecycleCallbacks(this)
        }
    }

    override fun onActivityResumed(activity: Activity) = resumed.countDown()

    override fun onActivityCreated(activity: Activity, savedInstanceState: Bundle?) = Unit

    override fun onActivityStarted(activity: Activity) = Unit

    override fun onActivityPaused(activity: Activity) = Unit

    override fun onActivityStopped(activity: Activity) = Unit

    override fun onActivitySaveInstanceState(activity: Activity, outState: Bundle) = Unit

    override fun onActivityDestroyed(activity: Activity) = Unit
}
