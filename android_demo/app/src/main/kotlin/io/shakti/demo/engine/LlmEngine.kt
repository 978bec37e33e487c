package io.shakti.demo.engine

import io.shakti.demo.bundle.Bundle
import java.io.Closeable

/** Opens bundles for chats. Blocking: call it on a worker thread. */
interface LlmEngine {
    val runtime: RuntimeInfo

    /** Throws AppFailure. */
    fun open(bundle: Bundle, threads: Int? = null): LlmSession
}

/**
 * An opened bundle that answers chats. All but [stop] and the properties are blocking and belong to
 * one worker thread.
 *
 * The session keeps the ids that are in the KV cache. A chat is handed over whole each time; what
 * it has in common with the cache is not computed again, so the next turn, a retry and an edit cost
 * only what differs.
 */
interface LlmSession : Closeable {
    val bundle: Bundle

    /** Positions of the KV cache: prompt and answer together. */
    val contextTokens: Int

    /** Positions in use. */
    val usedTokens: Int

    /**
     * Answers the last of [turns], which is the user's.
     *
     * Where the chat does not fit beside [ChatOptions.maxTokens], the oldest exchanges are left out
     * (`Answer.droppedTurns`), never the system text or the last question. Throws AppFailure; after
     * one the session is still usable unless its kind is RUNTIME_FAILED or OUT_OF_MEMORY.
     */
    fun answer(turns: List<Turn>, options: ChatOptions, listener: AnswerListener): Answer

    /**
     * Ends the running answer within one token or one prefill chunk; from any thread. Does nothing
     * to a later one: who stops before `answer` has begun stops again at its first `onPrefill`.
     */
    fun stop()

    override fun close()
}

enum class Role { USER, ASSISTANT }

data class Turn(val role: Role, val text: String)

/** Null takes the bundle's default; [temperature] 0 is greedy; [topK] 0 and [minP] 0 are off. */
data class ChatOptions(
    val system: String? = null,
    val temperature: Float? = null,
    val topP: Float? = null,
    val topK: Int = 0,
    val minP: Float = 0f,
    val repetitionPenalty: Float = 1f,
    val seed: Long? = null,
    val maxTokens: Int? = null,
    /** Positions that the chat may use; null: all that the bundle has. */
    val contextTokens: Int? = null,
)

/** Called on the worker thread. */
interface AnswerListener {
    /**
     * [done] of [total] prompt tokens are in the cache, the reused ones included. Called before the
     * first chunk and after each.
     */
    fun onPrefill(done: Int, total: Int)

    /** A piece of the answer: whole characters, maybe several tokens' worth. */
    fun onText(piece: String, stats: AnswerStats)
}

enum class Finish { END, STOPPED, MAX_TOKENS, CONTEXT_FULL }

data class Answer(
    val text: String,
    val ids: IntArray,
    val finish: Finish,
    val stats: AnswerStats,
    /** Oldest turns that were left out of the prompt. */
    val droppedTurns: Int,
)

/**
 * Times by a monotonic clock. [ttftMs]: from the call to the first token picked, null before it.
 * [decodeTokensPerS]: of the tokens after the first, null until there are two.
 */
data class AnswerStats(
    val promptTokens: Int,
    val reusedTokens: Int,
    val answerTokens: Int,
    val ttftMs: Double?,
    val prefillTokensPerS: Double?,
    val decodeTokensPerS: Double?,
)
