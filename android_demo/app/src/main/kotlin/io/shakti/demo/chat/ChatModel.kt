package io.shakti.demo.chat

import io.shakti.demo.AppFailure
import io.shakti.demo.AppGraph
import io.shakti.demo.FailureKind
import io.shakti.demo.bundle.StoredBundle
import io.shakti.demo.engine.Answer
import io.shakti.demo.engine.AnswerListener
import io.shakti.demo.engine.ChatOptions
import io.shakti.demo.engine.LlmSession
import io.shakti.demo.engine.Turn
import java.io.File
import kotlinx.coroutines.CancellationException
import kotlinx.coroutines.withContext

/** The model that the settings name, opened when it is first needed and kept open for the next. */
internal class ChatModel(private val graph: AppGraph) {
    private class Opened(val session: LlmSession, val folder: File, val threads: Int?)

    @Volatile private var opened: Opened? = null

    val isOpen: Boolean get() = opened != null

    val usedTokens: Int get() = opened?.session?.usedTokens ?: 0

    /** The chosen bundle; while none was chosen, the first that can be used. */
    suspend fun chosen(): StoredBundle? = withContext(graph.io) {
        val folder = graph.settings.settings.value.bundleFolder
        if (folder != null) graph.bundles.at(File(folder))
        else graph.bundles.list().firstOrNull { it is StoredBundle.Ready }
    }

    /** Throws AppFailure. Another model that is open is closed before. */
    suspend fun open(threads: Int?): ModelFacts {
        val bundle = when (val chosen = chosen()) {
            is StoredBundle.Ready -> chosen.bundle
            is StoredBundle.Broken -> throw chosen.failure
            null -> throw AppFailure(FailureKind.FILE_UNREADABLE, "there is no model any more")
        }
        val now = opened
        if (now == null || now.folder != bundle.folder || now.threads != threads) {
            close()
            val session = onEngine { graph.engine.open(bundle, threads) }
            opened = Opened(session, bundle.folder, threads)
        }
        val session = checkNotNull(opened).session
        return ModelFacts(
            bundle.manifest.name,
            ModelFacts.Loading.LOADED,
            session.contextTokens,
            session.usedTokens,
        )
    }

    /** Throws AppFailure. */
    suspend fun answer(turns: List<Turn>, options: ChatOptions, listener: AnswerListener): Answer =
        onEngine { checkNotNull(opened).session.answer(turns, options, listener) }

    /** What nobody foresaw is told as a failure of the runtime, and does not end the app. */
    private suspend fun <T> onEngine(work: () -> T): T = withContext(graph.engineThread) {
        try {
            work()
        } catch (cancelled: CancellationException) {
            throw cancelled
        } catch (error: RuntimeException) {
            throw AppFailure(FailureKind.RUNTIME_FAILED, error.toString(), error)
        }
    }

    /** From any thread. */
    fun stop() {
        opened?.session?.stop()
    }

    /** Whether there was something to close. */
    suspend fun close(): Boolean {
        val session = opened?.session ?: return false
        opened = null
        withContext(graph.engineThread) { session.close() }
        return true
    }
}
