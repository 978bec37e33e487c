package io.shakti.demo.ui.chat

import android.app.Activity
import android.os.Looper
import android.view.View
import android.view.WindowInsets
import android.widget.TextView
import io.shakti.demo.FailureKind
import io.shakti.demo.R
import io.shakti.demo.called
import io.shakti.demo.chat.ChatScreenState
import io.shakti.demo.chat.ChatState
import io.shakti.demo.fakes.TestApp
import io.shakti.demo.shown
import io.shakti.demo.textsShown
import io.shakti.demo.ui.accessibilityProblems
import io.shakti.demo.ui.inShell
import io.shakti.demo.ui.shell.NavBar
import io.shakti.demo.ui.shell.Place
import io.shakti.demo.ui.text
import org.junit.Assert.assertEquals
import org.junit.Assert.assertFalse
import org.junit.Assert.assertTrue
import org.junit.Test
import org.junit.runner.RunWith
import org.robolectric.Robolectric
import org.robolectric.RobolectricTestRunner
import org.robolectric.RuntimeEnvironment
import org.robolectric.Shadows.shadowOf
import org.robolectric.annotation.Config

@RunWith(RobolectricTestRunner::class)
@Config(application = TestApp::class)
class ChatViewTest {
    private val actions = RecordedActions()
    private lateinit var activity: Activity
    private lateinit var chat: ChatView

    private fun draw(state: ChatScreenState, qualifiers: String = PHONE, fontScale: Float = 1f): View {
        RuntimeEnvironment.setQualifiers(qualifiers)
        RuntimeEnvironment.setFontScale(fontScale)
        val controller = Robolectric.buildActivity(Activity::class.java).create()
        activity = controller.get()
        chat = ChatView(activity, actions)
        chat.render(state)
        activity.setContentView(inShell(activity, Place.CHAT, chat))
        controller.start().resume().visible()
        shadowOf(Looper.getMainLooper()).idle()
        return activity.window.decorView
    }

    private fun checkAll(qualifiers: String, fontScale: Float) {
        val problems = ChatStates.ALL.flatMap { (name, state) ->
            accessibilityProblems(draw(state, qualifiers, fontScale)).map { "$name: $it" }
        }
        assertEquals("", problems.distinct().joinToString("\n"))
    }

    @Test
    fun every_state_can_be_read_and_touched() = checkAll(PHONE, 1f)

    @Test
    fun every_state_can_be_read_and_touched_with_text_twice_as_large() = checkAll(PHONE, 2f)

    @Test
    fun every_state_can_be_read_and_touched_on_a_small_phone_with_large_text() =
        checkAll("w320dp-h569dp-port-hdpi", 1.6f)

    @Test
    fun every_kind_of_failure_shows_its_sentence_and_its_ways() {
        for (kind in FailureKind.entries) {
            val screen = draw(ChatStates.failed(kind))
            assertTrue(activity.getString(kind.text.sentence) in screen.textsShown())
            for (way in kind.text.ways) {
                screen.called(activity.getString(way.words)).performClick()
                assertEquals("go $way", actions.done.last())
            }
        }
    }

    @Test
    fun question_offers_edit_and_copy_to_talkback() {
        val screen = draw(ChatStates.ALL.getValue("ready"))
        val bubble = screen.shown().first { it.contentDescription?.startsWith("You asked") == true }
        val offered = bubble.createAccessibilityNodeInfo().actionList.mapNotNull { it.label }
        assertTrue("$offered", offered.containsAll(listOf("Edit", "Copy")))
        assertTrue(bubble.performAccessibilityAction(R.id.action_edit, null))
        assertEquals("edit 0", actions.done.last())
    }

