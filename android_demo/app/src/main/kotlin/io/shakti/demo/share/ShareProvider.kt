package io.shakti.demo.share

import android.content.ContentProvider
import android.content.ContentValues
import android.content.Context
import android.content.Intent
import android.database.Cursor
import android.database.MatrixCursor
import android.net.Uri
import android.os.ParcelFileDescriptor
import android.provider.OpenableColumns
import java.io.File
import java.io.FileNotFoundException
import java.io.IOException

/**
 * Lets another app read a file that a person shares, and no other: one that lies directly in
 * [SharedFiles.folder], only for reading, and only by a grant that goes with the intent.
 */
class ShareProvider : ContentProvider() {
    override fun onCreate(): Boolean = true

    override fun getType(uri: Uri): String = SharedFiles.TYPE

    override fun openFile(uri: Uri, mode: String): ParcelFileDescriptor {
        if (mode != "r") throw FileNotFoundException("$uri is only for reading")
        return ParcelFileDescriptor.open(file(uri), ParcelFileDescriptor.MODE_READ_ONLY)
    }

    override fun query(
        uri: Uri,
        projection: Array<out String>?,
        selection: String?,
        selectionArgs: Array<out String>?,
        sortOrder: String?,
    ): Cursor {
        val known = arrayOf(OpenableColumns.DISPLAY_NAME, OpenableColumns.SIZE)
        val columns = projection?.filter { it in known }?.toTypedArray() ?: known
        val cursor = MatrixCursor(columns, 1)
        val file =
            try {
                file(uri)
            } catch (_: FileNotFoundException) {
                return cursor
            }
        val row = cursor.newRow()
        row.add(OpenableColumns.DISPLAY_NAME, file.name)
        row.add(OpenableColumns.SIZE, file.length())
        return cursor
    }

    override fun insert(uri: Uri, values: ContentValues?): Uri? = refuse()

    override fun update(
        uri: Uri,
        values: ContentValues?,
        selection: String?,
        selectionArgs: Array<out String>?,
    ): Int = refuse()

    override fun delete(uri: Uri, selection: String?, selectionArgs: Array<out String>?): Int =
        refuse()

    private fun refuse(): Nothing =
        throw UnsupportedOperationException("shared files are read only")

    /** The shared file that [uri] names; a name with a path in it is none. */
    private fun file(uri: Uri): File {
        val name = uri.pathSegments.singleOrNull()
        val folder = SharedFiles.folder(context ?: throw FileNotFoundException("no context"))
        return folder.listFiles().orEmpty().firstOrNull { it.isFile && it.name == name }
            ?: throw FileNotFoundException("$uri is not shared")
    }
}

/** The files that [ShareProvider] hands out. */
object SharedFiles {
    const val TYPE = "text/plain" // what most apps take; the lines are JSON
    private const val PROVIDER = "share"

    fun folder(context: Context): File = File(context.cacheDir, "shared")

    /**
     * Puts [text] under [name] where it can be shared; what was shared before is deleted. Blocking.
     * Throws IOException.
     */
    fun write(context: Context, name: String, text: String): Uri {
        val folder = folder(context)
        folder.deleteRecursively()
        if (!folder.mkdirs()) throw IOException("cannot make ${folder.name}")
        val unfinished = File(context.cacheDir, "$name.part")
        unfinished.writeText(text)
        if (!unfinished.renameTo(File(folder, name))) throw IOException("cannot write $name")
        return Uri.Builder()
            .scheme("content")
            .authority("${context.packageName}.$PROVIDER")
            .appendPath(name)
            .build()
    }

    /** Offers the file at [uri] to the apps that take one. */
    fun intent(context: Context, uri: Uri, title: CharSequence): Intent {
        val send =
            Intent(Intent.ACTION_SEND)
                .setType(TYPE)
                .putExtra(Intent.EXTRA_STREAM, uri)
                .putExtra(Intent.EXTRA_SUBJECT, uri.lastPathSegment)
                .addFlags(Intent.FLAG_GRANT_READ_URI_PERMISSION)
        send.clipData = android.content.ClipData.newUri(context.contentResolver, title, uri)
        return Intent.createChooser(send, title)
    }
}
