package io.shakti.demo.chat

import android.app.Notification
import android.app.NotificationManager
import android.app.Service
import android.content.Context
import android.content.Intent
import android.content.pm.ServiceInfo
import android.os.Build
import android.os.IBinder
import io.shakti.demo.ShaktiApp
import kotlinx.coroutines.Job
import kotlinx.coroutines.MainScope
import kotlinx.coroutines.cancel
import kotlinx.coroutines.flow.combine
import kotlinx.coroutines.flow.takeWhile
import kotlinx.coroutines.launch

/** Keeps the process running, with a notification, while an answer is written out of sight. */
class AnswerService : Service() {
    private val scope = MainScope()
    private val app get() = application as ShaktiApp
    private val session get() = app.chat
    private var following: Job? = null
    private lateinit var notifications: AnswerNotifications

    override fun onCreate() {
        super.onCreate()
        notifications = AnswerNotifications(this)
    }

    override fun onBind(intent: Intent?): IBinder? = null

    override fun onStartCommand(intent: Intent?, flags: Int, startId: Int): Int {
        if (intent?.action == ACTION_STOP) session.stop()
        follow()
        return START_NOT_STICKY
    }

    private fun follow() {
        goForeground(notifications.progress(session.state.value))
        if (following == null) following = scope.launch { untilDone() }
    }

    /** Ends with the answer, or when the person is back and sees it on the screen. */
    private suspend fun untilDone() {
        val manager = getSystemService(NotificationManager::class.java)
        combine(session.state.atMostEvery(UPDATE_EVERY_MS), app.keeper.inSight, ::Pair)
            .takeWhile { (state, inSight) -> state.isBusy && !inSight }
            .collect { (state, _) ->
                manager.notify(AnswerNotifications.PROGRESS_ID, notifications.progress(state))
            }
        if (!app.keeper.inSight.value) {
            manager.notify(AnswerNotifications.END_ID, notifications.end(session.state.value))
        }
        stopSelf()
    }

    private fun goForeground(notification: Notification) {
        if (Build.VERSION.SDK_INT >= Build.VERSION_CODES.UPSIDE_DOWN_CAKE) {
            val type = ServiceInfo.FOREGROUND_SERVICE_TYPE_SPECIAL_USE
            startForeground(AnswerNotifications.PROGRESS_ID, notification, type)
        } else {
            startForeground(AnswerNotifications.PROGRESS_ID, notification)
        }
    }

    override fun onDestroy() {
        scope.cancel()
        super.onDestroy()
    }

    companion object {
        const val ACTION_STOP = "io.shakti.demo.STOP_ANSWER"
        private const val UPDATE_EVERY_MS = 1000L

        fun intent(context: Context) = Intent(context, AnswerService::class.java)
    }
}
