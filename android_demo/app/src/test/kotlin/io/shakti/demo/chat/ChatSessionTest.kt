package io.shakti.demo.chat

import io.shakti.demo.FailureKind
import io.shakti.demo.engine.Finish
import io.shakti.demo.engine.Role
import io.shakti.demo.engine.Turn
import io.shakti.demo.fakes.FakeBundleStore
import io.shakti.demo.fakes.MemoryChats
import io.shakti.demo.fakes.MemorySettings
import io.shakti.demo.fakes.Reply
import io.shakti.demo.fakes.ScriptedEngine
import io.shakti.demo.fakes.Step
import io.shakti.demo.fakes.TinyBundle
import io.shakti.demo.settings.Settings
import kotlinx.coroutines.ExperimentalCoroutinesApi
import kotlinx.coroutines.test.runCurrent
import kotlinx.coroutines.test.runTest
import org.junit.Assert.assertEquals
import org.junit.Assert.assertFalse
import org.junit.Assert.assertNotEquals
import org.junit.Assert.assertNull
import org.junit.Assert.assertTrue
import org.junit.Test

@OptIn(ExperimentalCoroutinesApi::class)
class ChatSessionTest {
    @Test
    fun without_a_bundle_there_is_no_model_until_one_comes() = runTest {
        val bed = ChatBed(this, bundles = FakeBundleStore())
        assertTrue(bed.state is ChatState.NoModel)
        bed.bundles.add(FakeBundleStore.ready("new-model"))
        bed.session.lookForModel()
        assertEquals("new-model", (bed.state as ChatState.Ready).facts.model?.name)
    }

    @Test
    fun first_question_passes_through_loading_reading_answering_to_ready() = runTest {
        val seen = mutableListOf<String>()
        lateinit var bed: ChatBed
        val engine = ScriptedEngine({ seen += bed.state.javaClass.simpleName }, chunk = 2)
        engine.reply("one two three")
        bed = ChatBed(this, engine)
        assertEquals(0, engine.sessions.size)
        bed.ask("hello there my friend")
        val order = listOf("LoadingModel", "Prefilling", "Answering")
        assertEquals(order, seen.distinct())
        assertTrue(bed.state is ChatState.Ready)
        assertEquals(listOf("hello there my friend", "one two three"), bed.said)
        assertEquals(Ending.WHOLE, bed.conversation.ending)
        val facts = bed.state.facts
        assertEquals(256, facts.model?.contextTokens)
        assertTrue(facts.model!!.usedTokens >= 3)
        assertEquals(3, facts.stats?.answerTokens)
        assertEquals(ChatBed.MEMORY, facts.memoryBytes)
    }

    @Test
    fun second_question_takes_the_open_model_and_hands_the_whole_chat_over() = runTest {
        val bed = ChatBed(this)
        bed.engine.reply("first")
        bed.ask("a")
        bed.ask("b")
        assertEquals(1, bed.engine.sessions.size)
        assertEquals(listOf("a", "first", "b"), bed.engine.asked.last().turns.map { it.text })
    }

    @Test
    fun stop_while_reading_ends_before_the_first_word() = runTest {
        lateinit var bed: ChatBed
        val engine = ScriptedEngine({ if (it is Step.Prefill) bed.session.stop() }, chunk = 2)
        bed = ChatBed(this, engine)
        bed.ask("a long question of many words indeed")
        assertTrue(bed.state is ChatState.Ready)
        assertEquals(Ending.STOPPED, bed.conversation.ending)
        assertEquals("", bed.lastAnswer)
    }

    @Test
    fun stop_while_the_model_loads_never_asks_it() = runTest {
        lateinit var bed: ChatBed
        val engine = ScriptedEngine({ if (it is Step.Open) bed.session.stop() })
        bed = ChatBed(this, engine)
        bed.ask("a")
        assertEquals(Ending.STOPPED, bed.conversation.ending)
        assertEquals(0, engine.asked.size)
    }

    @Test
    fun stop_while_answering_keeps_what_was_said() = runTest {
        lateinit var bed: ChatBed
        val engine = ScriptedEngine({ if (it is Step.Piece && it.index == 2) bed.session.stop() })
        engine.reply("one two three four")
        bed = ChatBed(this, engine)
        bed.ask("count")
        assertEquals("one two", bed.lastAnswer)
        assertEquals(Ending.STOPPED, bed.conversation.ending)
    }

