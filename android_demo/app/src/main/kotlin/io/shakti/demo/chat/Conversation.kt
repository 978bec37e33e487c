package io.shakti.demo.chat

import io.shakti.demo.engine.Finish
import io.shakti.demo.engine.Role
import io.shakti.demo.engine.Turn

/** How the last answer of a conversation ended. */
enum class Ending {
    /** At its own end, or there is no answer yet. */
    WHOLE,

    /** The person stopped it. */
    STOPPED,

    /** At the longest answer that the settings allow. */
    LONGEST,

    /** The context has no room for more. */
    CONTEXT_FULL,

    /** The app was ended, or the model failed, in the middle of it. */
    CUT_SHORT;

    /** Whether there may be more to say. */
    val canGoOn: Boolean get() = this == STOPPED || this == LONGEST || this == CUT_SHORT

    companion object {
        fun of(finish: Finish): Ending = when (finish) {
            Finish.END -> WHOLE
            Finish.STOPPED -> STOPPED
            Finish.MAX_TOKENS -> LONGEST
            Finish.CONTEXT_FULL -> CONTEXT_FULL
        }
    }
}

/**
 * Questions and answers in turn, the person's first. The last question may be without an answer;
 * an answer that was stopped before its first word is an empty turn.
 */
data class Conversation(
    val id: String,
    val turns: List<Turn> = emptyList(),
    val ending: Ending = Ending.WHOLE,
) {
    /** The question that waits for its answer. */
    val isWaiting: Boolean get() = turns.lastOrNull()?.role == Role.USER

    /** What the model gets to read: exchanges without an answer are left out, but not the last. */
    val prompt: List<Turn>
        get() {
            val exchanges = turns.chunked(2)
            val answered = exchanges.dropLast(1).filter { it.size == 2 && it[1].text.isNotEmpty() }
            return answered.flatten() + exchanges.last()
        }

    /** With one more question; a question before it that got no answer keeps its place. */
    fun ask(text: String): Conversation {
        val before = if (isWaiting) turns + Turn(Role.ASSISTANT, "") else turns
        return copy(turns = before + Turn(Role.USER, text), ending = Ending.WHOLE)
    }

    fun answered(text: String, ending: Ending): Conversation =
        copy(turns = turns + Turn(Role.ASSISTANT, text), ending = ending)

    /** Without the question at [index] and all that followed it. */
    fun before(index: Int): Conversation {
        require(turns[index].role == Role.USER) { "turn $index is not a question" }
        return copy(turns = turns.take(index), ending = Ending.WHOLE)
    }

    /** Up to the last question, its answer taken away. */
    fun withoutLastAnswer(): Conversation =
        if (isWaiting || turns.isEmpty()) this
        else copy(turns = turns.dropLast(1), ending = Ending.WHOLE)

    fun stored(nowMs: Long, bundleName: String) =
        StoredChat(id, nowMs, bundleName, turns, cutShort = ending == Ending.CUT_SHORT)

    companion object {
        /**
         * A question that was saved while its answer was awaited gets the answer that never came.
         */
        fun of(chat: StoredChat): Conversation {
            val ending = if (chat.cutShort) Ending.CUT_SHORT else Ending.WHOLE
            val conversation = Conversation(chat.id, chat.turns, ending)
            return if (chat.cutShort && conversation.isWaiting) {
                conversation.answered("", Ending.CUT_SHORT)
            } else {
                conversation
            }
        }
    }
}
