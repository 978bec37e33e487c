// The few parts of androidx.test that Robolectric calls; the build leaves their artifacts out.
package androidx.test.runner.lifecycle

import java.util.concurrent.atomic.AtomicReference

object ActivityLifecycleMonitorRegistry {
    private val instance = AtomicReference<ActivityLifecycleMonitor?>()

    @JvmStatic
    fun getInstance(): ActivityLifecycleMonitor =
        checkNotNull(instance.get()) { "no lifecycle monitor registered" }

    @JvmStatic fun registerInstance(monitor: ActivityLifecycleMonitor?) = instance.set(monitor)
}

object ApplicationLifecycleMonitorRegistry {
    private val instance = AtomicReference<ApplicationLifecycleMonitor?>()

    @JvmStatic
    fun getInstance(): ApplicationLifecycleMonitor =
        checkNotNull(instance.get()) { "no application monitor registered" }

    @JvmStatic fun registerInstance(monitor: ApplicationLifecycleMonitor?) = instance.set(monitor)
}
