package io.shakti.demo

import android.content.ClipboardManager
import android.content.Intent
import android.os.Bundle
import android.widget.EditText
import io.shakti.demo.bundle.StoredBundle
import io.shakti.demo.chat.ChatState
import io.shakti.demo.chat.Ending
import io.shakti.demo.fakes.FakeBundleStore
import io.shakti.demo.fakes.MemoryChats
import io.shakti.demo.fakes.Reply
import io.shakti.demo.fakes.ScriptedEngine
import io.shakti.demo.fakes.Step
import io.shakti.demo.fakes.TestGraph
import org.junit.Assert.assertEquals
import org.junit.Assert.assertTrue
import org.junit.Test

class ChatAppTest : AppTestBase() {
    @Test
    fun question_typed_and_sent_is_answered_on_the_screen() {
        gate.open()
        engine.reply("one two three")
        start()
        ask("count to three")
        untilShown("one two three")
        assertEquals("tiny-1m-q4 · on this phone", screen.textsShown()[1])
        val figures = screen.textsShown().single { "tokens/s" in it }
        assertTrue(figures, figures.startsWith("50.0 tokens/s · 0.08 s to first word"))
    }

    @Test
    fun stop_button_ends_the_reading() {
        start()
        ask("one two three four five six seven")
        gate.allow(2)
        until("second chunk") { (gate.waiting as? Step.Prefill)?.done == 8 }
        untilShown("Reading")
        tap("Stop")
        gate.open()
        untilShown("Stopped before the first word.")
        assertEquals(Ending.STOPPED, state.facts.conversation.ending)
    }

    @Test
    fun copy_puts_the_answer_on_the_clipboard() {
        gate.open()
        engine.reply("**bold** words")
        start()
        ask("a")
        untilShown("bold words")
        until("the end") { !state.isBusy }
        idle()
        tap("Copy")
        val clipboard = app.getSystemService(ClipboardManager::class.java)
        assertEquals("**bold** words", clipboard.primaryClip!!.getItemAt(0).text.toString())
    }

    @Test
    fun answer_goes_on_over_a_rotation_and_the_draft_stays() {
        engine.reply("one two three")
        start()
        ask("count")
        gate.allow(3)
        untilShown("one")
        type("and then")
        controller.recreate()
        idle()
        untilShown("one")
        assertEquals("and then", screen.shown().filterIsInstance<EditText>().single().text.toString())
        gate.open()
        untilShown("one two three")
        assertEquals(1, engine.asked.size)
    }

    @Test
    fun what_was_said_is_there_after_the_process_was_ended() {
        val chats = MemoryChats()
        engine.reply("one two three")
        start(graph = TestGraph(engine, chats = chats))
        ask("count")
        gate.allow(4)
        untilShown("one two")
        until("a part kept") { chats.saves.any { it.turns.size == 2 } }
        val saved = Bundle()
        controller.pause().stop().saveInstanceState(saved)
        app.die(TestGraph(ScriptedEngine(), chats = chats))
        start(saved, graph = app.next)
        untilShown("This answer was cut short.")
        assertEquals(listOf("count"), state.facts.conversation.turns.take(1).map { it.text })
        tap("Try again")
        untilShown("You said: count")
    }

    @Test
    fun every_failure_is_shown_as_its_sentence_and_retry_answers() {
        gate.open()
        start()
        for (kind in FailureKind.entries) {
            engine.reply(Reply.failing(kind))
            ask("about $kind")
            until("$kind") { (state as? ChatState.Failed)?.failure?.kind == kind }
            untilShown("scripted: $kind")
            app.chat.retry()
            untilShown("You said: about $kind")
            until("ready") { state is ChatState.Ready }
            idle()
        }
    }

    @Test
    fun a_long_answer_offers_notifications_and_a_refusal_is_final() {
        engine.reply("one two three")
        start()
        ask("count")
        gate.allow(3)
        untilShown("one")
        idle(3_000)
        assertTrue(screen.textsShown().none { it == "Allow" })
        idle(6_000)
        untilShown("Allow")
        tap("Not now")
        idle(10_000)
        assertTrue(screen.textsShown().none { it == "Allow" })
    }

    @Test
    fun bundle_named_by_the_sdk_is_selected_and_chat_opens() {
        val pushed = FakeBundleStore.ready("pushed-model")
        val store = FakeBundleStore(FakeBundleStore.ready(), pushed)
        val intent = Intent().putExtra("bundle", pushed.folder.path)
        start(intent = intent, graph = TestGraph(engine, store))
        untilShown("pushed-model")
        assertEquals(pushed.folder.path, app.graph.settings.settings.value.bundleFolder)
    }

    @Test
    fun bundle_named_while_the_app_runs_is_selected_too() {
        val broken: StoredBundle = FakeBundleStore.broken("old", FailureKind.BUNDLE_NEWER)
        start(graph = TestGraph(engine, FakeBundleStore(FakeBundleStore.ready(), broken)))
        controller.newIntent(Intent().putExtra("bundle", broken.folder.path))
        untilShown("newer version of the app")
    }

    @Test
    fun benchmark_extra_shows_a_still_screen_that_stays_on() {
        start(intent = Intent().putExtra("io.shakti.demo.BENCH", true))
        assertTrue("Benchmark running" in screen.textsShown())
        assertTrue(screen.shown().any { it.keepScreenOn })
    }

    @Test
    fun history_opens_and_back_leads_to_the_chat() {
        gate.open()
        start()
        ask("first question")
        untilShown("You said: first question")
        tap("Chats")
        untilShown("Chats")
        assertTrue(screen.textsShown().any { it == "first question" })
        @Suppress("DEPRECATION")
        controller.get().onBackPressed()
        untilShown("You said: first question")
        assertTrue(!controller.get().isFinishing)
    }

    @Test
    fun low_memory_in_the_background_is_told_on_return() {
        gate.open()
        start()
        ask("a")
        untilShown("You said: a")
        until("ready") { state is ChatState.Ready }
        controller.pause().stop()
        app.onTrimMemory(android.content.ComponentCallbacks2.TRIM_MEMORY_BACKGROUND)
        until("closed") { engine.openSessions == 0 }
        controller.start().resume()
        untilShown("the model was put away")
        ask("b")
        untilShown("You said: b")
        assertEquals(2, engine.sessions.size)
    }
}
