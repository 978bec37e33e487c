package io.shakti.demo.bundle

import io.shakti.demo.AppFailure
import io.shakti.demo.FailureKind
import io.shakti.demo.files.Disk
import io.shakti.demo.files.toHex
import io.shakti.demo.files.writing
import java.io.BufferedInputStream
import java.io.ByteArrayOutputStream
import java.io.File
import java.io.IOException
import java.io.InputStream
import java.io.OutputStream
import java.security.MessageDigest
import java.util.zip.ZipEntry
import java.util.zip.ZipInputStream

/**
 * Unpacks the zip of a bundle into [staging] and verifies it on the way.
 *
 * The zip may be stored or deflated, its files at the top or all in one folder, in any order. What
 * is written is bounded by the manifest where that came first, as in the SDK's own zips, and by
 * what was read of the zip before that. The zip's directory at its end is not looked at: sizes and
 * hashes of the manifest say more.
 */
internal class BundleImport(
    private val source: BundleSource,
    private val disk: Disk,
    private val staging: File,
) {
    private class Written(val sizeBytes: Long, val sha256: String)

    private val written = LinkedHashMap<String, Written>()
    private val buffer = ByteArray(BUFFER_BYTES)
    private var manifest: Manifest? = null
    private var prefix: String? = null

    /**
     * Throws AppFailure (BUNDLE_CORRUPT, BUNDLE_NEWER, STORAGE_FULL, FILE_UNREADABLE) and
     * ImportCancelled; what it has written until then stays in [staging].
     */
    fun run(): Manifest {
        ZipInputStream(BufferedInputStream(source, BUFFER_BYTES)).use { zip ->
            while (true) take(reading { zip.nextEntry } ?: break, zip)
        }
        source.throwIfCancelled()
        if (written.isEmpty()) corrupt("the file is no zip of a bundle")
        val complete = manifest ?: corrupt("$MANIFEST_NAME is missing")
        listOf(complete.program.file, complete.tokenizer.file)
            .firstOrNull { it !in written }
            ?.let { corrupt("$it is missing") }
        return complete
    }

    private fun take(entry: ZipEntry, zip: InputStream) {
        if (entry.isDirectory || isLitter(entry.name)) return
        val name = bundleName(entry.name)
        if (name in written) corrupt("$name is there twice")
        if (name == MANIFEST_NAME) takeManifest(zip) else takeFile(name, zip)
    }

    private fun takeManifest(zip: InputStream) {
        val data = ByteArrayOutputStream()
        copy(zip, data) { sizeBytes ->
            if (sizeBytes > ManifestParser.MAX_BYTES) {
                corrupt("$MANIFEST_NAME is too large to be a manifest")
            }
        }
        val bytes = data.toByteArray()
        val parsed = ManifestParser.parse(bytes)
        manifest = parsed
        for ((name, file) in written) verify(parsed, name, file)
        disk.writing(staging) { disk.write(File(staging, MANIFEST_NAME)) { it.write(bytes) } }
        written[MANIFEST_NAME] = Written(bytes.size.toLong(), "")
        if (parsed.program.file !in written) requireSpace(disk, staging, parsed.program.sizeBytes)
    }

    private fun takeFile(name: String, zip: InputStream) {
        val known = manifest
        if (known != null) checkNamed(known, name)
        // Program and tokenizer; a third one could only be a stranger.
        if (known == null && written.size == 2) corrupt("more than a bundle's files are in the zip")
        val digest = MessageDigest.getInstance("SHA-256")
        var sizeBytes = 0L
        disk.writing(staging) {
            disk.write(File(staging, name)) { file ->
                sizeBytes = copy(zip, DigestOutput(file, digest)) { checkSize(name, it) }
            }
        }
        val file = Written(sizeBytes, digest.digest().toHex())
        written[name] = file
        if (known != null) verify(known, name, file)
    }

    /** Copies [zip]'s current file; [allow] throws for a size that is too much. */
    private fun copy(zip: InputStream, to: OutputStream, allow: (sizeBytes: Long) -> Unit): Long {
        var sizeBytes = 0L
        while (true) {
            source.throwIfCancelled()
            val count = reading { zip.read(buffer) }
            if (count < 0) return sizeBytes
            sizeBytes += count
            allow(sizeBytes)
            to.write(buffer, 0, count)
        }
    }

    private fun checkSize(name: String, sizeBytes: Long) {
        val known = manifest
        when {
            known == null -> {
                val total = sizeBytes + written.values.sumOf { it.sizeBytes }
                if (total > UNBOUNDED_BYTES + LARGEST_RATIO * source.doneBytes) {
                    corrupt("$name is compressed more than a model can be")
                }
            }
            name == known.program.file -> if (sizeBytes > known.program.sizeBytes) {
                corrupt("$name has more than the ${known.program.sizeBytes} bytes of the manifest")
            }
            sizeBytes > MAX_TOKENIZER_BYTES -> corrupt("$name is too large to be a tokenizer")
        }
    }

    private fun verify(manifest: Manifest, name: String, file: Written) {
        checkNamed(manifest, name)
        val isProgram = name == manifest.program.file
        if (isProgram && file.sizeBytes != manifest.program.sizeBytes) {
            corrupt("$name has ${file.sizeBytes} bytes instead of ${manifest.program.sizeBytes}")
        }
        val sha256 = if (isProgram) manifest.program.sha256 else manifest.tokenizer.sha256
        if (file.sha256 != sha256) corrupt("$name is not the file that the manifest describes")
    }

    private fun checkNamed(manifest: Manifest, name: String) {
        if (name != manifest.program.file && name != manifest.tokenizer.file) {
            corrupt("the manifest knows nothing of ${shown(name)}")
        }
    }

    /** The file name of an entry, which stands at the top or in the one folder of all. */
    private fun bundleName(entryName: String): String {
        val folder = entryName.substringBeforeLast('/', "")
        val name = entryName.substringAfterLast('/')
        val nested = folder.startsWith('.') || '/' in folder || '\\' in folder
        val absolute = entryName.startsWith('/')
        if (nested || absolute || !BUNDLE_FILE_NAME.matches(name)) {
            corrupt("a bundle's zip cannot hold ${shown(entryName)}")
        }
        if (prefix.let { it != null && it != folder }) {
            corrupt("the zip's files are in more than one folder")
        }
        prefix = folder
        return name
    }

    private fun <T> reading(block: () -> T): T = try {
        block()
    } catch (error: IOException) {
        corrupt(zipProblem(error), error)
    } catch (error: IllegalArgumentException) {
        // Names that are not UTF-8.
        corrupt(zipProblem(error), error)
    }

    private fun zipProblem(error: Exception): String {
        val words = error.message ?: error.javaClass.simpleName
        val detail = words.replace('\n', ' ').take(MAX_DETAIL_CHARS)
        return when {
            "EXT descriptor" in detail ->
                "the zip tells a file's size only behind it, uncompressed: make it with " +
                    "shakti-sdk export --zip, or compress it"
            "encrypted" in detail -> "the zip is encrypted"
            else -> "the zip is cut off or damaged: $detail"
        }
    }

    private fun corrupt(message: String, cause: Throwable? = null): Nothing =
        throw AppFailure(FailureKind.BUNDLE_CORRUPT, message, cause)

    private class DigestOutput(
        private val file: OutputStream,
        private val digest: MessageDigest,
    ) : OutputStream() {
        override fun write(byte: Int) = write(byteArrayOf(byte.toByte()), 0, 1)

        override fun write(buffer: ByteArray, offset: Int, length: Int) {
            digest.update(buffer, offset, length)
            file.write(buffer, offset, length)
        }
    }

    companion object {
        const val BUFFER_BYTES = 1 shl 18
        private const val MAX_DETAIL_CHARS = 200

        /** Ahead of the manifest: weights hardly shrink, a tokenizer does so five times. */
        private const val LARGEST_RATIO = 8
        private const val UNBOUNDED_BYTES = 64L * 1024 * 1024

        /** Files that desktops put into zips of folders. */
        private val LITTER = setOf(".DS_Store", "Thumbs.db", "desktop.ini")

        private fun isLitter(name: String) =
            name.startsWith("__MACOSX/") || name.substringAfterLast('/') in LITTER

        private fun shown(name: String) =
            '"' + name.take(80).map { if (it in ' '..'~') it else '?' }.joinToString("") + '"'
    }
}

/** Left to the phone, which needs some to go on. */
internal const val RESERVE_BYTES = 16L * 1024 * 1024
private const val MB = 1_000_000

/** Throws AppFailure (STORAGE_FULL) where [sizeBytes] more do not fit in [folder]. */
internal fun requireSpace(disk: Disk, folder: File, sizeBytes: Long) {
    val free = disk.freeBytes(folder)
    if (sizeBytes > free - RESERVE_BYTES) {
        throw AppFailure(
            FailureKind.STORAGE_FULL,
            "the bundle needs ${sizeBytes / MB + 1} MB and ${free / MB} MB are free",
        )
    }
}
