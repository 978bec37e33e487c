package io.shakti.demo.fakes

import io.shakti.demo.AppFailure
import io.shakti.demo.FailureKind
import io.shakti.demo.bundle.Bundle
import io.shakti.demo.engine.Answer
import io.shakti.demo.engine.AnswerListener
import io.shakti.demo.engine.AnswerStats
import io.shakti.demo.engine.ChatOptions
import io.shakti.demo.engine.Finish
import io.shakti.demo.engine.LlmEngine
import io.shakti.demo.engine.LlmSession
import io.shakti.demo.engine.Role
import io.shakti.demo.engine.RuntimeInfo
import io.shakti.demo.engine.Turn
import java.util.concurrent.ConcurrentLinkedQueue
import java.util.concurrent.CopyOnWriteArrayList
import java.util.concurrent.Semaphore
import java.util.concurrent.TimeUnit
import java.util.concurrent.atomic.AtomicReference

/**
 * What [ScriptedEngine] answers: [pieces], then [failure] if there is one. A piece counts as one
 * token, whatever its length. [finish] applies when neither a stop nor the token limit came first.
 */
data class Reply(
    val pieces: List<String>,
    val finish: Finish = Finish.END,
    val failure: AppFailure? = null,
) {
    companion object {
        /** [text] word by word, each with the space before it. */
        fun words(text: String) = Reply(text.split(Regex("(?=\\s)")).filter { it.isNotEmpty() })

        fun failing(kind: FailureKind, after: List<String> = emptyList()) =
            Reply(after, failure = AppFailure(kind, "scripted: $kind"))
    }
}

/** Where a [ScriptedEngine] is, just before it does the step. */
sealed interface Step {
    data class Open(val bundle: Bundle) : Step

    /** The next prefill chunk will make [done] of [total] prompt tokens. */
    data class Prefill(val done: Int, val total: Int) : Step

    data class Piece(val index: Int, val text: String) : Step
}

/**
 * Makes a [ScriptedEngine] on another thread wait for the test before each step.
 *
 * [allow] lets it do some more steps, [open] all. A step that is never allowed fails by itself.
 */
class StepGate(private val patienceS: Long = 20) : (Step) -> Unit {
    private val allowed = Semaphore(0)
    private val waitingFor = AtomicReference<Step?>()

    /** The step that the engine waits to do, null while it runs. */
    val waiting: Step? get() = waitingFor.get()

    override fun invoke(step: Step) {
        waitingFor.set(step)
        val came = allowed.tryAcquire(patienceS, TimeUnit.SECONDS)
        waitingFor.set(null)
        check(came) { "the test never allowed $step" }
    }

    fun allow(steps: Int = 1) = allowed.release(steps)

    fun open() = allowed.release(Int.MAX_VALUE / 2)
}

/**
 * An engine for tests of what is built on the seam: it answers by script, at the test's pace.
 *
 * Replies given by [reply] come in order; after them [otherwise] decides. A token is a word of the
 * chat or a piece of an answer, and contexts, reuse and dropped turns are counted in these, by the
 * contract's rules. [beforeStep] runs on the worker thread before every step and may look at the
 * screen, call stop, or wait (see [StepGate]). Times are [msPerToken] for each token.
 */
