package io.shakti.demo.chat

import io.shakti.demo.engine.Role
import io.shakti.demo.engine.Turn
import io.shakti.demo.fakes.MemoryChats
import io.shakti.demo.fakes.Reply
import io.shakti.demo.fakes.ScriptedEngine
import io.shakti.demo.fakes.Step
import io.shakti.demo.fakes.TestGraph
import io.shakti.demo.ui.EngineUser
import java.util.concurrent.Executors
import java.util.concurrent.atomic.AtomicInteger
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.ExperimentalCoroutinesApi
import kotlinx.coroutines.asCoroutineDispatcher
import kotlinx.coroutines.cancel
import kotlinx.coroutines.flow.MutableStateFlow
import kotlinx.coroutines.flow.first
import kotlinx.coroutines.launch
import kotlinx.coroutines.runBlocking
import kotlinx.coroutines.test.TestScope
import kotlinx.coroutines.test.advanceTimeBy
import kotlinx.coroutines.test.runCurrent
import kotlinx.coroutines.test.runTest
import org.junit.Assert.assertEquals
import org.junit.Assert.assertFalse
import org.junit.Assert.assertNull
import org.junit.Assert.assertTrue
import org.junit.Test

@OptIn(ExperimentalCoroutinesApi::class)
class ChatViewModelTest {
    private val user = MutableStateFlow<EngineUser?>(null)

    private fun TestScope.model(bed: ChatBed, mayOffer: Boolean = false) =
        ChatViewModel(bed.session, bed.archive, backgroundScope, user) { mayOffer }
            .also { settle() }

    /** Past the period of drawing, so that the state is the latest. */
    private fun TestScope.settle() {
        advanceTimeBy(200)
        runCurrent()
    }

    @Test
    fun a_sent_draft_is_asked_and_the_field_is_empty() = runTest {
        val bed = ChatBed(this)
        val model = model(bed)
        model.type("  hello  ")
        settle()
        assertTrue(model.state.value.draft.canSend)
        model.send()
        settle()
        assertEquals(listOf("hello", "You said: hello"), bed.said)
        assertEquals(Draft(), model.state.value.draft)
        assertEquals(listOf("hello"), model.state.value.history.chats.map { it.title })
    }

    @Test
    fun blank_drafts_are_not_sent() = runTest {
        val bed = ChatBed(this)
        val model = model(bed)
        model.type(" \n ")
        model.send()
        settle()
        assertEquals(0, bed.engine.asked.size)
        assertEquals(" \n ", model.state.value.draft.text)
    }

    @Test
    fun an_edited_question_replaces_what_followed() = runTest {
        val bed = ChatBed(this)
        val model = model(bed)
        bed.ask("first")
        bed.ask("second")
        model.edit(0)
        settle()
        assertEquals(Draft("first", replaces = 0), model.state.value.draft)
        model.type("1st")
        model.send()
        settle()
        assertEquals(listOf("1st", "You said: 1st"), bed.said)
    }

    @Test
    fun leaving_an_edit_keeps_the_chat() = runTest {
        val bed = ChatBed(this)
        val model = model(bed)
        bed.ask("first")
        model.editLast()
        model.leaveEdit()
        settle()
        assertEquals(Draft(), model.state.value.draft)
        assertEquals(2, bed.said.size)
    }

    @Test
    fun each_chat_keeps_its_own_draft() = runTest {
        val bed = ChatBed(this)
        val model = model(bed)
        bed.ask("first")
        val first = bed.conversation.id
        model.type("half a thou")
        model.newChat()
        settle()
        assertEquals("", model.state.value.draft.text)
        model.open(first)
        settle()
        assertEquals("half a thou", model.state.value.draft.text)
    }

    @Test
    fun a_deleted_chat_can_be_brought_back() = runTest {
        val turns = listOf(Turn(Role.USER, "a"), Turn(Role.ASSISTANT, "b"))
        val chats = MemoryChats(StoredChat("old", 1, "m", turns))
        val bed = ChatBed(this, chats = chats)
        val model = model(bed)
        model.delete("old")
        settle()
        assertEquals(emptyList<ChatSummary>(), model.state.value.history.chats)
        assertEquals("a", model.state.value.history.deleted?.title)
        model.undoDelete()
        settle()
        assertEquals(turns, chats.load("old")?.turns)
        assertEquals(listOf("old"), model.state.value.history.chats.map { it.id })
        assertNull(model.state.value.history.deleted)
    }

    @Test
    fun while_another_has_the_engine_nothing_is_asked() = runTest {
        val bed = ChatBed(this)
        val model = model(bed)
        user.value = EngineUser.BENCHMARK
        model.type("hello")
        settle()
        model.send()
        settle()
        assertEquals(0, bed.engine.asked.size)
        assertFalse(model.state.value.canAsk)
        user.value = null
        settle()
        model.send()
        settle()
        assertEquals(1, bed.engine.asked.size)
    }

    @Test
    fun snapshot_brings_chat_draft_and_history_back_in_another_process() = runTest {
        val chats = MemoryChats()
        val bed = ChatBed(this, chats = chats)
        val model = model(bed)
        bed.ask("first")
        model.edit(0)
        model.showHistory(true)
        val snapshot = model.snapshot()
        val later = ChatBed(this, chats = chats)
        val restored = model(later)
        restored.restore(snapshot)
        settle()
        assertEquals(listOf("first", "You said: first"), later.said)
        assertEquals(Draft("first", replaces = 0), restored.state.value.draft)
        assertTrue(restored.state.value.history.isOpen)
    }

    @Test
    fun a_draft_in_a_chat_that_was_never_kept_survives() = runTest {
        val bed = ChatBed(this)
        val model = model(bed)
        model.type("hm")
        val later = ChatBed(this)
        val restored = model(later)
        restored.restore(model.snapshot())
        settle()
        assertEquals("hm", restored.state.value.draft.text)
    }

    /** In real time: 200 pieces within less than a second reach the screen in a few draws. */
    @Test
    fun many_pieces_become_few_draws_and_the_last_one_is_drawn() = runBlocking {
        val pieces = List(200) { "word " }
        val engine = ScriptedEngine({ if (it is Step.Piece) Thread.sleep(2) })
        engine.reply(Reply(pieces))
        val main = Executors.newSingleThreadExecutor().asCoroutineDispatcher()
        val scope = CoroutineScope(main)
        val graph = TestGraph(engine)
        graph.settings.update { it.copy(maxTokens = 500) }
        val archive = ChatArchive(graph)
        val session = ChatSession(graph, scope, archive, { null })
        session.state.first { it.facts.model != null }
        val model = ChatViewModel(session, archive, scope, user) { false }
        val draws = AtomicInteger()
        val drawing = scope.launch { model.state.collect { draws.incrementAndGet() } }
        val begun = System.nanoTime()
        session.ask("go")
        model.state.first { it.chat.facts.conversation.turns.size == 2 }
        val elapsedMs = (System.nanoTime() - begun) / 1_000_000
        assertEquals(pieces.joinToString(""), model.state.value.chat.facts.conversation.turns[1].text)
        assertTrue("$draws draws in $elapsedMs ms", draws.get() <= elapsedMs / 50 + 8)
        drawing.cancel()
        scope.cancel()
        main.close()
    }
}
