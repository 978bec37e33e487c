package io.shakti.demo.bench

import io.shakti.demo.bundle.Bundle
import io.shakti.demo.engine.Program
import io.shakti.demo.engine.ProgramLoader
import io.shakti.demo.engine.bestId
import java.io.Closeable

/** How long a case took; [tokenMs] has an entry a token for decode cases, else none. */
data class Timing(val durationMs: Double, val tokenMs: List<Double> = emptyList())

/**
 * The clockwork: runs cases on a bundle's program, each timed once.
 *
 * [tick] is called after each call of the runtime, so that whoever watches knows that it returned;
 * it must be cheap. [nanoTime]: a monotonic clock. Everything throws AppFailure. The caller sees to
 * it that cases fit the context. One thread at a time.
 */
class Meter(
    private val loader: ProgramLoader,
    private val bundle: Bundle,
    private val tick: () -> Unit = {},
    private val nanoTime: () -> Long = System::nanoTime,
) : Closeable {
    private val vocabSize = bundle.manifest.model.vocabSize
    private val maxChunk = bundle.manifest.program.maxChunk
    private val contextLength = bundle.manifest.program.contextLength
    private var opened: Program? = null

    /** The program that was loaded last. */
    val program: Program get() = checkNotNull(opened) { "no program is loaded" }

    /** Opens the program, an earlier one being let go first; this is the load case, too. */
    fun load(threads: Long?): Timing {
        close()
        val begun = nanoTime()
        opened = loader.open(bundle.programFile, threads?.toInt())
        val durationMs = ms(nanoTime() - begun)
        tick()
        return Timing(durationMs)
    }

    /** Runs what no clock sees after a load, as far as it fits the context. */
    fun warmUp(plan: WarmUp) {
        val filled = minOf(plan.prefillTokens, contextLength.toLong()).toInt()
        fill(filled)
        decode(filled, minOf(plan.decodeTokens, (contextLength - filled).toLong()).toInt())
    }

    /** Puts [depth] tokens into the KV cache, outside the clock. */
    fun fill(depth: Int) {
        for (chunk in chunks(0, depth)) {
            program.forward(chunk.ids, chunk.start)
            tick()
        }
    }

    /** Times a case whose depth is filled already; not for load cases. */
    fun run(case: Case): Timing {
        val depth = case.depth.toInt()
        val tokens = case.tokens.toInt()
        return when (case.kind) {
            CaseKind.DECODE -> decode(depth, tokens)
            CaseKind.PREFILL -> prompt(depth, tokens, pick = false)
            CaseKind.TTFT -> prompt(depth, tokens, pick = true)
            CaseKind.LOAD -> error("a load case is timed by load")
        }
    }

    override fun close() {
        opened?.close()
        opened = null
    }

    private fun prompt(depth: Int, tokens: Int, pick: Boolean): Timing {
        val program = program
        val chunks = chunks(depth, tokens)
        var logits = FloatArray(0)
        val begun = nanoTime()
        for (chunk in chunks) {
            logits = program.forward(chunk.ids, chunk.start)
            tick()
        }
        if (pick) bestId(logits)
        return Timing(ms(nanoTime() - begun))
    }

    /** The first token that is fed is the prompt's next, every other one the one picked. */
    private fun decode(depth: Int, tokens: Int): Timing {
        val program = program
        val marks = LongArray(tokens + 1)
        val fed = IntArray(1)
        fed[0] = benchToken(depth, vocabSize)
        marks[0] = nanoTime()
        for (step in 0 until tokens) {
            fed[0] = bestId(program.forward(fed, depth + step))
            tick()
            marks[step + 1] = nanoTime()
        }
        val tokenMs = List(tokens) { ms(marks[it + 1] - marks[it]) }
        return Timing(ms(marks[tokens] - marks[0]), tokenMs)
    }

    private class Chunk(val ids: IntArray, val start: Int)

    /** Prompt ids for [count] positions from [start] on, as the program takes them. */
    private fun chunks(start: Int, count: Int): List<Chunk> =
        (start until start + count step maxChunk).map { first ->
            val size = minOf(maxChunk, start + count - first)
            Chunk(IntArray(size) { benchToken(first + it, vocabSize) }, first)
        }
}

private fun ms(nanoseconds: Long): Double = nanoseconds / 1e6
