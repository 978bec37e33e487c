package io.shakti.demo.chat

import io.shakti.demo.engine.Role
import io.shakti.demo.engine.Turn
import io.shakti.demo.fakes.MemoryChats
import io.shakti.demo.fakes.ScriptedEngine
import io.shakti.demo.fakes.Step
import kotlinx.coroutines.ExperimentalCoroutinesApi
import kotlinx.coroutines.test.runCurrent
import kotlinx.coroutines.test.runTest
import org.junit.Assert.assertEquals
import org.junit.Assert.assertFalse
import org.junit.Assert.assertTrue
import org.junit.Test

/** What of a chat is on the disk at which moment. */
@OptIn(ExperimentalCoroutinesApi::class)
class ChatKeepingTest {
    @Test
    fun a_question_is_kept_before_its_answer_begins() = runTest {
        lateinit var bed: ChatBed
        var kept: StoredChat? = null
        val engine = ScriptedEngine({ if (it is Step.Open) kept = bed.chats.saves.lastOrNull() })
        bed = ChatBed(this, engine)
        bed.ask("a")
        assertEquals(listOf(Turn(Role.USER, "a")), kept?.turns)
        assertTrue(kept!!.cutShort)
    }

    @Test
    fun the_whole_answer_is_kept_at_its_end() = runTest {
        val bed = ChatBed(this)
        bed.ask("a")
        val kept = bed.chats.load(bed.conversation.id)!!
        assertEquals(bed.conversation.turns, kept.turns)
        assertFalse(kept.cutShort)
        assertEquals("tiny-1m-q4", kept.bundleName)
    }

    @Test
    fun a_chat_whose_process_ended_before_the_first_word_comes_back_cut_short() = runTest {
        val chat = StoredChat("id", 1, "m", listOf(Turn(Role.USER, "a")), cutShort = true)
        val bed = ChatBed(this, chats = MemoryChats(chat))
        bed.session.open("id")
        runCurrent()
        assertEquals(Ending.CUT_SHORT, bed.conversation.ending)
        assertEquals(listOf("a", ""), bed.said)
        bed.session.retry()
        runCurrent()
        assertEquals(listOf("a", "You said: a"), bed.said)
    }

    @Test
    fun a_chat_whose_process_ended_within_the_answer_comes_back_with_what_was_said() = runTest {
        val turns = listOf(Turn(Role.USER, "a"), Turn(Role.ASSISTANT, "so far"))
        val bed = ChatBed(this, chats = MemoryChats(StoredChat("id", 1, "m", turns, cutShort = true)))
        bed.session.open("id")
        runCurrent()
        assertEquals(Ending.CUT_SHORT, bed.conversation.ending)
        bed.ask("go on")
        assertEquals(listOf("a", "so far", "go on"), bed.engine.asked.last().turns.map { it.text })
    }

    @Test
    fun a_chat_that_is_not_kept_opens_empty_under_its_id() = runTest {
        val bed = ChatBed(this)
        bed.session.open("gone")
        runCurrent()
        assertEquals(Conversation("gone"), bed.conversation)
    }

    @Test
    fun opening_the_open_chat_changes_nothing() = runTest {
        val bed = ChatBed(this)
        bed.ask("a")
        bed.session.open(bed.conversation.id)
        runCurrent()
        assertEquals(2, bed.said.size)
    }
}
