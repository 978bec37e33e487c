// The few parts of androidx.test that Robolectric calls; the build leaves their artifacts out.
package androidx.test.runner.lifecycle

import android.app.Activity
import android.app.Application

enum class Stage {
    PRE_ON_CREATE,
    CREATED,
    STARTED,
    RESUMED,
    PAUSED,
    STOPPED,
    RESTARTED,
    DESTROYED,
}

enum class ApplicationStage {
    PRE_ON_CREATE,
    CREATED,
}

fun interface ActivityLifecycleCallback {
    fun onActivityLifecycleChanged(activity: Activity, stage: Stage)
}

fun interface ApplicationLifecycleCallback {
    fun onApplicationLifecycleChanged(app: Application, stage: ApplicationStage)
}

interface ActivityLifecycleMonitor {
    fun addLifecycleCallback(callback: ActivityLifecycleCallback)

    fun removeLifecycleCallback(callback: ActivityLifecycleCallback)

    fun getLifecycleStageOf(activity: Activity): Stage

    fun getActivitiesInStage(stage: Stage): Collection<Activity>
}

interface ApplicationLifecycleMonitor {
    fun addLifecycleCallback(callback: ApplicationLifecycleCallback)

    fun removeLifecycleCallback(callback: ApplicationLifecycleCallback)
}
