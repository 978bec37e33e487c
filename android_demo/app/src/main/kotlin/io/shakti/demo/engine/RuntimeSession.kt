package io.shakti.demo.engine

import io.shakti.demo.AppFailure
import io.shakti.demo.FailureKind
import io.shakti.demo.bundle.Bundle
import io.shakti.demo.tokenizer.Tokenizer
import kotlin.random.Random

/** See [RuntimeEngine]. */
internal class RuntimeSession(
    override val bundle: Bundle,
    private val program: Program,
    tokenizer: Tokenizer,
    private val nowNs: () -> Long,
) : LlmSession {
    private val manifest = bundle.manifest
    private val prompts = PromptBuilder(manifest, tokenizer)
    private val cache = KvCache(
        program,
        manifest.program.contextLength,
        RingCache.of(manifest.program),
    )
    private val settings = AnswerSettings(
        manifest.program.maxChunk,
        manifest.tokenizer.eosIds.toSet(),
        manifest.generation.stop,
        tokenizer,
    )

    /** Why the program cannot be used any more. */
    private var ended: AppFailure? = null

    @Volatile
    private var stopping = false

    override val contextTokens: Int = manifest.program.contextLength

    override val usedTokens: Int get() = cache.size

    override fun answer(
        turns: List<Turn>,
        options: ChatOptions,
        listener: AnswerListener,
    ): Answer {
        ended?.let { throw AppFailure(it.kind, it.message, it) }
        stopping = false
        try {
            return begin(turns, options, listener)
        } catch (failure: AppFailure) {
            throw failure.also(::endIfLasting)
        } catch (error: OutOfMemoryError) {
            throw AppFailure(FailureKind.OUT_OF_MEMORY, "no memory for the answer", error)
                .also(::endIfLasting)
        }
    }

    private fun begin(turns: List<Turn>, options: ChatOptions, listener: AnswerListener): Answer {
        val clock = AnswerClock(nowNs)
        val limit = options.maxTokens ?: manifest.generation.maxTokens
        val context = minOf(options.contextTokens ?: contextTokens, contextTokens)
        require(limit > 0) { "maxTokens must be 1 or more, not $limit" }
        require(context > 1) { "contextTokens must be 2 or more, not $context" }
        val sampler = Sampler(sampling(options), options.seed ?: Random.nextLong())
        val room = minOf(limit, context / ROOM_DIVISOR)
        val prompt = prompts.build(turns, options.system, context, room)
        val run =
            AnswerRun(settings, cache, sampler, limit, context, clock, { stopping }, listener)
        val answer = run.run(prompt)
        prompts.remember(answer.text, answer.ids)
        return answer
    }

    private fun sampling(options: ChatOptions): Sampling {
        val defaults = manifest.generation
        return Sampling(
            temperature = options.temperature?.toDouble() ?: defaults.temperature,
            topP = options.topP?.toDouble() ?: defaults.topP,
            topK = options.topK,
            minP = options.minP.toDouble(),
            repetitionPenalty = options.repetitionPenalty.toDouble(),
        )
    }

    override fun stop() {
        stopping = true
    }

    override fun close() {
        if (ended == null) {
            ended = AppFailure(FailureKind.RUNTIME_FAILED, "the session is closed")
        }
        program.close()
    }

    private fun endIfLasting(failure: AppFailure) {
        val lasting = failure.kind == FailureKind.RUNTIME_FAILED ||
            failure.kind == FailureKind.OUT_OF_MEMORY
        if (lasting) ended = failure
    }

    private companion object {
        /** At most a quarter of the context is kept for the answer. */
        const val ROOM_DIVISOR = 4
    }
}
