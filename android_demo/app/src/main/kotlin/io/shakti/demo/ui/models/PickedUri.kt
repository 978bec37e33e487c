package io.shakti.demo.ui.models

import android.content.ContentResolver
import android.net.Uri
import android.provider.OpenableColumns
import io.shakti.demo.AppFailure
import io.shakti.demo.FailureKind
import java.io.FileNotFoundException
import java.io.FilterInputStream
import java.io.IOException
import java.io.InputStream

/** What the system's file picker gave. Making it asks the file's provider: blocking. */
class PickedUri(private val resolver: ContentResolver, private val uri: Uri) : PickedFile {
    private val said = describe()

    override val name: String = said.first ?: uri.lastPathSegment ?: uri.toString()

    override val sizeBytes: Long? = said.second

    override fun open(): InputStream {
        try {
            val stream = resolver.openInputStream(uri)
            return Guarded(stream ?: throw unreadable("its provider gave nothing"))
        } catch (gone: FileNotFoundException) {
            throw unreadable(gone.message ?: "it is not there", gone)
        } catch (failed: RuntimeException) {
            throw unreadable(failed.toString(), failed)
        }
    }

    private fun describe(): Pair<String?, Long?> {
        val columns = arrayOf(OpenableColumns.DISPLAY_NAME, OpenableColumns.SIZE)
        return try {
            resolver.query(uri, columns, null, null, null)?.use { row ->
                if (!row.moveToFirst()) return@use null
                val name = row.getColumnIndex(columns[0]).takeIf { it >= 0 }?.let(row::getString)
                val size =
                    row.getColumnIndex(columns[1])
                        .takeIf { it >= 0 && !row.isNull(it) }
                        ?.let(row::getLong)
                        ?.takeIf { it > 0 }
                name to size
            } ?: (null to null)
        } catch (_: RuntimeException) {
            // Name and size are a courtesy of the other app; without them the file may still open.
            null to null
        }
    }

    private fun unreadable(why: String, cause: Throwable? = null) =
        AppFailure(FailureKind.FILE_UNREADABLE, "$name: $why", cause)

    /** A provider is another app; what it throws while it is read means that it cannot be. */
    private class Guarded(stream: InputStream) : FilterInputStream(stream) {
        override fun read(): Int = guarded { super.read() }

        override fun read(buffer: ByteArray, offset: Int, count: Int): Int =
            guarded { super.read(buffer, offset, count) }

        private fun guarded(read: () -> Int): Int =
            try {
                read()
            } catch (failed: SecurityException) {
                throw IOException(failed.toString(), failed)
            } catch (failed: IllegalStateException) {
                throw IOException(failed.toString(), failed)
            }
    }
}
