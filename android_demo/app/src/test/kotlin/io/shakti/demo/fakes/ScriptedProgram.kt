package io.shakti.demo.fakes

import io.shakti.demo.AppFailure
import io.shakti.demo.FailureKind
import io.shakti.demo.engine.Program
import io.shakti.demo.engine.ProgramLoader
import io.shakti.demo.engine.RuntimeInfo
import java.io.File
import java.util.concurrent.atomic.AtomicBoolean

/**
 * A program without a model: [logits] gives what follows the ids in its cache, `[vocabSize]`.
 *
 * It keeps a real cache and enforces the contract: ids within the vocabulary, 1 to [maxChunk] at
 * once, no gap before `start`, never past [contextLength], one caller at a time, none after close.
 * A breach is an IllegalStateException, so that it never looks like a failure to be handled.
 */
class ScriptedProgram(
    private val vocabSize: Int,
    private val contextLength: Int = 256,
    private val maxChunk: Int = 16,
    private val logits: (ids: List<Int>) -> FloatArray,
) : Program {
    data class Call(val start: Int, val ids: List<Int>)

    /** Each `forward`, in order. */
    val calls = ArrayList<Call>()

    /** Runs before each `forward` with the number of earlier ones; what it throws comes out. */
    var beforeForward: (earlier: Int) -> Unit = {}

    var closed = false
        private set

    /** The ids in the cache of `forward`. */
    val cache: List<Int> get() = cached

    private val cached = ArrayList<Int>()
    private val scored = ArrayList<Int>()
    private val busy = AtomicBoolean()

    override fun forward(ids: IntArray, start: Int): FloatArray = alone {
        beforeForward(calls.size)
        write(cached, ids, start)
        calls += Call(start, ids.toList())
        logits(cached)
    }

    override fun score(ids: IntArray, start: Int): FloatArray = alone {
        write(scored, ids, start)
        val rows = (start + 1..start + ids.size).map { logits(scored.subList(0, it)) }
        FloatArray(ids.size * vocabSize) { rows[it / vocabSize][it % vocabSize] }
    }

    override fun close() {
        closed = true
    }

    private fun write(cache: MutableList<Int>, ids: IntArray, start: Int) {
        check(ids.size in 1..maxChunk) { "${ids.size} ids in one call" }
        check(ids.all { it in 0 until vocabSize }) { "not in the vocabulary: ${ids.toList()}" }
        check(start in 0..cache.size) { "position $start, ${cache.size} are filled" }
        check(start + ids.size <= contextLength) { "past the context of $contextLength" }
        while (cache.size > start) cache.removeAt(cache.lastIndex)
        cache += ids.toList()
    }

    private fun <T> alone(block: () -> T): T {
        check(!closed) { "the program is closed" }
        check(busy.compareAndSet(false, true)) { "two callers at once" }
        try {
            return block()
        } finally {
            busy.set(false)
        }
    }

    companion object {
        /** A program that is sure of what comes next. */
        fun sure(
            vocabSize: Int = ByteTokenizer.VOCAB_SIZE,
            contextLength: Int = 256,
            maxChunk: Int = 16,
            next: (ids: List<Int>) -> Int,
        ) = ScriptedProgram(vocabSize, contextLength, maxChunk) { ids ->
            FloatArray(vocabSize).also { it[next(ids)] = 10f }
        }
    }
}

/** Opens [program]s made by the test; has every operator but those in [lacking]. */
class ScriptedLoader(
    private val lacking: Set<String> = emptySet(),
    private val program: (File) -> ScriptedProgram,
) : ProgramLoader {
    data class Opened(val file: File, val threads: Int?, val program: ScriptedProgram)

    val opened = ArrayList<Opened>()

    private var failure: AppFailure? = null

    override val runtime =
        RuntimeInfo("Scripted runtime", "1.0", "scripted", threadsSettable = true)

    /** Makes the next `open` fail. */
    fun fail(kind: FailureKind) {
        failure = AppFailure(kind, "scripted: $kind")
    }

    override fun open(file: File, threads: Int?): Program {
        failure?.let {
            failure = null
            throw it
        }
        return program(file).also { opened += Opened(file, threads, it) }
    }

    override fun missing(operators: Collection<String>): List<String> =
        operators.filter { it in lacking }
}
