package io.shakti.demo.bundle

import io.shakti.demo.AppFailure
import io.shakti.demo.FailureKind
import io.shakti.demo.files.DeviceDisk
import io.shakti.demo.files.Disk
import io.shakti.demo.files.makeFolder
import io.shakti.demo.files.removeTree
import io.shakti.demo.files.writing
import java.io.File
import java.io.IOException
import java.io.InputStream
import java.util.UUID
import java.util.concurrent.ConcurrentHashMap

/**
 * Bundles in folders: imported ones in [importedRoot], which is the app's own, others below the
 * roots where they are found. Roots may be missing.
 *
 * An import is unpacked into a hidden folder beside its target and renamed when all of it was
 * verified. What a killed process left of that is removed, or put back, by the first call.
 */
class FileBundleStore(
    private val importedRoot: File,
    private val pushedRoots: List<File>,
    private val externalRoots: List<File>,
    private val disk: Disk = DeviceDisk,
) : BundleStore {
    private val publishing = Any()
    private val swept by lazy { sweep() }

    override fun list(): List<StoredBundle> {
        swept
        val found = bundlesIn(listOf(importedRoot), BundleOrigin.IMPORTED) +
            bundlesIn(pushedRoots, BundleOrigin.PUSHED) +
            bundlesIn(externalRoots, BundleOrigin.EXTERNAL)
        return found.sortedWith(compareBy({ it.origin }, ::nameOf, { it.folder.path }))
    }

    override fun at(folder: File): StoredBundle {
        swept
        return readStored(folder, originOf(folder))
    }

    override fun import(
        zip: InputStream,
        sizeBytes: Long?,
        progress: (doneBytes: Long) -> Unit,
        cancelled: () -> Boolean,
    ): StoredBundle? {
        swept
        disk.writing(importedRoot) { makeFolder(importedRoot) }
        // A stored zip is as large as what it holds; of others it is the least that is needed.
        if (sizeBytes != null) requireSpace(disk, importedRoot, sizeBytes)
        val staging = File(importedRoot, NEW + UUID.randomUUID())
        active += staging.path
        try {
            disk.writing(importedRoot) { makeFolder(staging) }
            val manifest = BundleImport(BundleSource(zip, progress, cancelled), disk, staging).run()
            return publish(staging, File(importedRoot, folderName(manifest)))
        } catch (_: ImportCancelled) {
            return null
        } finally {
            removeTree(staging)
            active -= staging.path
        }
    }

    override fun delete(bundle: StoredBundle) {
        swept
        val folder = bundle.folder
        val isOurs = folder.absoluteFile.normalize().parentFile == normal(importedRoot) &&
            !folder.name.startsWith('.')
        if (!isOurs) throw unreadable("$folder was not imported by this app")
        // Renamed first, so that a killed process leaves no half of a bundle in the list.
        val doomed = File(importedRoot, NEW + UUID.randomUUID())
        try {
            synchronized(publishing) { disk.move(folder, doomed) }
        } catch (error: IOException) {
            throw unreadable("$folder cannot be deleted: ${error.message}", error)
        }
        if (!removeTree(doomed)) throw unreadable("$folder cannot be deleted as a whole")
    }

    /** Puts [staging] in the place of [target]; until then, what was there is kept. */
    private fun publish(staging: File, target: File): StoredBundle = synchronized(publishing) {
        disk.writing(importedRoot) {
            val old = File(importedRoot, OLD + target.name)
            val replaces = target.exists()
            if (replaces) {
                removeTree(old)
                disk.move(target, old)
            }
            try {
                disk.move(staging, target)
            } catch (error: IOException) {
                if (replaces) disk.move(old, target)
                throw error
            }
            removeTree(old)
        }
        readStored(target, BundleOrigin.IMPORTED)
    }

    private fun sweep() {
        for (path in importedRoot.listFiles().orEmpty()) {
            val name = path.name
            if (name.startsWith(NEW) && path.path !in active) removeTree(path)
            if (name.startsWith(OLD)) {
                val target = File(importedRoot, name.removePrefix(OLD))
                // Where neither works it stays hidden, and the next start tries again.
                if (target.exists()) removeTree(path) else path.renameTo(target)
            }
        }
    }

    private fun bundlesIn(roots: List<File>, origin: BundleOrigin): List<StoredBundle> =
        roots.flatMap { it.listFiles().orEmpty().toList() }
            .filter { it.isDirectory && !it.name.startsWith('.') }
            .map { readStored(it, origin) }

    private fun originOf(folder: File): BundleOrigin {
        val path = normal(folder)
        fun isIn(root: File) = path.startsWith(normal(root))
        return when {
            isIn(importedRoot) -> BundleOrigin.IMPORTED
            externalRoots.any(::isIn) -> BundleOrigin.EXTERNAL
            else -> BundleOrigin.PUSHED
        }
    }

    private fun unreadable(message: String, cause: Throwable? = null) =
        AppFailure(FailureKind.FILE_UNREADABLE, message, cause)

    private companion object {
        const val NEW = ".new-"
        const val OLD = ".old-"
        const val MAX_NAME_CHARS = 60
        const val HASH_CHARS = 16

        /** Imports under way, of every store of this process. */
        val active: MutableSet<String> = ConcurrentHashMap.newKeySet()

        /** Bundles of one name but other programs stand side by side. */
        fun folderName(manifest: Manifest): String {
            val plain = manifest.name.replace(Regex("[^A-Za-z0-9._-]+"), "-").trim('-', '.')
            val name = plain.take(MAX_NAME_CHARS).ifEmpty { "bundle" }
            return "$name-${manifest.program.sha256.take(HASH_CHARS)}"
        }

        fun nameOf(bundle: StoredBundle): String = when (bundle) {
            is StoredBundle.Ready -> bundle.bundle.manifest.name
            is StoredBundle.Broken -> bundle.folder.name
        }

        fun normal(file: File): File = file.absoluteFile.normalize()
    }
}
