package io.shakti.demo.bundle

import io.shakti.demo.AppFailure
import io.shakti.demo.FailureKind
import java.io.IOException
import java.io.InputStream

/** The person changed their mind. */
internal class ImportCancelled : Exception()

/**
 * The stream that an import reads, counted. Its own failures become AppFailure (FILE_UNREADABLE),
 * so that an IOException further up can only be about the zip's form. Not closed with the readers
 * around it, for it belongs to the caller. Throws ImportCancelled between two reads.
 */
internal class BundleSource(
    private val stream: InputStream,
    private val progress: (doneBytes: Long) -> Unit,
    private val cancelled: () -> Boolean,
) : InputStream() {
    var doneBytes = 0L
        private set

    override fun read(): Int {
        val one = ByteArray(1)
        return if (read(one, 0, 1) < 0) -1 else one[0].toInt() and 0xff
    }

    override fun read(buffer: ByteArray, offset: Int, length: Int): Int {
        throwIfCancelled()
        val count = try {
            stream.read(buffer, offset, length)
        } catch (error: IOException) {
            throw unreadable(error)
        } catch (error: SecurityException) {
            // A provider that took its permission back.
            throw unreadable(error)
        }
        if (count > 0) {
            doneBytes += count
            progress(doneBytes)
        }
        return count
    }

    override fun close() = Unit

    fun throwIfCancelled() {
        if (cancelled()) throw ImportCancelled()
    }

    private fun unreadable(error: Exception) =
        AppFailure(FailureKind.FILE_UNREADABLE, "cannot read the file: ${error.message}", error)
}