    @Test
    fun a_stopped_question_without_answer_is_not_told_to_the_model_again() = runTest {
        lateinit var bed: ChatBed
        var stops = true
        val engine = ScriptedEngine({ if (stops && it is Step.Prefill) bed.session.stop() })
        bed = ChatBed(this, engine)
        bed.ask("never mind")
        stops = false
        bed.ask("better")
        assertEquals(listOf("better"), engine.asked.last().turns.map { it.text })
        assertEquals(listOf("never mind", ""), bed.said.take(2))
    }

    @Test
    fun retry_asks_the_same_again_and_replaces_the_answer() = runTest {
        val bed = ChatBed(this)
        bed.engine.reply("wrong")
        bed.ask("a")
        bed.engine.reply("right")
        bed.session.retry()
        runCurrent()
        assertEquals(listOf("a", "right"), bed.said)
        assertEquals(listOf(Turn(Role.USER, "a")), bed.engine.asked.last().turns)
    }

    @Test
    fun an_edited_question_cuts_what_followed() = runTest {
        val bed = ChatBed(this)
        bed.engine.reply(*listOf("1", "2", "3").map { Reply.words(it) }.toTypedArray())
        bed.ask("a")
        bed.ask("b")
        bed.ask("B", replacing = 2)
        assertEquals(listOf("a", "1", "B", "3"), bed.said)
    }

    @Test
    fun every_failure_of_opening_is_told_and_the_question_can_be_asked_again() = runTest {
        for (kind in FailureKind.entries) {
            val bed = ChatBed(this)
            bed.engine.failOpen(kind)
            bed.ask("a")
            assertEquals(kind, (bed.state as ChatState.Failed).failure.kind)
            bed.session.retry()
            runCurrent()
            assertEquals("You said: a", bed.lastAnswer)
        }
    }

    @Test
    fun every_failure_within_an_answer_keeps_what_was_said_and_retry_works() = runTest {
        for (kind in FailureKind.entries) {
            val bed = ChatBed(this)
            bed.engine.reply(Reply.failing(kind, after = listOf("so", " far")))
            bed.ask("a")
            assertEquals(kind, (bed.state as ChatState.Failed).failure.kind)
            assertEquals("so far", bed.lastAnswer)
            assertEquals(Ending.CUT_SHORT, bed.conversation.ending)
            bed.session.retry()
            runCurrent()
            assertEquals(kind.name, listOf("a", "You said: a"), bed.said)
        }
    }

    @Test
    fun a_session_that_broke_is_closed_and_another_opened() = runTest {
        val bed = ChatBed(this)
        bed.engine.reply(Reply.failing(FailureKind.OUT_OF_MEMORY))
        bed.ask("a")
        assertEquals(0, bed.engine.openSessions)
        assertFalse(bed.state.facts.model!!.isLoaded)
        bed.ask("b")
        assertEquals("You said: b", bed.lastAnswer)
        assertEquals(2, bed.engine.sessions.size)
    }

    @Test
    fun what_nobody_foresaw_in_the_engine_is_a_failure_of_the_runtime() = runTest {
        val bed = ChatBed(this)
        bed.engine.beforeStep = { error("a bug") }
        bed.ask("a")
        val failure = (bed.state as ChatState.Failed).failure
        assertEquals(FailureKind.RUNTIME_FAILED, failure.kind)
        assertEquals("java.lang.IllegalStateException: a bug", failure.message)
        bed.engine.beforeStep = {}
        bed.session.retry()
        runCurrent()
        assertEquals(listOf("a", "You said: a"), bed.said)
    }

    @Test
    fun finish_of_the_engine_is_the_ending() = runTest {
        val expected = mapOf(
            Finish.END to Ending.WHOLE,
            Finish.STOPPED to Ending.STOPPED,
            Finish.MAX_TOKENS to Ending.LONGEST,
            Finish.CONTEXT_FULL to Ending.CONTEXT_FULL,
        )
        for ((finish, ending) in expected) {
            val bed = ChatBed(this)
            bed.engine.reply(Reply(listOf("x"), finish))
            bed.ask("a")
            assertEquals(ending, bed.conversation.ending)
        }
    }

    @Test
    fun oldest_turns_that_do_not_fit_are_counted() = runTest {
        val small = FakeBundleStore.ready(tiny = TinyBundle(contextLength = 20))
        val bed = ChatBed(this, bundles = FakeBundleStore(small))
        bed.ask("w w w w w w")
        assertEquals(0, bed.state.facts.droppedTurns)
        bed.ask("w w w w w w")
        assertEquals(2, bed.state.facts.droppedTurns)
        bed.session.newChat()
        runCurrent()
        assertEquals(0, bed.state.facts.droppedTurns)
    }