    @Test
    fun last_answer_offers_copy_and_retry_to_talkback() {
        val screen = draw(ChatStates.ALL.getValue("ready"))
        val answer = screen.shown().filterIsInstance<TextView>().first { "Sunlight" in it.text }
        val offered = answer.createAccessibilityNodeInfo().actionList.mapNotNull { it.label }
        assertTrue("$offered", offered.containsAll(listOf("Copy", "Answer again")))
        assertTrue(answer.performAccessibilityAction(R.id.action_retry, null))
        assertEquals("retry", actions.done.last())
    }

    @Test
    fun title_is_a_heading() {
        val title = draw(ChatStates.ALL.getValue("start")).called("Chat")
        val heading = activity.window.decorView.shown().filterIsInstance<TextView>()
            .first { it.isAccessibilityHeading }
        assertEquals("Chat", heading.text.toString())
        assertTrue(title.isShown)
    }

    @Test
    fun streamed_answer_is_announced_by_sentences_not_by_tokens() {
        val answering = ChatStates.ALL.getValue("answering")
        val screen = draw(answering)
        val live = screen.shown().single {
            it !is TextView && it.accessibilityLiveRegion == View.ACCESSIBILITY_LIVE_REGION_POLITE &&
                it.height <= 1
        }
        val announced = mutableListOf<String>()
        val state = answering.chat as ChatState.Answering
        for (length in 1..state.text.length) {
            chat.render(answering.copy(chat = state.copy(text = state.text.take(length))))
            val words = live.contentDescription?.toString().orEmpty()
            if (announced.lastOrNull() != words) announced += words
        }
        assertTrue("$announced", announced.size <= 3)
    }

    @Test
    fun scrolled_up_reader_is_left_alone_until_asking_for_the_end() {
        val ready = ChatStates.ALL.getValue("ready")
        val screen = draw(ready, "w320dp-h480dp-port-mdpi")
        val scroll = screen.shown().filterIsInstance<FollowingScroll>().single()
        assertTrue(scroll.isFollowing && scroll.scrollY > 0)
        scroll.scrollTo(0, 0)
        val facts = ready.chat.facts
        val answering = ChatState.Answering(facts, "word ".repeat(200))
        chat.render(ready.copy(chat = answering))
        shadowOf(Looper.getMainLooper()).idle()
        assertEquals(0, scroll.scrollY)
        screen.called("To the end of the chat").performClick()
        assertTrue(scroll.isFollowing && scroll.scrollY > 0)
    }

    @Test
    fun keyboard_takes_the_place_of_the_bar() {
        val screen = draw(ChatStates.ALL.getValue("ready"))
        val nav = screen.shown().first { it is NavBar }
        val insets = WindowInsets.Builder()
            .setInsets(WindowInsets.Type.systemBars(), android.graphics.Insets.of(0, 60, 0, 40))
            .setInsets(WindowInsets.Type.ime(), android.graphics.Insets.of(0, 0, 0, 700))
            .build()
        (nav.parent as View).dispatchApplyWindowInsets(insets)
        shadowOf(Looper.getMainLooper()).idle()
        assertFalse(nav.isShown)
        val place = IntArray(2)
        screen.called("Send").getLocationInWindow(place)
        assertTrue("${place[1]}", place[1] + screen.called("Send").height <= screen.height - 700)
        assertTrue(screen.called("Chats").let { it.getLocationInWindow(place); place[1] >= 60 })
    }

    @Test
    fun question_stands_at_the_end_of_the_line_in_both_directions() {
        for ((qualifier, atRight) in listOf("en-ldltr-$PHONE" to true, "ar-ldrtl-$PHONE" to false)) {
            val screen = draw(ChatStates.ALL.getValue("stopped"), qualifier)
            val bubble = screen.shown().first { it.contentDescription?.contains("sky blue") == true }
            val place = IntArray(2).also(bubble::getLocationInWindow)
            val right = screen.width - place[0] - bubble.width
            assertEquals(qualifier, atRight, right < place[0])
        }
    }

    private companion object {
        const val PHONE = "w411dp-h891dp-port-hdpi"
    }
}
