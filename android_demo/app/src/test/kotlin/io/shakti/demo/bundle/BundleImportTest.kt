package io.shakti.demo.bundle

import io.shakti.demo.AppFailure
import io.shakti.demo.FailureKind
import io.shakti.demo.fakes.SmallDisk
import io.shakti.demo.fakes.TinyBundle
import org.junit.Assert.assertArrayEquals
import org.junit.Assert.assertEquals
import org.junit.Assert.assertThrows
import org.junit.Assert.assertTrue
import org.junit.Rule
import org.junit.Test
import org.junit.rules.TemporaryFolder
import java.io.ByteArrayInputStream
import java.io.File
import java.io.IOException
import java.io.InputStream
import kotlin.random.Random

/** What a zip may hold, and that nothing is left of one that is refused. */
class BundleImportTest {
    @get:Rule val temporary = TemporaryFolder()

    private val imported by lazy { File(temporary.root, "imported") }
    private val store by lazy {
        FileBundleStore(imported, emptyList(), emptyList(), SmallDisk(1L shl 40))
    }
    private val tiny = TinyBundle()
    private val entries = tiny.files.toList()

    private fun take(zip: InputStream) =
        store.import(zip, null, {}, { false }) as StoredBundle.Ready

    private fun take(zip: ByteArray) = take(zip.inputStream())

    private fun refusal(zip: ByteArray): AppFailure = refusal(zip.inputStream())

    private fun refusal(zip: InputStream): AppFailure {
        val failure = assertThrows(AppFailure::class.java) { take(zip) }
        assertEquals(emptyList<File>(), imported.listFiles()?.toList())
        assertTrue(failure.message, '\n' !in failure.message && failure.message.length < 400)
        return failure
    }

    private fun assertRefused(zip: ByteArray, vararg words: String) {
        val failure = refusal(zip)
        assertEquals(FailureKind.BUNDLE_CORRUPT, failure.kind)
        words.forEach { assertTrue("${failure.message} lacks $it", it in failure.message) }
    }

    @Test
    fun stored_and_deflated_zips_of_files_or_of_their_folder_are_taken_in_any_order() {
        val orders = listOf(entries, entries.reversed(), listOf(entries[1], entries[0], entries[2]))
        for (stored in listOf(true, false)) {
            for (prefix in listOf("", "my bundle/", "नम/")) {
                for (order in orders) {
                    val zip = TinyBundle.zipOf(order.map { prefix + it.first to it.second }, stored)
                    val taken = take(zip)
                    assertArrayEquals(tiny.program, taken.bundle.programFile.readBytes())
                    assertArrayEquals(tiny.tokenizer, taken.bundle.tokenizerFile.readBytes())
                    store.delete(taken)
                }
            }
        }
    }

    @Test
    fun folders_and_what_desktops_add_are_passed_over() {
        val more = listOf("b/" to ByteArray(0), "__MACOSX/b/._model.pte" to ByteArray(9)) +
            entries.map { "b/${it.first}" to it.second } + listOf("b/.DS_Store" to ByteArray(9))
        val taken = take(TinyBundle.zipOf(more))
        assertEquals(tiny.files.keys, taken.folder.list()?.toSet())
    }

    @Test
    fun progress_counts_the_bytes_of_the_zip_up_to_its_end() {
        val zip = tiny.zip()
        val seen = ArrayList<Long>()
        store.import(zip.inputStream(), zip.size.toLong(), { seen += it }, { false })
        assertEquals(seen.sorted(), seen)
        assertTrue(seen.last() in tiny.files.values.sumOf { it.size }.toLong()..zip.size.toLong())
    }

    @Test
    fun entries_outside_the_bundle_are_refused() {
        val names = listOf(
            "../model.pte", "/model.pte", "/b/model.pte", "a/b/model.pte", "..\\model.pte",
            "a\\model.pte", "C:\\model.pte", ".hidden", "../../x/model.pte", "b/../model.pte",
            "model.pte\u0000", "x".repeat(129), "ümlaut", "a//model.pte", ".b/model.pte",
        )
        for (name in names) {
            for (first in listOf(true, false)) {
                val bad = listOf(name to tiny.program)
                val others = entries.filter { it.first != "model.pte" }
                assertRefused(TinyBundle.zipOf(if (first) bad + others else others + bad), "zip")
            }
        }
        assertEquals(listOf("imported"), temporary.root.list()?.toList())
    }

    @Test
    fun other_files_than_the_manifests_are_refused() {
        val stranger = "readme.txt" to ByteArray(10)
        assertRefused(TinyBundle.zipOf(entries + stranger), "knows nothing of \"readme.txt\"")
        assertRefused(TinyBundle.zipOf(listOf(stranger) + entries), "knows nothing")
        assertRefused(TinyBundle.zipOf(listOf(stranger) + entries.reversed()), "more than")
        val two = entries.map { (name, data) ->
            (if (name == "model.pte") "a/" else "b/") + name to data
        }
        assertRefused(TinyBundle.zipOf(two), "more than one folder")
    }

    @Test
    fun missing_files_are_named() {
        for (name in tiny.files.keys) {
            assertRefused(TinyBundle.zipOf(entries.filter { it.first != name }), "$name is missing")
        }
        assertRefused(TinyBundle.zipOf(emptyList()), "no zip of a bundle")
    }

    @Test
    fun file_that_is_there_twice_is_refused() {
        // The writer refuses equal names, so one is changed afterwards.
        val zip = TinyBundle.zipOf(entries + ("model.ptX" to tiny.program))
        assertRefused(replaced(zip, "model.ptX", "model.pte"), "model.pte is there twice")
        val manifests = TinyBundle.zipOf(entries + ("manifest.jsoX" to tiny.manifest))
        assertRefused(replaced(manifests, "manifest.jsoX", "manifest.json"), "is there twice")
    }

