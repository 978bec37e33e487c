package io.shakti.demo.fakes

import io.shakti.demo.AppFailure
import io.shakti.demo.FailureKind
import io.shakti.demo.bundle.BundleOrigin
import io.shakti.demo.bundle.BundleStore
import io.shakti.demo.bundle.StoredBundle
import java.io.File
import java.io.InputStream
import java.util.concurrent.ConcurrentLinkedQueue
import java.util.concurrent.CopyOnWriteArrayList

/**
 * Bundles without files. An import reads its stream whole, [bufferBytes] at a time, and then takes
 * in what [willImport] or [willFail] said next, or a [TinyBundle] named "imported".
 *
 * [beforeBuffer] runs before each buffer with the bytes read so far: there a test may look at the
 * screen, cancel, or wait.
 */
class FakeBundleStore(
    vararg stored: StoredBundle,
    private val bufferBytes: Int = 1000,
    var beforeBuffer: (doneBytes: Long) -> Unit = {},
) : BundleStore {
    private val held = CopyOnWriteArrayList(stored.toList())
    private val imports = ConcurrentLinkedQueue<Result<StoredBundle>>()

    /** What `delete` throws; null deletes. */
    var deleteFailure: AppFailure? = null

    fun add(bundle: StoredBundle) = held.add(bundle)

    fun remove(folder: File) = held.removeIf { it.folder == folder }

    fun willImport(bundle: StoredBundle) = imports.add(Result.success(bundle))

    fun willFail(kind: FailureKind, detail: String = "fake: $kind") =
        imports.add(Result.failure(AppFailure(kind, detail)))

    override fun list(): List<StoredBundle> = held.sortedWith(compareBy({ it.origin }, ::nameOf))

    override fun import(
        zip: InputStream,
        sizeBytes: Long?,
        progress: (doneBytes: Long) -> Unit,
        cancelled: () -> Boolean,
    ): StoredBundle? {
        val buffer = ByteArray(bufferBytes)
        var done = 0L
        while (true) {
            beforeBuffer(done)
            if (cancelled()) return null
            val count = zip.read(buffer)
            if (count < 0) break
            done += count
            progress(done)
        }
        val imported = imports.poll()?.getOrThrow() ?: ready("imported")
        remove(imported.folder)
        held += imported
        return imported
    }

    override fun delete(bundle: StoredBundle) {
        deleteFailure?.let { throw it }
        if (bundle.origin != BundleOrigin.IMPORTED || !remove(bundle.folder)) {
            throw AppFailure(FailureKind.FILE_UNREADABLE, "fake: ${bundle.folder} is not ours")
        }
    }

    override fun at(folder: File): StoredBundle = held.firstOrNull { it.folder == folder }
        ?: broken(folder.name, FailureKind.BUNDLE_CORRUPT, folder = folder)

    companion object {
        fun ready(
            name: String = "tiny-1m-q4",
            origin: BundleOrigin = BundleOrigin.IMPORTED,
            tiny: TinyBundle = TinyBundle(name),
            sizeBytes: Long = tiny.files.values.sumOf { it.size.toLong() },
            folder: File = File("/bundles/$name"),
        ) = StoredBundle.Ready(tiny.bundle(folder), origin, sizeBytes)

        fun broken(
            name: String,
            kind: FailureKind = FailureKind.BUNDLE_CORRUPT,
            origin: BundleOrigin = BundleOrigin.IMPORTED,
            folder: File = File("/bundles/$name"),
        ) = StoredBundle.Broken(folder, origin, AppFailure(kind, "fake: $kind"))

        private fun nameOf(bundle: StoredBundle): String = when (bundle) {
            is StoredBundle.Ready -> bundle.bundle.manifest.name
            is StoredBundle.Broken -> bundle.folder.name
        }
    }
}
