package io.shakti.demo.chat

import android.app.Activity
import android.app.Application
import android.app.NotificationManager
import android.os.Bundle
import android.util.Log
import kotlinx.coroutines.flow.MutableStateFlow
import kotlinx.coroutines.flow.StateFlow
import kotlinx.coroutines.flow.asStateFlow

/**
 * Lets an answer go on when the app leaves the screen: as a foreground service, because a process
 * without one may be ended at any moment.
 */
class AnswerKeeper(private val app: Application, private val session: () -> ChatSession) :
    Application.ActivityLifecycleCallbacks {
    private var visible = 0
    private val sight = MutableStateFlow(false)

    /** Whether the person sees the app. The service ends by itself when it becomes true. */
    val inSight: StateFlow<Boolean> = sight.asStateFlow()

    override fun onActivityStarted(activity: Activity) {
        visible++
        sight.value = true
        app.getSystemService(NotificationManager::class.java).cancel(AnswerNotifications.END_ID)
    }

    override fun onActivityStopped(activity: Activity) {
        visible--
        if (visible > 0 || activity.isChangingConfigurations) return
        sight.value = false
        if (session().state.value.isBusy) startService()
    }

    private fun startService() {
        try {
            app.startForegroundService(AnswerService.intent(app))
        } catch (refused: IllegalStateException) {
            // The answer goes on all the same, for as long as Android keeps the process.
            Log.w("AnswerKeeper", "no foreground service: ${refused.message}")
        }
    }

    override fun onActivityCreated(activity: Activity, savedInstanceState: Bundle?) = Unit

    override fun onActivityResumed(activity: Activity) = Unit

    override fun onActivityPaused(activity: Activity) = Unit

    override fun onActivitySaveInstanceState(activity: Activity, outState: Bundle) = Unit

    override fun onActivityDestroyed(activity: Activity) = Unit
}
