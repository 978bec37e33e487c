package io.shakti.demo.engine

import io.shakti.demo.AppFailure
import io.shakti.demo.FailureKind
import java.io.File

/** Opens programs on a build of ExecuTorch, and turns what goes wrong there into AppFailures. */
class RuntimeLoader(private val native: NativeRuntime) : ProgramLoader {
    override val runtime: RuntimeInfo get() = native.info

    private val operators: Set<String> by lazy {
        opening("the runtime") { native.operators() }
    }

    override fun missing(operators: Collection<String>): List<String> =
        operators.filter { it !in this.operators }.distinct()

    override fun open(file: File, threads: Int?): Program {
        require(threads == null || threads > 0) { "threads must be 1 or more, not $threads" }
        checkProgramHeader(file)
        return opening(file.name) {
            val module = native.load(file, threads ?: 0)
            try {
                describe(module, file).also { it.forward(intArrayOf(0), 0) }
            } catch (failure: Throwable) {
                module.close()
                throw failure
            }
        }
    }

    private fun describe(module: NativeModule, file: File): RuntimeProgram {
        val absent = METHODS - module.methods()
        if (absent.isNotEmpty()) {
            throw AppFailure(
                FailureKind.PROGRAM_CORRUPT,
                "${file.name} has no method ${absent.joinToString()}",
            )
        }
        module.loadMethod(FORWARD)
        return RuntimeProgram(
            module,
            vocabSize = module.constant(VOCAB_SIZE).toInt(),
            contextLength = module.constant(CONTEXT_LENGTH).toInt(),
            maxChunk = module.constant(MAX_CHUNK).toInt(),
        )
    }

    private fun <T> opening(what: String, block: () -> T): T = try {
        block()
    } catch (error: NativeError) {
        throw failureWhileOpening(error)
    } catch (error: OutOfMemoryError) {
        throw AppFailure(FailureKind.OUT_OF_MEMORY, "$what does not fit into memory", error)
    } catch (error: LinkageError) {
        val detail = "the runtime's library does not load: ${error.message}"
        throw AppFailure(FailureKind.RUNTIME_FAILED, detail, error)
    }
}

internal const val FORWARD = "forward"
internal const val SCORE = "score"
private const val VOCAB_SIZE = "get_vocab_size"
private const val CONTEXT_LENGTH = "get_max_context_len"
private const val MAX_CHUNK = "get_max_seq_len"
private val METHODS = setOf(FORWARD, SCORE, VOCAB_SIZE, CONTEXT_LENGTH, MAX_CHUNK)

/** A program that lets nothing through to the kernels that they would write out of bounds for. */
private class RuntimeProgram(
    private val module: NativeModule,
    private val vocabSize: Int,
    private val contextLength: Int,
    private val maxChunk: Int,
) : Program {
    private var closed = false

    override fun forward(ids: IntArray, start: Int): FloatArray = run(FORWARD, ids, start, rows = 1)

    override fun score(ids: IntArray, start: Int): FloatArray = run(SCORE, ids, start, ids.size)

    override fun close() {
        if (closed) return
        closed = true
        module.close()
    }

    private fun run(method: String, ids: IntArray, start: Int, rows: Int): FloatArray {
        check(ids, start)
        val logits = try {
            module.run(method, ids, start)
        } catch (error: NativeError) {
            throw failureWhileRunning(error)
        } catch (error: OutOfMemoryError) {
            throw AppFailure(FailureKind.OUT_OF_MEMORY, "no memory for $method's logits", error)
        }
        if (logits.size != rows * vocabSize) {
            refuse("$method gave ${logits.size} logits for $rows positions of $vocabSize")
        }
        return logits
    }

    private fun check(ids: IntArray, start: Int) {
        if (closed) refuse("the program is closed")
        if (ids.size !in 1..maxChunk) refuse("${ids.size} ids in one call, not 1 to $maxChunk")
        if (start < 0 || start > contextLength - ids.size) {
            refuse("positions $start to ${start + ids.size - 1} in a context of $contextLength")
        }
        ids.firstOrNull { it !in 0 until vocabSize }?.let {
            refuse("id $it in a vocabulary of $vocabSize")
        }
    }

    private fun refuse(why: String): Nothing = throw AppFailure(FailureKind.RUNTIME_FAILED, why)
}
