package io.shakti.demo.runtime

import io.shakti.demo.AppFailure
import io.shakti.demo.FailureKind
import org.junit.Assert.assertEquals
import org.junit.Assert.assertThrows
import org.junit.Assert.assertTrue
import org.junit.Rule
import org.junit.Test
import org.junit.rules.TemporaryFolder
import java.io.File
import java.io.RandomAccessFile
import java.nio.ByteBuffer
import java.nio.ByteOrder

/** Opening programs on Android's own library: damaged ones, unfitting ones, and many in turn. */
class OpeningRuntimeTest {
    @get:Rule
    val folder = TemporaryFolder()

    private val loader = RuntimeFlavour.loader()
    private val program = RuntimeBundles.q4.programFile

    /** The program's first bytes in a file of [sizeBytes], with bytes written over them. */
    private fun damaged(sizeBytes: Long, vararg over: Pair<Long, ByteArray>): File {
        val head = program.inputStream().use { it.readNBytes(minOf(sizeBytes, 4096L).toInt()) }
        return written(folder.newFile().apply { writeBytes(head) }, sizeBytes, over.toList())
    }

    private fun written(file: File, sizeBytes: Long, over: List<Pair<Long, ByteArray>>): File {
        RandomAccessFile(file, "rw").use {
            it.setLength(sizeBytes)
            for ((at, bytes) in over) {
                it.seek(at)
                it.write(bytes)
            }
        }
        return file
    }

    private fun u64(value: Long): ByteArray =
        ByteBuffer.allocate(Long.SIZE_BYTES).order(ByteOrder.LITTLE_ENDIAN).putLong(value).array()

    private fun assertRefused(kind: FailureKind, file: File): AppFailure {
        val failure = assertThrows(AppFailure::class.java) { loader.open(file, threads = null) }
        assertEquals("${failure.message}", kind, failure.kind)
        assertTrue(failure.message, '\n' !in failure.message)
        return failure
    }

    @Test
    fun program_that_is_cut_off_is_refused() {
        for (sizeBytes in listOf(0L, 3L, 39L, 40L, 1000L, 100_000L, program.length() - 1)) {
            assertRefused(FailureKind.PROGRAM_CORRUPT, damaged(sizeBytes))
        }
    }

    @Test
    fun header_that_is_none_or_points_outside_is_refused() {
        val wrong = listOf(
            0L to u64(-1),
            4L to "GGUF".toByteArray(),
            4L to "ET99".toByteArray(),
            8L to "eh01".toByteArray(),
            12L to ByteArray(4),
            16L to u64(Long.MAX_VALUE),
            16L to u64(4),
            24L to u64(program.length() + 1),
            32L to u64(program.length()),
            32L to u64(-1),
        )
        for (bytes in wrong) {
            assertRefused(FailureKind.PROGRAM_CORRUPT, damaged(program.length(), bytes))
        }
    }

    @Test
    fun text_a_folder_and_a_missing_file_are_refused() {
        val text = folder.newFile().apply { writeText("not a program\n".repeat(100)) }
        assertRefused(FailureKind.PROGRAM_CORRUPT, text)
        assertRefused(FailureKind.FILE_UNREADABLE, folder.root)
        assertRefused(FailureKind.FILE_UNREADABLE, File(folder.root, "nothing.pte"))
    }

    @Test
    fun operator_that_the_library_lacks_is_found_when_the_program_opens() {
        val failure = assertRefused(
            FailureKind.OPERATOR_MISSING, renamed("llama::custom_sdpa", "llama::custom_sdpX"),
        )
        assertTrue(failure.message, "operator missing" in failure.message)
    }

    @Test
    fun backend_that_the_library_lacks_is_found_when_the_program_opens() {
        assertRefused(FailureKind.OPERATOR_MISSING, renamed("XnnpackBackend", "ElsewhereOnly!"))
    }

    @Test
    fun program_without_our_methods_is_refused_by_their_names() {
        val other = renamed("get_vocab_size", "get_something!")
        val failure = assertRefused(FailureKind.PROGRAM_CORRUPT, other)
        assertTrue(failure.message, failure.message.endsWith("has no method get_vocab_size"))
    }

    @Test
    fun fifty_programs_opened_and_closed_leave_no_memory_behind() {
        fun cycle(times: Int) = repeat(times) {
            loader.open(program, threads = null).use { it.forward(intArrayOf(1, 2, 3), 0) }
        }
        cycle(5) // the first ones fill pools that stay
        System.gc()
        val before = residentMiB()
        cycle(50)
        System.gc()
        val grownMiB = residentMiB() - before
        // A program takes about 100 MiB: one that stayed would show.
        assertTrue("grew by $grownMiB MiB", grownMiB < 40)
    }

    private fun residentMiB(): Long =
        File("/proc/self/statm").readText().split(" ")[1].toLong() * 4096 / (1 shl 20)

    /** The program with a name in its tables written over by another of the same length. */
    private fun renamed(name: String, other: String): File {
        check(name.length == other.length)
        val tables = program.inputStream().use { it.readNBytes(1 shl 20) }
        val places = places(tables, name.toByteArray()).map { it.toLong() to other.toByteArray() }
        check(places.isNotEmpty()) { "$name is not in the program" }
        return written(program.copyTo(File(folder.root, other)), program.length(), places)
    }

    private fun places(bytes: ByteArray, row: ByteArray): List<Int> =
        (0..bytes.size - row.size).filter { at ->
            bytes[at] == row[0] && row.indices.all { bytes[at + it] == row[it] }
        }
}
