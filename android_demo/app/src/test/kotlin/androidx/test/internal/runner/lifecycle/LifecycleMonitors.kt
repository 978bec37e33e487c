// The few parts of androidx.test that Robolectric calls; the build leaves their artifacts out.
package androidx.test.internal.runner.lifecycle

import android.app.Activity
import android.app.Application
import androidx.test.runner.lifecycle.ActivityLifecycleCallback
import androidx.test.runner.lifecycle.ActivityLifecycleMonitor
import androidx.test.runner.lifecycle.ApplicationLifecycleCallback
import androidx.test.runner.lifecycle.ApplicationLifecycleMonitor
import androidx.test.runner.lifecycle.ApplicationStage
import androidx.test.runner.lifecycle.Stage
import java.util.WeakHashMap
import java.util.concurrent.CopyOnWriteArrayList

/** Remembers the stage that each Activity was last seen in. */
class ActivityLifecycleMonitorImpl : ActivityLifecycleMonitor {
    private val callbacks = CopyOnWriteArrayList<ActivityLifecycleCallback>()
    private val stages = WeakHashMap<Activity, Stage>()

    override fun addLifecycleCallback(callback: ActivityLifecycleCallback) {
        callbacks.addIfAbsent(callback)
    }

    override fun removeLifecycleCallback(callback: ActivityLifecycleCallback) {
        callbacks.remove(callback)
    }

    @Synchronized
    override fun getLifecycleStageOf(activity: Activity): Stage =
        requireNotNull(stages[activity]) { "unknown activity: $activity" }

    @Synchronized
    override fun getActivitiesInStage(stage: Stage): Collection<Activity> =
        stages.filterValues { it == stage }.keys.toList()

    fun signalLifecycleChange(stage: Stage, activity: Activity) {
        synchronized(this) { stages[activity] = stage }
        callbacks.forEach { it.onActivityLifecycleChanged(activity, stage) }
    }
}

class ApplicationLifecycleMonitorImpl : ApplicationLifecycleMonitor {
    private val callbacks = CopyOnWriteArrayList<ApplicationLifecycleCallback>()

    override fun addLifecycleCallback(callback: ApplicationLifecycleCallback) {
        callbacks.addIfAbsent(callback)
    }

    override fun removeLifecycleCallback(callback: ApplicationLifecycleCallback) {
        callbacks.remove(callback)
    }

    fun signalLifecycleChange(app: Application, stage: ApplicationStage) =
        callbacks.forEach { it.onApplicationLifecycleChanged(app, stage) }
}
