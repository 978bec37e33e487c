package io.shakti.demo.ui.models

import android.content.ContentProvider
import android.content.ContentValues
import android.database.Cursor
import android.database.MatrixCursor
import android.net.Uri
import android.os.ParcelFileDescriptor
import android.provider.OpenableColumns
import io.shakti.demo.AppFailure
import io.shakti.demo.FailureKind
import io.shakti.demo.fakes.TestApp
import java.io.File
import java.io.FileNotFoundException
import org.junit.Assert.assertEquals
import org.junit.Assert.assertNull
import org.junit.Assert.assertThrows
import org.junit.Assert.assertTrue
import org.junit.Test
import org.junit.runner.RunWith
import org.robolectric.Robolectric
import org.robolectric.RobolectricTestRunner
import org.robolectric.RuntimeEnvironment
import org.robolectric.annotation.Config

/** What other apps' providers may do to us. */
@RunWith(RobolectricTestRunner::class)
@Config(application = TestApp::class)
class PickedUriTest {
    open class Files : ContentProvider() {
        override fun onCreate() = true

        override fun query(
            uri: Uri,
            projection: Array<out String>?,
            selection: String?,
            selectionArgs: Array<out String>?,
            sortOrder: String?,
        ): Cursor? =
            when (uri.lastPathSegment) {
                "good" -> MatrixCursor(COLUMNS).apply { addRow(arrayOf("model.zip", 3L)) }
                "sizeless" -> MatrixCursor(COLUMNS).apply { addRow(arrayOf("model.zip", null)) }
                "rowless" -> MatrixCursor(arrayOf(OpenableColumns.SIZE))
                "cursorless" -> null
                else -> throw IllegalStateException("the cloud is away")
            }

        override fun openFile(uri: Uri, mode: String): ParcelFileDescriptor =
            when (uri.lastPathSegment) {
                "gone" -> throw FileNotFoundException("it was deleted")
                "locked" -> throw SecurityException("not yours")
                else -> {
                    val file = File(context!!.cacheDir, "model.zip").apply { writeText("zip") }
                    ParcelFileDescriptor.open(file, ParcelFileDescriptor.MODE_READ_ONLY)
                }
            }

        override fun getType(uri: Uri) = "application/zip"

        override fun insert(uri: Uri, values: ContentValues?): Uri? = null

        override fun update(
            uri: Uri,
            values: ContentValues?,
            selection: String?,
            selectionArgs: Array<out String>?,
        ) = 0

        override fun delete(uri: Uri, selection: String?, selectionArgs: Array<out String>?) = 0
    }

    private companion object {
        val COLUMNS = arrayOf(OpenableColumns.DISPLAY_NAME, OpenableColumns.SIZE)
    }

    private fun picked(name: String): PickedUri {
        Robolectric.setupContentProvider(Files::class.java, "files")
        val resolver = RuntimeEnvironment.getApplication().contentResolver
        return PickedUri(resolver, Uri.parse("content://files/$name"))
    }

    @Test
    fun name_size_and_bytes_come_from_the_provider() {
        val picked = picked("good")
        assertEquals("model.zip", picked.name)
        assertEquals(3L, picked.sizeBytes)
        assertEquals("zip", picked.open().bufferedReader().use { it.readText() })
    }

    @Test
    fun a_provider_that_says_little_or_fails_leaves_the_uris_name_and_no_size() {
        assertNull(picked("sizeless").sizeBytes)
        assertEquals("model.zip", picked("sizeless").name)
        for (name in listOf("rowless", "cursorless", "cloudy")) {
            assertEquals(name, picked(name).name)
            assertNull(picked(name).sizeBytes)
        }
    }

    @Test
    fun a_file_that_is_gone_or_locked_is_unreadable() {
        for ((name, why) in listOf("gone" to "it was deleted", "locked" to "not yours")) {
            val failure = assertThrows(AppFailure::class.java) { picked(name).open() }
            assertEquals(FailureKind.FILE_UNREADABLE, failure.kind)
            assertTrue(failure.message, why in failure.message)
        }
    }
}
