package io.shakti.demo.ui.chat

import io.shakti.demo.chat.ChatScreenState
import io.shakti.demo.chat.ChatState
import io.shakti.demo.chat.Ending
import io.shakti.demo.engine.Role

/** A line of the conversation as it is drawn. */
sealed interface Message {
    /** The question at [index] of the turns. */
    data class Question(val index: Int, val text: String, val canEdit: Boolean) : Message

    data class Answer(
        val text: String,
        val ending: Ending = Ending.WHOLE,
        val isLast: Boolean = false,
        /** Still being written. */
        val isLive: Boolean = false,
    ) : Message

    /** The model is at work, but there is no word yet; [share] of the reading is done, if known. */
    data class Working(val isLoading: Boolean, val share: Double?) : Message

    /** The oldest [turns] turns were not taken into account. */
    data class Dropped(val turns: Int) : Message
}

/** The conversation's lines; the note on dropped turns stands where the model's memory begins. */
fun messagesOf(state: ChatState): List<Message> {
    val facts = state.facts
    val turns = facts.conversation.turns
    val messages = mutableListOf<Message>()
    turns.forEachIndexed { index, turn ->
        if (facts.droppedTurns in 1..turns.lastIndex && index == facts.droppedTurns) {
            messages += Message.Dropped(facts.droppedTurns)
        }
        messages += when (turn.role) {
            Role.USER -> Message.Question(index, turn.text, canEdit = !state.isBusy)
            Role.ASSISTANT -> {
                val isLast = index == turns.lastIndex
                val ending = if (isLast) facts.conversation.ending else Ending.WHOLE
                Message.Answer(turn.text, ending, isLast && !state.isBusy)
            }
        }
    }
    when (state) {
        is ChatState.LoadingModel -> messages += Message.Working(isLoading = true, share = null)
        is ChatState.Prefilling -> messages += Message.Working(isLoading = false, state.share)
        is ChatState.Answering -> messages += Message.Answer(state.text, isLive = true)
        else -> Unit
    }
    return messages
}

/** Whether there is nothing to show but what could be asked. */
val ChatScreenState.isBlank: Boolean
    get() = chat.facts.conversation.turns.isEmpty() && !chat.isBusy