class ScriptedEngine(
    var beforeStep: (Step) -> Unit = {},
    private val chunk: Int = 16,
    private val msPerToken: Double = 20.0,
    override val runtime: RuntimeInfo =
        RuntimeInfo("Scripted runtime", "1.0", "scripted", threadsSettable = true),
    private val otherwise: (List<Turn>) -> Reply = { Reply.words("You said: ${it.last().text}") },
) : LlmEngine {
    data class Asked(val turns: List<Turn>, val options: ChatOptions)

    /** Every call of `answer`, in order. */
    val asked: MutableList<Asked> = CopyOnWriteArrayList()

    /** Every session that was opened, in order. */
    val sessions: MutableList<ScriptedSession> = CopyOnWriteArrayList()

    val openSessions: Int get() = sessions.count { !it.closed }

    private val replies = ConcurrentLinkedQueue<Reply>()
    private val openFailures = ConcurrentLinkedQueue<AppFailure>()

    fun reply(vararg reply: Reply) = replies.addAll(reply)

    fun reply(text: String) = replies.add(Reply.words(text))

    /** Makes the next `open` fail. */
    fun failOpen(kind: FailureKind) = openFailures.add(AppFailure(kind, "scripted: $kind"))

    override fun open(bundle: Bundle, threads: Int?): ScriptedSession {
        beforeStep(Step.Open(bundle))
        openFailures.poll()?.let { throw it }
        return ScriptedSession(bundle, threads).also { sessions += it }
    }

    inner class ScriptedSession(override val bundle: Bundle, val threads: Int?) : LlmSession {
        override val contextTokens: Int = bundle.manifest.program.contextLength

        @Volatile private var cached: List<String> = emptyList()

        override val usedTokens: Int get() = cached.size

        @Volatile var closed = false
            private set

        /** The thread that is answering. */
        private val worker = AtomicReference<Thread?>()

        @Volatile private var stopping = false

        @Volatile private var broken: AppFailure? = null

        override fun answer(
            turns: List<Turn>,
            options: ChatOptions,
            listener: AnswerListener,
        ): Answer {
            check(!closed) { "the session is closed" }
            broken?.let { throw it }
            require(turns.withIndex().all { (i, turn) -> turn.role == roleAt(i) }) { "not in turn" }
            require(turns.last().role == Role.USER) { "the last turn must be the user's" }
            check(worker.compareAndSet(null, Thread.currentThread())) { "already answering" }
            stopping = false
            try {
                asked += Asked(turns, options)
                val reply = replies.poll() ?: otherwise(turns)
                return Answering(turns, options, listener, reply).run()
            } catch (failure: AppFailure) {
                if (failure.kind in LASTING) broken = failure
                throw failure
            } finally {
                worker.set(null)
            }
        }

        override fun stop() {
            if (worker.get() != null) stopping = true
        }

        override fun close() {
            check(worker.get() == null) { "closed while it answers" }
            closed = true
        }

        private inner class Answering(
            turns: List<Turn>,
            private val options: ChatOptions,
            private val listener: AnswerListener,
            private val reply: Reply,
        ) {
            private val limit = options.maxTokens ?: bundle.manifest.generation.maxTokens
            private val context = minOf(options.contextTokens ?: contextTokens, contextTokens)
            private val dropped = turnsToDrop(turns)
            private val prompt = words(turns.drop(dropped))
            private val reused =
                cached.zip(prompt).takeWhile { (a, b) -> a == b }.size.coerceAtMost(prompt.size - 1)
            private val said = StringBuilder()
            private var tokens = 0

            fun run(): Answer {
                cached = prompt.take(reused)
                listener.onPrefill(reused, prompt.size)
                while (cached.size < prompt.size) {
                    val done = minOf(cached.size + chunk, prompt.size)
                    if (stopping) return answer(Finish.STOPPED)
                    beforeStep(Step.Prefill(done, prompt.size))
                    if (stopping) return answer(Finish.STOPPED)
                    cached = prompt.take(done)
                    listener.onPrefill(done, prompt.size)
                }
                return answer(speak())
            }

            private fun speak(): Finish {
                for ((index, piece) in reply.pieces.withIndex()) {
                    if (index >= limit) return Finish.MAX_TOKENS
                    if (cached.size >= context) return Finish.CONTEXT_FULL
                    beforeStep(Step.Piece(index, piece))
                    if (stopping) return Finish.STOPPED
                    said.append(piece)
                    tokens++
                    cached = cached + piece
                    listener.onText(piece, stats())
                }
                reply.failure?.let { throw it }
                return reply.finish
            }

            private fun answer(finish: Finish) =
                Answer(said.toString(), IntArray(tokens) { it }, finish, stats(), dropped)

            private fun stats() = AnswerStats(
                promptTokens = prompt.size,
                reusedTokens = reused,
                answerTokens = tokens,
                ttftMs = (msPerToken * (prompt.size - reused)).takeIf { tokens > 0 },
                prefillTokensPerS = (MS_PER_S / msPerToken).takeIf { tokens > 0 },
                decodeTokensPerS = (MS_PER_S / msPerToken).takeIf { tokens > 1 },
            )

            /** As many exchanges as must go to leave room for the answer, or at least one token. */
            private fun turnsToDrop(turns: List<Turn>): Int {
                if (words(turns.takeLast(1)).size >= context) {
                    throw AppFailure(FailureKind.PROMPT_TOO_LONG, "scripted: longer than $context")
                }
                val room = minOf(limit, context / 2)
                return (0 until turns.size step 2).firstOrNull {
                    words(turns.drop(it)).size + room <= context
                } ?: (turns.size - 1)
            }

            private fun words(turns: List<Turn>): List<String> =
                (listOfNotNull(options.system) + turns.map { it.text })
                    .flatMap { it.split(Regex("(?=\\s)")).filter(String::isNotEmpty) + TURN_END }
        }
    }

    private companion object {
        const val MS_PER_S = 1000.0
        const val TURN_END = "\u0000"
        val LASTING = setOf(FailureKind.RUNTIME_FAILED, FailureKind.OUT_OF_MEMORY)

        fun roleAt(index: Int) = if (index % 2 == 0) Role.USER else Role.ASSISTANT
    }
}