    @Test
    fun settings_reach_the_engine() = runTest {
        val settings = Settings("Be brief", 0.3f, maxTokens = 9, contextTokens = 99, threads = 2)
        val bed = ChatBed(this, settings = MemorySettings(settings))
        bed.ask("a")
        val options = bed.engine.asked.single().options
        assertEquals("Be brief", options.system)
        assertEquals(0.3f, options.temperature)
        assertEquals(9, options.maxTokens)
        assertEquals(99, options.contextTokens)
        assertEquals(2, bed.engine.sessions.single().threads)
    }

    @Test
    fun another_bundle_is_opened_in_place_of_the_first() = runTest {
        val first = FakeBundleStore.ready("first")
        val second = FakeBundleStore.ready("second")
        val bed = ChatBed(this, bundles = FakeBundleStore(first, second))
        bed.ask("a")
        bed.settings.update { it.copy(bundleFolder = second.folder.path) }
        runCurrent()
        assertEquals("second", bed.state.facts.model?.name)
        bed.ask("b")
        assertEquals(listOf("first", "second"), bed.engine.sessions.map { it.bundle.manifest.name })
        assertEquals(1, bed.engine.openSessions)
    }

    @Test
    fun a_broken_bundle_is_told_at_once() = runTest {
        val broken = FakeBundleStore.broken("old", FailureKind.BUNDLE_NEWER)
        val settings = MemorySettings(Settings(bundleFolder = broken.folder.path))
        val bed = ChatBed(this, bundles = FakeBundleStore(broken), settings = settings)
        assertEquals(FailureKind.BUNDLE_NEWER, (bed.state as ChatState.BrokenModel).failure.kind)
    }

    @Test
    fun low_memory_closes_an_idle_model_and_the_next_question_opens_it() = runTest {
        val bed = ChatBed(this)
        bed.ask("a")
        bed.session.trimMemory()
        runCurrent()
        assertEquals(0, bed.engine.openSessions)
        assertEquals(ModelFacts.Loading.PUT_AWAY, bed.state.facts.model?.loading)
        bed.ask("b")
        assertTrue(bed.state.facts.model!!.isLoaded)
    }

    @Test
    fun low_memory_leaves_an_answer_alone() = runTest {
        lateinit var bed: ChatBed
        val engine = ScriptedEngine({ if (it is Step.Piece) bed.session.trimMemory() })
        engine.reply("one two")
        bed = ChatBed(this, engine)
        bed.ask("a")
        assertEquals("one two", bed.lastAnswer)
    }

    @Test
    fun new_chat_while_answering_stops_and_keeps_the_old_one() = runTest {
        lateinit var bed: ChatBed
        val engine = ScriptedEngine({ if (it is Step.Piece && it.index == 1) bed.session.newChat() })
        engine.reply("one two three")
        bed = ChatBed(this, engine)
        val first = bed.conversation.id
        bed.session.ask("a")
        runCurrent()
        assertNotEquals(first, bed.conversation.id)
        assertEquals(emptyList<Turn>(), bed.conversation.turns)
        assertEquals(first, bed.chats.list().single().id)
    }

    @Test
    fun storage_full_does_not_stop_the_answer_and_is_told() = runTest {
        val chats = MemoryChats().apply { isFull = true }
        val bed = ChatBed(this, chats = chats)
        bed.ask("a")
        assertEquals("You said: a", bed.lastAnswer)
        assertEquals(FailureKind.STORAGE_FULL, bed.state.facts.unsaved?.kind)
        chats.isFull = false
        bed.ask("b")
        assertNull(bed.state.facts.unsaved)
    }

    @Test
    fun a_deleted_chat_that_is_open_gives_way_to_a_new_one() = runTest {
        val bed = ChatBed(this)
        bed.ask("a")
        val id = bed.conversation.id
        val deleted = bed.session.delete(id)
        assertEquals("a", deleted?.title)
        assertNotEquals(id, bed.conversation.id)
        assertEquals(emptyList<ChatSummary>(), bed.chats.list())
    }

    @Test
    fun release_closes_the_model() = runTest {
        val bed = ChatBed(this)
        bed.ask("a")
        bed.session.release()
        assertEquals(0, bed.engine.openSessions)
        assertEquals(ModelFacts.Loading.NOT_YET, bed.state.facts.model?.loading)
    }
}
