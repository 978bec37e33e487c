package io.shakti.demo.chat

import io.shakti.demo.AppFailure
import io.shakti.demo.FailureKind
import io.shakti.demo.engine.Role
import io.shakti.demo.engine.Turn
import io.shakti.demo.fakes.SmallDisk
import org.junit.Assert.assertEquals
import org.junit.Assert.assertNotNull
import org.junit.Assert.assertNull
import org.junit.Assert.assertThrows
import org.junit.Assert.assertTrue
import org.junit.Rule
import org.junit.Test
import org.junit.rules.TemporaryFolder
import java.io.File
import kotlin.random.Random

class FileChatHistoryTest {
    @get:Rule val temporary = TemporaryFolder()

    private val folder by lazy { File(temporary.root, "files/chats") }
    private val history by lazy { FileChatHistory(folder) }

    private fun chat(id: String, changedAtMs: Long = 1, vararg texts: String) = StoredChat(
        id,
        changedAtMs,
        "tiny-q4",
        texts.mapIndexed { i, text -> Turn(if (i % 2 == 0) Role.USER else Role.ASSISTANT, text) },
    )

    @Test
    fun nothing_was_kept_yet() {
        assertEquals(emptyList<ChatSummary>(), history.list())
        assertNull(history.load("x"))
        history.delete("x")
        assertEquals(false, folder.exists())
    }

    @Test
    fun chats_come_back_whole_in_another_process_newest_first() {
        val texts = arrayOf("Hi 🙂\n\"quoted\" \\ \u0000 नमस्ते", "", "third {\"turns\": []}")
        val chats = listOf(chat("a", 5, *texts), chat("b", 9, "later"), chat("c", 7))
        chats.forEach { history.save(it) }
        val reopened = FileChatHistory(folder)
        assertEquals(listOf("b", "c", "a"), reopened.list().map { it.id })
        assertEquals(listOf("later", "", "Hi 🙂"), reopened.list().map { it.title })
        chats.forEach { assertEquals(it, reopened.load(it.id)) }
        history.save(chat("a", 11, "edited"))
        assertEquals("a", reopened.list().first().id)
        history.delete("b")
        assertEquals(listOf("a", "c"), reopened.list().map { it.id })
    }

    @Test
    fun any_id_is_a_file_of_its_own_in_the_folder() {
        val ids = listOf(
            "", ".", "..", "../up", "/etc/x", "a/b", "a\\b", "a", "A", "a.json", "\u0000", "ü",
            "x".repeat(3000), "=abc", "\ud83d", "\ude42",
        )
        // Half a surrogate pair is kept as U+FFFD, so such a chat does not come back.
        val kept = ids.filter { it.none(Char::isSurrogate) }
        ids.forEachIndexed { i, id -> history.save(chat(id, i.toLong(), id)) }
        assertEquals(ids.size, folder.list()?.size)
        assertEquals(kept.toSet(), history.list().map { it.id }.toSet())
        kept.forEach { assertEquals(it, history.load(it)?.turns?.single()?.text) }
        assertEquals(listOf("chats"), File(temporary.root, "files").list()?.toList())
        ids.forEach { history.delete(it) }
        assertEquals(emptyList<String>(), folder.list()?.toList())
    }

    @Test
    fun damaged_files_are_left_out_and_left_alone() {
        history.save(chat("good", 1, "hello"))
        val good = File(folder, "good.json").readBytes()
        val damaged = listOf(
            ByteArray(0), "{}".toByteArray(), "[]".toByteArray(), good.copyOf(good.size / 2),
            String(good).replace("\"version\":1", "\"version\":2").toByteArray(),
            String(good).replace("user", "someone").toByteArray(),
            String(good).replace("\"good\"", "\"other\"").toByteArray(),
            byteArrayOf(-1, -2), "[".repeat(100_000).toByteArray(),
        )
        damaged.forEachIndexed { i, data -> File(folder, "bad$i.json").writeBytes(data) }
        File(folder, "notes.txt").writeText("not ours")
        File(folder, "folder.json").mkdirs()
        assertEquals(listOf("good"), history.list().map { it.id })
        assertNull(history.load("bad0"))
        damaged.indices.forEach { assertTrue(File(folder, "bad$it.json").exists()) }
    }

    @Test
    fun random_damage_never_throws() {
        val random = Random(3)
        history.save(chat("x", 1, "question", "answer", "🙂🙂"))
        val file = File(folder, "x.json")
        val good = file.readBytes()
        var unreadable = 0
        repeat(3000) {
            val bad = good.copyOf(if (it % 3 == 0) random.nextInt(good.size) else good.size)
            if (bad.isNotEmpty()) bad[random.nextInt(bad.size)] = random.nextInt().toByte()
            file.writeBytes(bad)
            if (history.load("x") == null) unreadable++ else assertNotNull(history.list())
        }
        assertTrue("$unreadable", unreadable in 500..2999)
    }

    @Test
    fun full_storage_keeps_the_chat_as_it_was() {
        val disk = SmallDisk(1000)
        val small = FileChatHistory(folder, disk)
        small.save(chat("x", 1, "short"))
        val failure = assertThrows(AppFailure::class.java) {
            small.save(chat("x", 2, "short", "long".repeat(500)))
        }
        assertEquals(FailureKind.STORAGE_FULL, failure.kind)
        assertEquals("short", small.load("x")?.turns?.single()?.text)
        assertEquals(listOf("x.json"), folder.list()?.toList())
    }
}
