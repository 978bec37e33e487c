package io.shakti.demo.bundle

import java.io.File
import java.io.InputStream

/**
 * The bundles that the app can use. Blocking: call it on a worker thread.
 *
 * Imported bundles live in the app's own files. Others are found where the SDK pushes them
 * (/data/local/tmp/shakti/bundles, the app's external files folder) and used from there.
 */
interface BundleStore {
    /** Every bundle, usable or not, imported ones first, each group by name. */
    fun list(): List<StoredBundle>

    /**
     * Takes in a bundle from its zip, verified before it shows up in [list].
     *
     * [sizeBytes] is the source's size where it is known. Nothing is left behind when it fails or
     * [cancelled] becomes true, which gives null. Throws AppFailure (BUNDLE_CORRUPT, BUNDLE_NEWER,
     * STORAGE_FULL, FILE_UNREADABLE). A bundle that is there already is replaced.
     */
    fun import(
        zip: InputStream,
        sizeBytes: Long?,
        progress: (doneBytes: Long) -> Unit,
        cancelled: () -> Boolean,
    ): StoredBundle?

    /**
     * Deletes an imported bundle. Throws AppFailure (FILE_UNREADABLE), also for one that is not
     * ours.
     */
    fun delete(bundle: StoredBundle)

    /** The bundle in [folder], wherever it is. */
    fun at(folder: File): StoredBundle
}

enum class BundleOrigin { IMPORTED, PUSHED, EXTERNAL }

/** A folder that holds a bundle, or what is wrong with it. */
sealed interface StoredBundle {
    val folder: File
    val origin: BundleOrigin

    data class Ready(val bundle: Bundle, override val origin: BundleOrigin, val sizeBytes: Long) :
        StoredBundle {
        override val folder: File get() = bundle.folder
    }

    data class Broken(
        override val folder: File,
        override val origin: BundleOrigin,
        val failure: io.shakti.demo.AppFailure,
    ) : StoredBundle
}

/**
 * Checks a bundle thoroughly: form, sizes, hashes, operators, tokenizer, golden tokens. Blocking.
 */
interface BundleChecker {
    /** [progress] gets the share done, 0 to 1. Null when [cancelled] became true. */
    fun check(
        bundle: Bundle,
        progress: (Double) -> Unit,
        cancelled: () -> Boolean,
    ): List<CheckResult>?
}

enum class CheckStatus { PASS, FAIL, SKIPPED }

data class CheckResult(val name: String, val status: CheckStatus, val detail: String)
