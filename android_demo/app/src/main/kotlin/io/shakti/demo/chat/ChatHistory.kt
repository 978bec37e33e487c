package io.shakti.demo.chat

import io.shakti.demo.engine.Turn

/**
 * Chats kept on the device. Blocking: call it on a worker thread. Throws AppFailure (STORAGE_FULL).
 */
interface ChatHistory {
    /** Newest first; what cannot be read is left out. */
    fun list(): List<ChatSummary>

    fun load(id: String): StoredChat?

    fun save(chat: StoredChat)

    fun delete(id: String)
}

data class ChatSummary(val id: String, val title: String, val changedAtMs: Long)

/**
 * [turns] alternate, the user's first; a last answer that was cut short is there as far as it came.
 */
data class StoredChat(
    val id: String,
    val changedAtMs: Long,
    val bundleName: String,
    val turns: List<Turn>,
    /** The last answer is not at its end: it is still being written, or its process was ended. */
    val cutShort: Boolean = false,
) {
    val title: String get() = turns.firstOrNull()?.text?.lineSequence()?.first()?.take(60).orEmpty()
}
