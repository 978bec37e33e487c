package io.shakti.demo.bundle

import io.shakti.demo.AppFailure
import io.shakti.demo.FailureKind
import io.shakti.demo.fakes.SmallDisk
import io.shakti.demo.fakes.TinyBundle
import org.junit.Assert.assertArrayEquals
import org.junit.Assert.assertEquals
import org.junit.Assert.assertFalse
import org.junit.Assert.assertNull
import org.junit.Assert.assertThrows
import org.junit.Assert.assertTrue
import org.junit.Rule
import org.junit.Test
import org.junit.rules.TemporaryFolder
import java.io.File
import java.io.IOException

/** Where bundles are kept and found; what zips may hold is in BundleImportTest. */
class FileBundleStoreTest {
    @get:Rule val temporary = TemporaryFolder()

    private val imported by lazy { File(temporary.root, "imported") }
    private val pushed by lazy { File(temporary.root, "pushed") }
    private val external by lazy { File(temporary.root, "external") }
    private val store by lazy { newStore() }

    private fun newStore(disk: SmallDisk = SmallDisk(1L shl 40)) =
        FileBundleStore(imported, listOf(pushed, File("/nowhere")), listOf(external), disk)

    private fun FileBundleStore.take(tiny: TinyBundle) =
        import(tiny.zip().inputStream(), null, {}, { false }) as StoredBundle.Ready

    @Test
    fun folders_that_do_not_exist_hold_no_bundles() {
        assertEquals(emptyList<StoredBundle>(), store.list())
        assertFalse(imported.exists())
    }

    @Test
    fun list_has_imported_bundles_first_and_each_group_by_name() {
        TinyBundle("c").writeTo(File(pushed, "z"))
        TinyBundle("d").writeTo(File(pushed, "y"))
        TinyBundle("a").writeTo(File(external, "a"))
        listOf("q", "p").forEach { store.take(TinyBundle(it)) }
        File(pushed, "a file").writeText("")
        File(pushed, ".hidden").mkdirs()
        val found = store.list().map { it as StoredBundle.Ready }
            .map { it.bundle.manifest.name to it.origin }
        val expected = listOf(
            "p" to BundleOrigin.IMPORTED,
            "q" to BundleOrigin.IMPORTED,
            "c" to BundleOrigin.PUSHED,
            "d" to BundleOrigin.PUSHED,
            "a" to BundleOrigin.EXTERNAL,
        )
        assertEquals(expected, found)
    }

    @Test
    fun broken_bundles_are_listed_with_what_is_wrong() {
        fun broken(name: String, tiny: TinyBundle = TinyBundle(name), damage: (File) -> Unit) {
            val folder = File(pushed, name)
            folder.mkdirs()
            tiny.files.forEach { (file, content) -> File(folder, file).writeBytes(content) }
            damage(folder)
        }
        broken("a") { File(it, "model.pte").appendText("x") }
        broken("b") { File(it, "tokenizer.json").delete() }
        broken("c") { File(it, "manifest.json").delete() }
        broken("d") { File(it, "manifest.json").writeText("{}\n") }
        broken("e", TinyBundle(schemaVersion = "2.0")) {}
        val tooLarge = ByteArray(ManifestParser.MAX_BYTES + 1)
        broken("f") { File(it, "manifest.json").writeBytes(tooLarge) }
        val found = store.list().map { it as StoredBundle.Broken }
        assertEquals(listOf("a", "b", "c", "d", "e", "f"), found.map { it.folder.name })
        val kinds = List(6) { FailureKind.BUNDLE_CORRUPT }.toMutableList()
        kinds[4] = FailureKind.BUNDLE_NEWER
        assertEquals(kinds, found.map { it.failure.kind })
        val messages = found.map { it.failure.message }
        assertEquals("model.pte has 5001 bytes instead of 5000", messages[0])
        assertEquals("tokenizer.json is missing", messages[1])
        assertEquals("manifest.json is missing", messages[2])
        assertTrue(messages[3], "schema_version" in messages[3])
        assertTrue(messages[4], "update the app" in messages[4])
    }

    @Test
    fun bundle_at_a_folder_says_where_it_came_from() {
        TinyBundle().writeTo(File(external, "x"))
        TinyBundle().writeTo(File(temporary.root, "elsewhere"))
        val mine = store.take(TinyBundle())
        assertEquals(BundleOrigin.IMPORTED, store.at(mine.folder).origin)
        assertEquals(BundleOrigin.EXTERNAL, store.at(File(external, "./x")).origin)
        assertEquals(BundleOrigin.PUSHED, store.at(File(temporary.root, "elsewhere")).origin)
        val missing = store.at(File(pushed, "gone")) as StoredBundle.Broken
        assertEquals(FailureKind.FILE_UNREADABLE, missing.failure.kind)
    }

    @Test
    fun bundles_of_one_name_stand_side_by_side_and_the_same_one_is_replaced() {
        val one = store.take(TinyBundle("same"))
        val two = store.take(TinyBundle("same", program = ByteArray(77)))
        assertEquals(2, store.list().size)
        assertEquals(one.sizeBytes, one.folder.listFiles().orEmpty().sumOf { it.length() })
        one.bundle.programFile.appendText("damage")
        val reader = one.bundle.tokenizerFile.inputStream()
        val again = store.take(TinyBundle("same"))
        assertEquals(one.folder, again.folder)
        assertEquals(5000L, again.bundle.programFile.length())
        assertArrayEquals(TinyBundle.TOKENIZER.toByteArray(), reader.use { it.readBytes() })
        assertEquals(setOf(one.folder, two.folder), imported.listFiles()?.toSet())
    }

