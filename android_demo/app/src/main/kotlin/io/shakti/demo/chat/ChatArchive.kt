package io.shakti.demo.chat

import io.shakti.demo.AppFailure
import io.shakti.demo.AppGraph
import kotlinx.coroutines.ExperimentalCoroutinesApi
import kotlinx.coroutines.withContext

/** The kept chats, read and written one after another and off the main thread. */
@OptIn(ExperimentalCoroutinesApi::class)
class ChatArchive(private val graph: AppGraph) {
    private val inOrder = graph.io.limitedParallelism(1)

    suspend fun list(): List<ChatSummary> = withContext(inOrder) { graph.chats.list() }

    suspend fun load(id: String): StoredChat? = withContext(inOrder) { graph.chats.load(id) }

    suspend fun delete(id: String) = withContext(inOrder) { graph.chats.delete(id) }

    /** Why it could not be saved, null if it was. */
    suspend fun save(chat: StoredChat): AppFailure? = withContext(inOrder) {
        try {
            graph.chats.save(chat)
            null
        } catch (failure: AppFailure) {
            failure
        }
    }
}
