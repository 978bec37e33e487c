package io.shakti.demo.fakes

import io.shakti.demo.files.DeviceDisk
import io.shakti.demo.files.Disk
import java.io.File
import java.io.FilterOutputStream
import java.io.IOException
import java.io.OutputStream

/**
 * A disk with room for [leftBytes], which then fails as Android's does. [shownBytes] is what it
 * says is free, where that differs; [beforeMove] may throw.
 */
class SmallDisk(
    var leftBytes: Long,
    private val shownBytes: Long? = null,
    var beforeMove: (from: File, to: File) -> Unit = { _, _ -> },
) : Disk {
    override fun freeBytes(folder: File): Long = shownBytes ?: leftBytes

    override fun write(file: File, content: (OutputStream) -> Unit) =
        file.outputStream().use { content(Limited(it)) }

    override fun move(from: File, to: File) {
        beforeMove(from, to)
        DeviceDisk.move(from, to)
    }

    private inner class Limited(stream: OutputStream) : FilterOutputStream(stream) {
        override fun write(byte: Int) = write(byteArrayOf(byte.toByte()), 0, 1)

        override fun write(buffer: ByteArray, offset: Int, length: Int) {
            if (length > leftBytes) {
                throw IOException("write failed: ENOSPC (No space left on device)")
            }
            leftBytes -= length
            out.write(buffer, offset, length)
        }
    }
}
