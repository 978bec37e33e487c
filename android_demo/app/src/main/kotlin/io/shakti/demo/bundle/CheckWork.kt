package io.shakti.demo.bundle

import io.shakti.demo.files.sha256Of as hashOf
import java.io.File

/** The person does not want to know any more. */
internal class CheckCancelled : Exception()

/**
 * The long parts of a check, with what they add to its progress: bytes that are hashed, and calls
 * of the program. Throws CheckCancelled between two steps.
 */
internal class CheckWork(
    bundle: Bundle,
    private val progress: (Double) -> Unit,
    private val cancelled: () -> Boolean,
) {
    private val totalBytes = bundle.programFile.length() + bundle.tokenizerFile.length()
    private val totalCalls = bundle.manifest.golden.sumOf {
        val chunk = bundle.manifest.program.maxChunk
        (it.promptIds.size + chunk.toLong() - 1) / chunk + it.expectedIds.size - 1
    }
    private var doneBytes = 0L
    private var calls = 0L

    /** In lower case. Throws AppFailure (FILE_UNREADABLE). */
    fun sha256Of(file: File): String {
        throwIfCancelled()
        return hashOf(file) { count ->
            doneBytes += count
            report()
            throwIfCancelled()
        }
    }

    /** To be called before each call of the program. */
    fun tick() {
        throwIfCancelled()
        calls++
        report()
    }

    fun finish() {
        throwIfCancelled()
        progress(1.0)
    }

    fun throwIfCancelled() {
        if (cancelled()) throw CheckCancelled()
    }

    private fun report() =
        progress(HASHING * share(doneBytes, totalBytes) + (1 - HASHING) * share(calls, totalCalls))

    private fun share(done: Long, total: Long): Double =
        if (total <= 0) 1.0 else (done.toDouble() / total).coerceAtMost(1.0)

    private companion object {
        /** About the share of the time that goes into hashing, on phones and 4-bit bundles. */
        const val HASHING = 0.3
    }
}
