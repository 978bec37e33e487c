package io.shakti.demo.chat

import io.shakti.demo.AppFailure
import io.shakti.demo.engine.AnswerStats

/** What the chat is doing. */
sealed interface ChatState {
    val facts: ChatFacts

    /** There is no model that could answer. */
    data class NoModel(override val facts: ChatFacts) : ChatState

    /** The chosen model cannot be used. */
    data class BrokenModel(override val facts: ChatFacts, val failure: AppFailure) : ChatState

    /** A question may be asked. */
    data class Ready(override val facts: ChatFacts) : ChatState

    /** The model's program is being opened for a question that was asked. */
    data class LoadingModel(override val facts: ChatFacts) : ChatState

    /** The model reads: [done] of [total] tokens are in its context. */
    data class Prefilling(override val facts: ChatFacts, val done: Int, val total: Int) : ChatState {
        val share: Double get() = if (total == 0) 0.0 else done.toDouble() / total
    }

    /** The answer comes; [text] is there so far. */
    data class Answering(override val facts: ChatFacts, val text: String) : ChatState

    /** The last question got no answer, or not all of it. */
    data class Failed(override val facts: ChatFacts, val failure: AppFailure) : ChatState

    val isBusy: Boolean get() = this is LoadingModel || this is Prefilling || this is Answering

    val canAsk: Boolean get() = this is Ready || this is Failed
}

/** What is true of the chat whatever it does. */
data class ChatFacts(
    val conversation: Conversation,
    val model: ModelFacts? = null,
    /** Of the answer that comes or came last. */
    val stats: AnswerStats? = null,
    /** Memory of the whole process. */
    val memoryBytes: Long? = null,
    /** Oldest turns that the last answer did not take into account. */
    val droppedTurns: Int = 0,
    /** Why the chat could not be saved. */
    val unsaved: AppFailure? = null,
)

/** [contextTokens] and [usedTokens] are known while the model [isLoaded]. */
data class ModelFacts(
    val name: String,
    val loading: Loading = Loading.NOT_YET,
    val contextTokens: Int = 0,
    val usedTokens: Int = 0,
) {
    val isLoaded: Boolean get() = loading == Loading.LOADED

    enum class Loading {
        NOT_YET,
        LOADED,

        /** Given back because the phone needed its memory; the next question loads it again. */
        PUT_AWAY,
    }
}

/** The same state with other facts. */
fun ChatState.with(facts: ChatFacts): ChatState = when (this) {
    is ChatState.NoModel -> copy(facts = facts)
    is ChatState.BrokenModel -> copy(facts = facts)
    is ChatState.Ready -> copy(facts = facts)
    is ChatState.LoadingModel -> copy(facts = facts)
    is ChatState.Prefilling -> copy(facts = facts)
    is ChatState.Answering -> copy(facts = facts)
    is ChatState.Failed -> copy(facts = facts)
}
