package io.shakti.demo.engine

import io.shakti.demo.AppFailure
import io.shakti.demo.FailureKind
import java.io.EOFException
import java.io.File
import java.io.IOException
import java.io.RandomAccessFile
import java.nio.ByteBuffer
import java.nio.ByteOrder

/**
 * Refuses what is no ExecuTorch program, or only a part of one, before the library maps it: it
 * believes the offsets in a file and dies where they point outside.
 *
 * The first bytes, little endian: u32 offset of the root table, "ET12", "eh00", u32 length of this
 * header, u64 size of the tables, u64 offset of the segments and, where the header is long enough,
 * u64 size of the segments. Throws AppFailure (PROGRAM_CORRUPT, FILE_UNREADABLE).
 */
internal fun checkProgramHeader(file: File) {
    val sizeBytes = file.length()
    val head = readHead(file).order(ByteOrder.LITTLE_ENDIAN)
    val root = head.getInt().toUInt().toLong()
    if (head.text() != FILE_MAGIC || head.text() != HEADER_MAGIC) corrupt(file, "is no program")
    val headerBytes = head.getInt().toUInt().toLong()
    val tablesBytes = head.getLong()
    val segmentsAt = head.getLong()
    val segmentsBytes = if (headerBytes >= LONG_HEADER_BYTES) head.getLong() else 0L
    if (headerBytes < SHORT_HEADER_BYTES) corrupt(file, "has a header of $headerBytes bytes")
    // Each is compared by itself first: their sums could overflow.
    val within = listOf(tablesBytes, segmentsAt, segmentsBytes).all { it in 0..sizeBytes }
    if (!within || segmentsAt + segmentsBytes > sizeBytes) corrupt(file, "is cut off")
    if (root !in HEAD_BYTES_MIN..tablesBytes - Int.SIZE_BYTES) corrupt(file, "has no root table")
}

private const val FILE_MAGIC = "ET12"
private const val HEADER_MAGIC = "eh00"
private const val SHORT_HEADER_BYTES = 24L
private const val LONG_HEADER_BYTES = 32L
private const val HEAD_BYTES = 40
private const val HEAD_BYTES_MIN = 8L

private fun readHead(file: File): ByteBuffer {
    val head = ByteArray(HEAD_BYTES)
    try {
        RandomAccessFile(file, "r").use { it.readFully(head) }
    } catch (_: EOFException) {
        corrupt(file, "is cut off")
    } catch (error: IOException) {
        throw AppFailure(FailureKind.FILE_UNREADABLE, "${file.name}: ${error.message}", error)
    }
    return ByteBuffer.wrap(head)
}

private fun ByteBuffer.text(): String = String(ByteArray(4).also { get(it) }, Charsets.ISO_8859_1)

private fun corrupt(file: File, what: String): Nothing =
    throw AppFailure(FailureKind.PROGRAM_CORRUPT, "${file.name} $what")
