package io.shakti.demo.fakes

import io.shakti.demo.AppFailure
import io.shakti.demo.FailureKind
import io.shakti.demo.chat.ChatHistory
import io.shakti.demo.chat.ChatSummary
import io.shakti.demo.chat.StoredChat
import io.shakti.demo.settings.Settings
import io.shakti.demo.settings.SettingsStore
import java.util.concurrent.ConcurrentHashMap
import java.util.concurrent.CopyOnWriteArrayList
import kotlinx.coroutines.flow.MutableStateFlow
import kotlinx.coroutines.flow.update

/** Chats that are gone with the test. [saves] holds every state that was saved, in order. */
class MemoryChats(vararg chats: StoredChat) : ChatHistory {
    private val held = ConcurrentHashMap(chats.associateBy { it.id })
    val saves: MutableList<StoredChat> = CopyOnWriteArrayList()

    /** Whether saving finds no room. */
    @Volatile var isFull = false

    override fun list(): List<ChatSummary> = held.values
        .sortedByDescending { it.changedAtMs }
        .map { ChatSummary(it.id, it.title, it.changedAtMs) }

    override fun load(id: String): StoredChat? = held[id]

    override fun save(chat: StoredChat) {
        if (isFull) throw AppFailure(FailureKind.STORAGE_FULL, "fake: no room")
        held[chat.id] = chat
        saves += chat
    }

    override fun delete(id: String) {
        held.remove(id)
    }
}

/** Settings that are gone with the test. */
class MemorySettings(first: Settings = Settings()) : SettingsStore {
    override val settings = MutableStateFlow(first)

    override fun update(change: (Settings) -> Settings) = settings.update(change)
}
