package io.shakti.demo.share

import android.net.Uri
import android.provider.OpenableColumns
import io.shakti.demo.fakes.TestApp
import java.io.File
import java.io.FileNotFoundException
import org.junit.Assert.assertEquals
import org.junit.Assert.assertFalse
import org.junit.Assert.assertThrows
import org.junit.Before
import org.junit.Test
import org.junit.runner.RunWith
import org.robolectric.Robolectric
import org.robolectric.RobolectricTestRunner
import org.robolectric.RuntimeEnvironment
import org.robolectric.annotation.Config

@RunWith(RobolectricTestRunner::class)
@Config(application = TestApp::class)
class ShareProviderTest {
    private val context = RuntimeEnvironment.getApplication()
    private lateinit var provider: ShareProvider

    @Before
    fun make() {
        provider =
            Robolectric.setupContentProvider(ShareProvider::class.java, "io.shakti.demo.share")
    }

    private fun uri(path: String) = Uri.parse("content://io.shakti.demo.share/$path")

    @Test
    fun a_shared_file_has_its_name_its_size_and_its_text() {
        val uri = SharedFiles.write(context, "a.jsonl", "{}\n")
        val row = provider.query(uri, null, null, null, null)
        row.moveToFirst()
        assertEquals("a.jsonl", row.getString(row.getColumnIndex(OpenableColumns.DISPLAY_NAME)))
        assertEquals(3L, row.getLong(row.getColumnIndex(OpenableColumns.SIZE)))
        val stream = context.contentResolver.openInputStream(uri)!!
        val text = stream.bufferedReader().use { it.readText() }
        assertEquals("{}\n", text)
    }

    @Test
    fun one_column_alone_can_be_asked_for() {
        val uri = SharedFiles.write(context, "a.jsonl", "{}\n")
        val row = provider.query(uri, arrayOf(OpenableColumns.SIZE), null, null, null)
        row.moveToFirst()
        assertEquals(listOf(OpenableColumns.SIZE), row.columnNames.toList())
        assertEquals(3L, row.getLong(0))
    }

    @Test
    fun only_the_last_shared_file_is_there() {
        val first = SharedFiles.write(context, "a.jsonl", "1")
        SharedFiles.write(context, "b.jsonl", "2")
        assertThrows(FileNotFoundException::class.java) { provider.openFile(first, "r") }
        assertEquals(listOf("b.jsonl"), SharedFiles.folder(context).list()!!.toList())
    }

    @Test
    fun nothing_outside_the_folder_can_be_read_and_nothing_written() {
        SharedFiles.write(context, "a.jsonl", "1")
        File(context.cacheDir, "secret").writeText("secret")
        val paths = listOf("../secret", "..%2Fsecret", "%2e%2e/secret", "", "a.jsonl/..", "none")
        for (path in paths) {
            assertThrows(path, FileNotFoundException::class.java) {
                provider.openFile(uri(path), "r")
            }
            assertFalse(path, provider.query(uri(path), null, null, null, null).moveToFirst())
        }
        for (mode in listOf("w", "rw", "rwt")) {
            assertThrows(FileNotFoundException::class.java) {
                provider.openFile(uri("a.jsonl"), mode)
            }
        }
        assertThrows(UnsupportedOperationException::class.java) {
            provider.delete(uri("a.jsonl"), null, null)
        }
    }
}
