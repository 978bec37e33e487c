package io.shakti.demo.chat

import io.shakti.demo.engine.Role
import io.shakti.demo.ui.EngineUser
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.delay
import kotlinx.coroutines.flow.MutableStateFlow
import kotlinx.coroutines.flow.SharingStarted
import kotlinx.coroutines.flow.StateFlow
import kotlinx.coroutines.flow.collectLatest
import kotlinx.coroutines.flow.combine
import kotlinx.coroutines.flow.distinctUntilChanged
import kotlinx.coroutines.flow.map
import kotlinx.coroutines.flow.stateIn
import kotlinx.coroutines.flow.update
import kotlinx.coroutines.launch

/** What the chat screen shows. */
data class ChatScreenState(
    val chat: ChatState,
    val draft: Draft = Draft(),
    val history: History = History(),
    /**
     * Who has the engine, so that no question can be asked now; null for the chat itself or nobody.
     */
    val otherUser: EngineUser? = null,
    /** A long answer is under way, and Android would not let the app tell when it is there. */
    val offersNotifications: Boolean = false,
) {
    val canAsk: Boolean get() = chat.canAsk && otherUser == null
}

/**
 * What is typed but not asked; [replaces] is the index of the question that it will take the place
 * of.
 */
data class Draft(val text: String = "", val replaces: Int? = null) {
    val canSend: Boolean get() = text.isNotBlank()
}

/** The kept chats; [deleted] is the one that can still be brought back. */
data class History(
    val chats: List<ChatSummary> = emptyList(),
    val isOpen: Boolean = false,
    val deleted: StoredChat? = null,
)

/** What survives the process: the chat itself is on the disk. */
data class ChatSnapshot(val chatId: String, val draft: Draft, val isHistoryOpen: Boolean)

/**
 * The chat screen's state and what can be done there.
 *
 * [engineUser] is who has the engine now; [mayOffer] tells whether notifications could be allowed.
 */
class ChatViewModel(
    private val session: ChatSession,
    private val archive: ChatArchive,
    private val scope: CoroutineScope,
    private val engineUser: StateFlow<EngineUser?>,
    private val mayOffer: () -> Boolean,
) {
    private val drafts = MutableStateFlow<Map<String, Draft>>(emptyMap())
    private val history = MutableStateFlow(History())

    private val chat get() = session.state.value.facts.conversation

    private val offers = MutableStateFlow(false)

    val state: StateFlow<ChatScreenState> =
        combine(
            session.state.atMostEvery(DRAW_EVERY_MS),
            drafts,
            history,
            offers,
            engineUser,
            ::joined,
        ).stateIn(
            scope,
            SharingStarted.Eagerly,
            joined(session.state.value, drafts.value, history.value, false, engineUser.value),
        )

    private fun joined(
        chat: ChatState,
        drafts: Map<String, Draft>,
        history: History,
        offers: Boolean,
        user: EngineUser?,
    ): ChatScreenState {
        val draft = drafts[chat.facts.conversation.id] ?: Draft()
        return ChatScreenState(chat, draft, history, user.takeIf { it != EngineUser.CHAT }, offers)
    }

    init {
        scope.launch { offer() }
        scope.launch {
            session.state
                .map { it.facts.conversation.id to it.isBusy }
                .distinctUntilChanged()
                .collect { reloadHistory() }
        }
    }

    /**
     * After an answer has taken [LONG_MS] notifications are offered, until its end or a decision.
     */
    private suspend fun offer() = session.answering.collectLatest { isAnswering ->
        offers.value = false
        if (!isAnswering) return@collectLatest
        delay(LONG_MS)
        offers.value = mayOffer()
    }

    /** The screen came in sight: models may have come or gone meanwhile. */
    fun refresh() {
        scope.launch { session.lookForModel() }
    }

    fun type(text: String) = draft { copy(text = text) }

    /** Asks what is typed. */
    fun send() {
        val draft = drafts.value[chat.id] ?: return
        if (!draft.canSend || !state.value.canAsk || !session.state.value.canAsk) return
        drafts.update { it - chat.id }
        session.ask(draft.text.trim(), draft.replaces?.takeIf { it in chat.turns.indices })
    }

    fun stop() = session.stop()

    /** The last answer anew, or another look at a model that could not be used. */
    fun retry() =
        if (session.state.value is ChatState.BrokenModel) refresh() else session.retry()

    /** Asks for the rest of an answer with [words], the person's language for "go on". */
    fun goOn(words: String) = session.ask(words)

    /** Takes the question at [index] into the field; it is replaced when that is sent. */
    fun edit(index: Int) = draft { Draft(chat.turns[index].text, replaces = index) }

    fun editLast() {
        val index = chat.turns.indexOfLast { it.role == Role.USER }
        if (index >= 0) edit(index)
    }

    fun leaveEdit() = draft { Draft() }

    private fun draft(change: Draft.() -> Draft) =
        drafts.update { it + (chat.id to (it[chat.id] ?: Draft()).change()) }

    fun newChat() {
        history.update { it.copy(isOpen = false) }
        session.newChat()
    }

    fun showHistory(open: Boolean) = history.update { it.copy(isOpen = open, deleted = null) }

    fun open(id: String) {
        history.update { it.copy(isOpen = false) }
        session.open(id)
    }

    fun delete(id: String) {
        scope.launch {
            val deleted = session.delete(id)
            history.update { it.copy(deleted = deleted) }
            reloadHistory()
        }
    }

    /** Brings back the chat that was deleted last. */
    fun undoDelete() {
        val chat = history.value.deleted ?: return
        scope.launch {
            archive.save(chat)
            history.update { it.copy(deleted = null) }
            reloadHistory()
        }
    }

    /** The person decided about notifications. */
    fun notificationsDecided() {
        offers.value = false
    }

    private suspend fun reloadHistory() {
        val chats = archive.list()
        history.update { it.copy(chats = chats) }
    }

    fun snapshot() =
        ChatSnapshot(chat.id, drafts.value[chat.id] ?: Draft(), history.value.isOpen)

    fun restore(snapshot: ChatSnapshot) {
        drafts.update { it + (snapshot.chatId to snapshot.draft) }
        history.update { it.copy(isOpen = snapshot.isHistoryOpen) }
        session.open(snapshot.chatId)
    }

    private companion object {
        /** Faster than this nobody reads, and each drawing costs the engine time. */
        const val DRAW_EVERY_MS = 50L
        const val LONG_MS = 8_000L
    }
}