    @Test
    fun files_that_are_not_the_exported_ones_are_refused() {
        fun with(name: String, data: ByteArray) =
            entries.map { if (it.first == name) name to data else it }
        val changed = tiny.program.copyOf().also { it[99]++ }
        for (manifestFirst in listOf(true, false)) {
            fun zip(name: String, data: ByteArray) =
                TinyBundle.zipOf(with(name, data).let { if (manifestFirst) it else it.reversed() })
            assertRefused(zip("model.pte", changed), "model.pte is not the file")
            assertRefused(zip("model.pte", tiny.program.copyOf(4999)), "4999 bytes instead of 5000")
            assertRefused(zip("model.pte", tiny.program.copyOf(5001)), "5000")
            assertRefused(zip("tokenizer.json", ByteArray(1)), "tokenizer.json is not the file")
            assertRefused(zip("manifest.json", ByteArray(1)), "manifest.json")
        }
    }

    @Test
    fun newer_schema_asks_for_a_newer_app() {
        val failure = refusal(TinyBundle(schemaVersion = "2.1").zip())
        assertEquals(FailureKind.BUNDLE_NEWER, failure.kind)
        assertTrue(failure.message, "2.1" in failure.message)
        take(TinyBundle(schemaVersion = "1.7").zip())
    }

    @Test
    fun what_is_no_zip_is_refused() {
        assertRefused(ByteArray(0), "no zip of a bundle")
        assertRefused("hello, I am no zip".toByteArray(), "no zip of a bundle")
        assertRefused(tiny.manifest, "no zip of a bundle")
    }

    @Test
    fun encrypted_and_streamed_stored_entries_are_refused_with_the_reason() {
        val zip = tiny.zip()
        assertRefused(zip.copyOf().also { it[FLAGS_AT] = 1 }, "encrypted")
        assertRefused(zip.copyOf().also { it[FLAGS_AT] = 8 }, "shakti-sdk export --zip")
    }

    @Test
    fun cut_off_zips_never_become_bundles() {
        for (stored in listOf(true, false)) {
            val zip = tiny.zip(stored)
            val filesEnd = String(zip, Charsets.ISO_8859_1).indexOf("PK\u0001\u0002")
            // Less than the 16 bytes behind the last file's content would not be missed.
            for (length in 0 until filesEnd - 16 step 97) assertRefused(zip.copyOf(length))
            take(zip.copyOf(filesEnd))
            store.delete(store.list().single())
        }
    }

    @Test
    fun damaged_zips_are_refused_or_still_give_the_exported_files() {
        val random = Random(5)
        val outcomes = HashMap<Boolean, Int>()
        repeat(1500) {
            val zip = tiny.zip(stored = it % 2 == 0)
            repeat(random.nextInt(1, 4)) {
                zip[random.nextInt(zip.size)] = random.nextInt().toByte()
            }
            val accepted = try {
                val taken = take(zip)
                assertArrayEquals(tiny.program, taken.bundle.programFile.readBytes())
                assertArrayEquals(tiny.tokenizer, taken.bundle.tokenizerFile.readBytes())
                store.delete(taken)
                true
            } catch (_: AppFailure) {
                false
            }
            assertEquals(emptyList<File>(), imported.listFiles()?.toList())
            outcomes.merge(accepted, 1, Int::plus)
        }
        // The directory at the end is not read, so damage there does no harm.
        assertTrue("$outcomes", outcomes.getValue(true) > 20 && outcomes.getValue(false) > 500)
    }

    @Test
    fun bombs_stop_at_what_a_bundle_can_be() {
        val bomb = "model.pte" to ByteArray(90_000_000)
        val rest = entries.filter { it.first != "model.pte" }
        assertRefused(TinyBundle.zipOf(listOf(bomb) + rest, stored = false), "compressed more than")
        assertRefused(TinyBundle.zipOf(rest + bomb, stored = false), "more than the 5000 bytes")
        val manifest = "manifest.json" to ByteArray(30_000_000)
        assertRefused(TinyBundle.zipOf(listOf(manifest), stored = false), "too large")
    }

    @Test
    fun source_that_fails_is_told_apart_from_a_damaged_zip() {
        val errors = listOf(IOException("gone"), SecurityException("no permission any more"))
        for (error in errors) {
            val failure = refusal(FailingStream(tiny.zip(), after = 3000, error))
            assertEquals(FailureKind.FILE_UNREADABLE, failure.kind)
            assertTrue(failure.message, error.message.orEmpty() in failure.message)
        }
    }

    @Test
    fun the_stream_is_left_open_for_its_owner() {
        var closed = false
        take(object : ByteArrayInputStream(tiny.zip()) {
            override fun close() {
                closed = true
            }
        })
        assertEquals(false, closed)
    }

    private class FailingStream(data: ByteArray, after: Int, private val error: Exception) :
        InputStream() {
        private val some = ByteArrayInputStream(data, 0, after)

        override fun read(): Int = some.read().also { if (it < 0) throw error }

        override fun read(buffer: ByteArray, offset: Int, length: Int): Int =
            some.read(buffer, offset, length).also { if (it < 0) throw error }
    }

    private companion object {
        /** Of the first entry's general purpose bits. */
        const val FLAGS_AT = 6

        fun replaced(data: ByteArray, from: String, to: String): ByteArray =
            String(data, Charsets.ISO_8859_1).replace(from, to).toByteArray(Charsets.ISO_8859_1)
    }
}