    @Test
    fun names_that_are_no_file_names_still_make_folders() {
        val names = listOf("", "../up", ".", "नमस्ते", "a/b", "x".repeat(500), "a\u0000b")
        val folders = names.map { name ->
            store.take(TinyBundle(name, program = name.toByteArray() + 1)).folder
        }
        assertEquals(names.size, folders.toSet().size)
        folders.forEach {
            assertEquals(imported, it.parentFile)
            assertTrue(it.name, Regex("[A-Za-z0-9_][A-Za-z0-9_.-]{0,80}").matches(it.name))
        }
    }

    @Test
    fun failed_replacement_keeps_the_bundle_that_was_there() {
        val old = store.take(TinyBundle())
        val stubborn = SmallDisk(1L shl 40)
        stubborn.beforeMove = { from, to ->
            if (from.name.startsWith(".new-") && to == old.folder) throw IOException("EIO")
        }
        val failure = assertThrows(AppFailure::class.java) { newStore(stubborn).take(TinyBundle()) }
        assertEquals(FailureKind.FILE_UNREADABLE, failure.kind)
        assertTrue(store.at(old.folder) is StoredBundle.Ready)
        assertEquals(listOf(old.folder), imported.listFiles()?.toList())
    }

    @Test
    fun leftovers_of_a_killed_process_are_removed_or_put_back() {
        val kept = store.take(TinyBundle("kept"))
        val halfReplaced = store.take(TinyBundle("half"))
        File(imported, ".new-1234").mkdirs()
        File(imported, ".new-1234/model.pte").writeText("half")
        kept.folder.copyRecursively(File(imported, ".old-${kept.folder.name}"))
        halfReplaced.folder.renameTo(File(imported, ".old-${halfReplaced.folder.name}"))
        val found = newStore().list()
        assertEquals(listOf(halfReplaced.folder, kept.folder), found.map { it.folder })
        assertTrue(found.all { it is StoredBundle.Ready })
        assertEquals(2, imported.listFiles()?.size)
    }

    @Test
    fun another_store_lets_a_running_import_be() {
        val zip = TinyBundle(program = ByteArray(3_000_000) { (it * it).toByte() }).zip()
        var looked = false
        val taken = store.import(zip.inputStream(), null, {
            if (it > 1_000_000 && !looked) {
                looked = true
                newStore().list()
            }
        }, { false })
        assertTrue(looked)
        assertTrue(taken is StoredBundle.Ready)
    }

    @Test
    fun imported_bundle_is_deleted_and_nothing_else() {
        val mine = store.take(TinyBundle())
        val found = TinyBundle().writeTo(File(pushed, "x"))
        store.delete(mine)
        assertEquals(emptyList<File>(), imported.listFiles()?.toList())
        val others = listOf(
            StoredBundle.Ready(found, BundleOrigin.IMPORTED, 1),
            madeUp(File(imported, "../pushed/x")),
            madeUp(imported),
            madeUp(File(imported, "..")),
            mine,
        )
        others.forEach {
            val failure = assertThrows(AppFailure::class.java) { store.delete(it) }
            assertEquals(FailureKind.FILE_UNREADABLE, failure.kind)
        }
        assertTrue(found.programFile.exists())
    }

    @Test
    fun broken_import_can_be_deleted() {
        val mine = store.take(TinyBundle())
        mine.bundle.programFile.delete()
        store.delete(store.list().single())
        assertEquals(emptyList<StoredBundle>(), store.list())
    }

    @Test
    fun storage_full_is_told_before_anything_is_read_where_the_size_is_known() {
        val small = newStore(SmallDisk(20_000_000))
        val failure = assertThrows(AppFailure::class.java) {
            small.import(object : java.io.InputStream() {
                override fun read(): Int = error("must not be read")
            }, 10_000_000, {}, { false })
        }
        assertEquals(FailureKind.STORAGE_FULL, failure.kind)
        assertEquals("the bundle needs 11 MB and 20 MB are free", failure.message)
        assertEquals(emptyList<File>(), imported.listFiles()?.toList())
    }

    @Test
    fun storage_full_is_told_when_the_manifest_is_there_and_while_writing() {
        val tiny = TinyBundle(program = ByteArray(3_000_000))
        val nearlyFull = newStore(SmallDisk(18_000_000))
        val foreseen = assertThrows(AppFailure::class.java) { nearlyFull.take(tiny) }
        assertEquals(FailureKind.STORAGE_FULL, foreseen.kind)
        assertTrue(foreseen.message, "needs 4 MB" in foreseen.message)
        // Another app takes the space after the look at it.
        val wrong = newStore(SmallDisk(2_000_000, shownBytes = 1L shl 40))
        val sudden = assertThrows(AppFailure::class.java) { wrong.take(tiny) }
        assertEquals(FailureKind.STORAGE_FULL, sudden.kind)
        assertEquals(emptyList<File>(), imported.listFiles()?.toList())
    }

    @Test
    fun cancelled_import_ends_within_a_buffer_and_leaves_nothing() {
        val zip = TinyBundle(program = ByteArray(3_000_000)).zip()
        for (limit in listOf(0L, 1L, 1_000_000L, zip.size.toLong())) {
            var done = 0L
            var later = 0
            val taken = store.import(zip.inputStream(), zip.size.toLong(), { done = it }) {
                if (done >= limit) later++
                done >= limit
            }
            assertNull(taken)
            assertEquals(1, later)
            assertEquals(emptyList<File>(), imported.listFiles()?.toList())
        }
    }

    private fun madeUp(folder: File) = StoredBundle.Broken(
        folder,
        BundleOrigin.IMPORTED,
        AppFailure(FailureKind.BUNDLE_CORRUPT, "made up"),
    )
}
