package io.shakti.demo

import android.app.Notification
import android.app.NotificationManager
import android.content.Intent
import io.shakti.demo.chat.AnswerNotifications
import io.shakti.demo.chat.AnswerService
import io.shakti.demo.chat.Ending
import org.junit.Assert.assertEquals
import org.junit.Assert.assertFalse
import org.junit.Assert.assertNull
import org.junit.Assert.assertTrue
import org.junit.Test
import org.robolectric.Robolectric
import org.robolectric.Shadows.shadowOf
import org.robolectric.android.controller.ServiceController

/** An answer that goes on while the app is out of sight. */
class AnswerServiceTest : AppTestBase() {
    private lateinit var service: ServiceController<AnswerService>
    private val manager get() = shadowOf(app.getSystemService(NotificationManager::class.java))

    private fun answerAndLeave() {
        engine.reply("one two three")
        start()
        ask("count")
        gate.allow(3)
        untilShown("one")
        controller.pause().stop()
        val intent = shadowOf(app).nextStartedService
        assertEquals(AnswerService::class.java.name, intent.component?.className)
        service = Robolectric.buildService(AnswerService::class.java, intent).create().startCommand(0, 1)
        idle()
    }

    private fun title(notification: Notification?) =
        notification?.extras?.getCharSequence(Notification.EXTRA_TITLE)?.toString()

    @Test
    fun leaving_during_an_answer_shows_its_progress_and_then_that_it_is_there() {
        answerAndLeave()
        val shown = shadowOf(service.get()).lastForegroundNotification
        assertEquals("Writing the answer: 1 token so far", title(shown))
        gate.open()
        until("the end") { shadowOf(service.get()).isStoppedBySelf }
        assertEquals("Your answer is there", title(manager.getNotification(AnswerNotifications.END_ID)))
        assertEquals("one two three", state.facts.conversation.turns.last().text)
    }

    @Test
    fun stop_in_the_notification_ends_the_answer() {
        answerAndLeave()
        val stop = shadowOf(service.get()).lastForegroundNotification.actions.single()
        assertEquals("Stop", stop.title)
        stop.actionIntent.send()
        val intent: Intent = shadowOf(app).nextStartedService
        assertEquals(AnswerService.ACTION_STOP, intent.action)
        service.withIntent(intent).startCommand(0, 2)
        gate.open()
        until("the end") { !state.isBusy }
        assertEquals(Ending.STOPPED, state.facts.conversation.ending)
        assertEquals("one", state.facts.conversation.turns.last().text)
    }

    @Test
    fun coming_back_ends_the_service_and_not_the_answer() {
        answerAndLeave()
        controller.start().resume()
        until("the service's end") { shadowOf(service.get()).isStoppedBySelf }
        assertTrue(state.isBusy)
        assertNull(manager.getNotification(AnswerNotifications.END_ID))
        gate.open()
        untilShown("one two three")
    }

    @Test
    fun leaving_without_an_answer_under_way_starts_no_service() {
        start()
        controller.pause().stop()
        assertNull(shadowOf(app).nextStartedService)
    }

    @Test
    fun rotating_during_an_answer_starts_no_service() {
        start()
        ask("count")
        gate.allow(1)
        until("busy") { state.isBusy }
        controller.recreate()
        assertNull(shadowOf(app).nextStartedService)
    }

    @Test
    fun notification_holds_no_word_of_the_chat() {
        answerAndLeave()
        val extras = shadowOf(service.get()).lastForegroundNotification.extras
        val words = extras.keySet().mapNotNull { extras.getCharSequence(it)?.toString() }
        assertFalse(words.any { "count" in it || it == "one" })
    }
}
