package io.shakti.demo.chat

import android.app.Notification
import android.app.NotificationChannel
import android.app.NotificationManager
import android.app.PendingIntent
import android.content.Context
import android.content.Intent
import android.graphics.drawable.Icon
import io.shakti.demo.MainActivity
import io.shakti.demo.R

/**
 * What the notification says about an answer; never a word of the chat, which others could read.
 */
class AnswerNotifications(private val context: Context) {
    init {
        val name = context.getString(R.string.channel_answers)
        val channel = NotificationChannel(CHANNEL, name, NotificationManager.IMPORTANCE_LOW)
        channel.description = context.getString(R.string.channel_answers_text)
        context.getSystemService(NotificationManager::class.java).createNotificationChannel(channel)
    }

    fun progress(state: ChatState): Notification {
        val builder = base(words(state)).setOngoing(true).setOnlyAlertOnce(true)
        when (state) {
            is ChatState.Prefilling -> builder.setProgress(state.total, state.done, false)
            else -> builder.setProgress(0, 0, true)
        }
        val icon = Icon.createWithResource(context, R.drawable.ic_stop)
        val stop = context.getString(R.string.stop)
        return builder.addAction(Notification.Action.Builder(icon, stop, stopIntent()).build()).build()
    }

    private fun words(state: ChatState): String {
        val tokens = state.facts.stats?.answerTokens
        return if (state is ChatState.Answering && tokens != null) {
            context.resources.getQuantityString(R.plurals.notify_answering, tokens, tokens)
        } else {
            context.getString(R.string.notify_reading)
        }
    }

    /** The answer is there, or it failed. */
    fun end(state: ChatState): Notification {
        val failed = state is ChatState.Failed
        val words = context.getString(if (failed) R.string.notify_failed else R.string.notify_done)
        return base(words).setAutoCancel(true).build()
    }

    private fun base(words: String) = Notification.Builder(context, CHANNEL)
        .setSmallIcon(R.drawable.ic_spark)
        .setColor(context.getColor(R.color.primary))
        .setContentTitle(words)
        .setContentIntent(openIntent())

    private fun openIntent(): PendingIntent {
        val intent = Intent(context, MainActivity::class.java)
            .setAction(Intent.ACTION_MAIN)
            .addCategory(Intent.CATEGORY_LAUNCHER)
        return PendingIntent.getActivity(context, 0, intent, PendingIntent.FLAG_IMMUTABLE)
    }

    private fun stopIntent(): PendingIntent {
        val intent = AnswerService.intent(context).setAction(AnswerService.ACTION_STOP)
        return PendingIntent.getService(context, 0, intent, PendingIntent.FLAG_IMMUTABLE)
    }

    companion object {
        const val CHANNEL = "answers"
        const val PROGRESS_ID = 1
        const val END_ID = 2
    }
}
