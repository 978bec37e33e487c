package io.shakti.demo.bench

import java.io.File
import java.io.IOException
import org.junit.Assert.assertEquals
import org.junit.Assert.assertThrows
import org.junit.Assert.assertTrue
import org.junit.Rule
import org.junit.Test
import org.junit.rules.TemporaryFolder

class LineFileTest {
    @get:Rule val folder = TemporaryFolder()

    private val end = RoundEnd(0, 1, "now", EndStatus.COMPLETE)

    @Test
    fun lines_are_there_before_the_file_is_closed() {
        val file = File(folder.root, "deep/er/out.jsonl")
        LineFile(file).use {
            it.write(end)
            assertEquals(encodeLine(end), file.readText())
            it.write(end.copy(attempt = 2))
            assertEquals(2, file.readLines().size)
        }
    }

    @Test
    fun file_is_continued_behind_a_torn_line() {
        val file = File(folder.root, "out.jsonl").apply { writeText("{\"type\":\"samp") }
        LineFile(file).use { it.write(end) }
        assertEquals("{\"type\":\"samp\n${encodeLine(end)}", file.readText())
        LineFile(file).use { it.write(end) }
        assertEquals(3, file.readLines().size)
    }

    @Test
    fun full_disk_is_an_io_exception() {
        val full = File("/dev/full")
        assertTrue(full.exists())
        assertThrows(IOException::class.java) { LineFile(full).use { it.write(end) } }
    }

    @Test
    fun folder_that_cannot_be_made_is_an_io_exception() {
        val inTheWay = folder.newFile("file")
        assertThrows(IOException::class.java) { LineFile(File(inTheWay, "out.jsonl")) }
    }
}
