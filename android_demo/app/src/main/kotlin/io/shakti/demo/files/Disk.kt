package io.shakti.demo.files

import android.system.ErrnoException
import android.system.OsConstants
import io.shakti.demo.AppFailure
import io.shakti.demo.FailureKind
import java.io.File
import java.io.FileOutputStream
import java.io.IOException
import java.io.OutputStream
import java.nio.file.Files
import java.nio.file.StandardCopyOption

/** Where files are written. All methods throw IOException. */
interface Disk {
    /** Bytes that the app may still write below [folder]. */
    fun freeBytes(folder: File): Long

    /** Makes or overwrites [file] by what [content] writes, and returns when the storage has it. */
    fun write(file: File, content: (OutputStream) -> Unit)

    /** Moves a file over another, or a folder to where nothing is: at once or not at all. */
    fun move(from: File, to: File)
}

object DeviceDisk : Disk {
    override fun freeBytes(folder: File): Long = folder.usableSpace

    override fun write(file: File, content: (OutputStream) -> Unit) {
        FileOutputStream(file).use {
            content(it)
            it.fd.sync()
        }
    }

    override fun move(from: File, to: File) {
        Files.move(from.toPath(), to.toPath(), StandardCopyOption.ATOMIC_MOVE)
    }
}

/**
 * Puts [content] in the place of [file], whose folder is made: afterwards the old content is there
 * or the new one. Throws AppFailure (STORAGE_FULL, FILE_UNREADABLE). One caller a file at a time.
 */
fun Disk.replace(file: File, content: ByteArray) {
    val folder = checkNotNull(file.parentFile) { "$file has no folder" }
    val fresh = File(folder, ".${file.name}.new")
    writing(folder) {
        try {
            makeFolder(folder)
            write(fresh) { it.write(content) }
            move(fresh, file)
        } catch (error: IOException) {
            fresh.delete()
            throw error
        }
    }
}

/** Turns an IOException of [block], which writes in [folder], into an AppFailure. */
inline fun <T> Disk.writing(folder: File, block: () -> T): T = try {
    block()
} catch (error: IOException) {
    throw writeFailure(error, folder)
}

/**
 * What [error] means for a person. The system has no exception of its own for a full storage: its
 * number may be in a cause, its name in the message, or nothing but the lack of space tells.
 */
fun Disk.writeFailure(error: IOException, folder: File): AppFailure {
    val detail = "cannot write in $folder: ${error.message ?: error.javaClass.simpleName}"
    val full = saysFull(error) || folder.isDirectory && freeBytes(folder) < LITTLE_BYTES
    return AppFailure(
        if (full) FailureKind.STORAGE_FULL else FailureKind.FILE_UNREADABLE,
        detail.replace('\n', ' '),
        error,
    )
}

/** Makes [folder] and those above it. Throws IOException. */
fun makeFolder(folder: File) {
    if (!folder.isDirectory && !folder.mkdirs() && !folder.isDirectory) {
        throw IOException("the folder $folder cannot be made")
    }
}

/** Removes [path] and what is in it, but not what links in it lead to. False if some is left. */
fun removeTree(path: File): Boolean {
    if (path.isDirectory && !Files.isSymbolicLink(path.toPath())) {
        path.listFiles()?.forEach { removeTree(it) }
    }
    return path.delete() || !path.exists()
}

private fun saysFull(error: IOException): Boolean =
    generateSequence<Throwable>(error) { it.cause }.take(MAX_CAUSES).any { cause ->
        if (cause is ErrnoException) {
            cause.errno == OsConstants.ENOSPC || cause.errno == OsConstants.EDQUOT
        } else {
            FULL_WORDS.any { it in cause.message.orEmpty() }
        }
    }

/** With less than this, a write that failed has most likely failed for want of space. */
private const val LITTLE_BYTES = 1L shl 20
private const val MAX_CAUSES = 10
private val FULL_WORDS =
    listOf("ENOSPC", "EDQUOT", "No space left on device", "Disk quota exceeded")

/** As hexadecimal digits in lower case. */
fun ByteArray.toHex(): String = joinToString("") { "%02x".format(it) }
