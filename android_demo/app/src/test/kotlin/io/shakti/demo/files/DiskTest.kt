package io.shakti.demo.files

import io.shakti.demo.AppFailure
import io.shakti.demo.FailureKind
import io.shakti.demo.fakes.SmallDisk
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.JsonPrimitive
import org.junit.Assert.assertEquals
import org.junit.Assert.assertFalse
import org.junit.Assert.assertThrows
import org.junit.Assert.assertTrue
import org.junit.Rule
import org.junit.Test
import org.junit.rules.TemporaryFolder
import java.io.File
import java.io.IOException
import java.nio.file.Files

class DiskTest {
    @get:Rule val temporary = TemporaryFolder()

    @Test
    fun replace_makes_the_folder_and_leaves_only_the_file() {
        val file = File(temporary.root, "a/b/settings.json")
        DeviceDisk.replace(file, "one".toByteArray())
        DeviceDisk.replace(file, "two".toByteArray())
        assertEquals("two", file.readText())
        assertEquals(listOf("settings.json"), file.parentFile?.list()?.toList())
    }

    @Test
    fun full_disk_keeps_the_old_content_and_no_half_of_the_new() {
        val file = File(temporary.root, "settings.json").apply { writeText("old") }
        val failure = assertThrows(AppFailure::class.java) {
            SmallDisk(leftBytes = 10).replace(file, ByteArray(11))
        }
        assertEquals(FailureKind.STORAGE_FULL, failure.kind)
        assertEquals("old", file.readText())
        assertEquals(listOf("settings.json"), temporary.root.list()?.toList())
    }

    @Test
    fun failed_move_keeps_the_old_content() {
        val file = File(temporary.root, "x").apply { writeText("old") }
        val disk = SmallDisk(1L shl 40, beforeMove = { _, _ -> throw IOException("no") })
        val failure = assertThrows(AppFailure::class.java) { disk.replace(file, ByteArray(3)) }
        assertEquals(FailureKind.FILE_UNREADABLE, failure.kind)
        assertEquals("old", file.readText())
        assertEquals(listOf("x"), temporary.root.list()?.toList())
    }

    @Test
    fun folder_that_is_a_file_is_one_line_about_it() {
        val blocked = temporary.newFile("blocked")
        val failure = assertThrows(AppFailure::class.java) {
            DeviceDisk.replace(File(blocked, "x"), ByteArray(1))
        }
        assertEquals(FailureKind.FILE_UNREADABLE, failure.kind)
        assertFalse('\n' in failure.message)
    }

    @Test
    fun full_storage_is_known_by_its_words_or_by_the_lack_of_space() {
        val roomy = SmallDisk(1L shl 40)
        fun kind(disk: Disk, error: IOException) = disk.writeFailure(error, temporary.root).kind
        val full = listOf(
            IOException("write failed: ENOSPC (No space left on device)"),
            IOException("No space left on device"),
            IOException("write failed: EDQUOT (Quota exceeded)"),
            IOException("outer", IOException("inner: Disk quota exceeded")),
        )
        full.forEach { assertEquals(FailureKind.STORAGE_FULL, kind(roomy, it)) }
        val other = IOException("write failed: EIO (I/O error)")
        assertEquals(FailureKind.FILE_UNREADABLE, kind(roomy, other))
        assertEquals(FailureKind.STORAGE_FULL, kind(SmallDisk(1000), other))
        val circle = IOException("a", IOException("b"))
        circle.cause?.initCause(circle)
        assertEquals(FailureKind.FILE_UNREADABLE, kind(roomy, circle))
    }

    @Test
    fun removing_a_tree_leaves_alone_what_its_links_lead_to() {
        val kept = temporary.newFolder("kept").apply { File(this, "file").writeText("x") }
        val doomed = temporary.newFolder("doomed")
        File(doomed, "deep/er").mkdirs()
        File(doomed, "deep/er/file").writeText("y")
        Files.createSymbolicLink(File(doomed, "link").toPath(), kept.toPath())
        assertTrue(removeTree(doomed))
        assertFalse(doomed.exists())
        assertTrue(File(kept, "file").exists())
        assertTrue(removeTree(File(temporary.root, "never there")))
    }

    @Test
    fun json_files_hold_whole_characters_only() {
        val half = "a\ud83db\ude00c🙂\ud83d"
        val written = JsonObject(mapOf("t" to JsonPrimitive(half))).toFileBytes()
        val node = JsonNode(parseStrictObject(written), unknownRefused = true)
        assertEquals("a\ufffdb\ufffdc🙂\ufffd", node.record { this["t"].text() })
    }
}
