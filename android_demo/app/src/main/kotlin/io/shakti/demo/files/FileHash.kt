package io.shakti.demo.files

import io.shakti.demo.AppFailure
import io.shakti.demo.FailureKind
import java.io.File
import java.io.IOException
import java.security.MessageDigest

/**
 * SHA-256 of [file] in lower-case hexadecimal digits. [onRead] gets the number of bytes after each
 * piece, and may throw to give up. Throws AppFailure (FILE_UNREADABLE).
 */
fun sha256Of(file: File, onRead: (bytes: Int) -> Unit = {}): String {
    val digest = MessageDigest.getInstance("SHA-256")
    val buffer = ByteArray(PIECE_BYTES)
    try {
        file.inputStream().use { stream ->
            while (true) {
                val count = stream.read(buffer)
                if (count < 0) break
                digest.update(buffer, 0, count)
                onRead(count)
            }
        }
    } catch (error: IOException) {
        val detail = "cannot read ${file.name}: ${error.message}"
        throw AppFailure(FailureKind.FILE_UNREADABLE, detail, error)
    }
    return digest.digest().toHex()
}

private const val PIECE_BYTES = 1 shl 20
