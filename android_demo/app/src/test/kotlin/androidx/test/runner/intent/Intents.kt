// The few parts of androidx.test that Robolectric calls; the build leaves their artifacts out.
package androidx.test.runner.intent

import android.app.Instrumentation
import android.content.Intent
import java.util.concurrent.atomic.AtomicReference

fun interface IntentCallback {
    fun onIntentSent(intent: Intent)
}

interface IntentMonitor {
    fun addIntentCallback(callback: IntentCallback)

    fun removeIntentCallback(callback: IntentCallback)
}

fun interface IntentStubber {
    fun getActivityResultForIntent(intent: Intent): Instrumentation.ActivityResult?
}

object IntentMonitorRegistry {
    private val instance = AtomicReference<IntentMonitor?>()

    @JvmStatic
    fun getInstance(): IntentMonitor =
        checkNotNull(instance.get()) { "no intent monitor registered" }

    @JvmStatic fun registerInstance(monitor: IntentMonitor?) = instance.set(monitor)
}

object IntentStubberRegistry {
    private val instance = AtomicReference<IntentStubber?>()

    @JvmStatic fun isLoaded(): Boolean = instance.get() != null

    @JvmStatic
    fun getInstance(): IntentStubber =
        checkNotNull(instance.get()) { "no intent stubber registered" }

    @JvmStatic fun load(stubber: IntentStubber?) = instance.set(stubber)

    @JvmStatic fun reset() = instance.set(null)
}
