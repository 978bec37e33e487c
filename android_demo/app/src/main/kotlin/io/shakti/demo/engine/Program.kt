package io.shakti.demo.engine

import java.io.Closeable
import java.io.File

/**
 * One opened `model.pte` with its KV cache; the seam to the runtime. Used by one thread at a time.
 *
 * Positions belong to the caller: writing at `start` makes everything from there on in the cache
 * meaningless until it is written again. Ids must be below the vocabulary's size and
 * `start + ids.size` at most the context: the runtime's kernels do not look.
 */
interface Program : Closeable {
    /** Writes [ids] (1 to max_chunk) to positions [start]… and returns the last's logits, `[V]`. */
    fun forward(ids: IntArray, start: Int): FloatArray

    /** The same with a cache of its own and the logits of all positions, `[ids.size × V]`. */
    fun score(ids: IntArray, start: Int): FloatArray

    override fun close()
}

/** Opens programs. One adapter a runtime build; a scripted one for tests. */
interface ProgramLoader {
    val runtime: RuntimeInfo

    /**
     * Opens [file] and runs one token, so that the weights are packed when it returns.
     *
     * [threads]: of the runtime's pool; null leaves them to it.
     * Throws AppFailure (PROGRAM_CORRUPT, OPERATOR_MISSING, OUT_OF_MEMORY, FILE_UNREADABLE).
     */
    fun open(file: File, threads: Int?): Program

    /** Of [operators] (names as in the manifest) those that this runtime does not have. */
    fun missing(operators: Collection<String>): List<String>
}

/**
 * What runs the programs: [flavour] is "official", "community" or "scripted".
 *
 * [limits]: sentences for the about screen, such as "4 KiB pages"; empty where there are none.
 */
data class RuntimeInfo(
    val name: String,
    val version: String,
    val flavour: String,
    val threadsSettable: Boolean,
    val limits: List<String> = emptyList(),
)
