package io.shakti.demo.bench

import java.io.Closeable
import java.io.File
import java.io.IOException
import java.io.RandomAccessFile

/**
 * Appends lines to a file; each is complete and on the disk when [write] returns.
 *
 * A torn line that an earlier process left is ended first, so that it spoils none of ours.
 * Constructing and writing throw IOException.
 */
class LineFile(file: File) : Closeable {
    private val out: RandomAccessFile

    init {
        val folder = file.absoluteFile.parentFile
        if (folder != null && !folder.isDirectory && !folder.mkdirs()) {
            throw IOException("cannot make $folder")
        }
        out = RandomAccessFile(file, "rw")
        try {
            endTornLine()
        } catch (error: IOException) {
            out.close()
            throw error
        }
    }

    /** Nothing of the line is left in the file when it cannot be written. */
    fun write(line: Line) {
        val bytes = encodeLine(line).toByteArray()
        val end = out.length()
        try {
            out.seek(end)
            out.write(bytes)
            out.fd.sync()
        } catch (error: IOException) {
            try {
                out.setLength(end)
            } catch (second: IOException) {
                error.addSuppressed(second) // then readers see a torn line, which they skip
            }
            throw error
        }
    }

    override fun close() = out.close()

    private fun endTornLine() {
        val end = out.length()
        if (end == 0L) return
        out.seek(end - 1)
        if (out.read() != '\n'.code) out.write('\n'.code)
    }
}
