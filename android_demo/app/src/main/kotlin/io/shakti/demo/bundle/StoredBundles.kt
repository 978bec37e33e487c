package io.shakti.demo.bundle

import io.shakti.demo.AppFailure
import io.shakti.demo.FailureKind
import java.io.File
import java.io.IOException

/** No tokenizer of a known model comes near. */
internal const val MAX_TOKENIZER_BYTES = 128L * 1024 * 1024

/** What [folder] holds, by its manifest and the sizes of its files; contents are not hashed. */
internal fun readStored(folder: File, origin: BundleOrigin): StoredBundle = try {
    val manifest = readManifest(folder)
    val bundle = Bundle(folder, manifest)
    val programBytes = sizeOf(bundle.programFile)
    if (programBytes != manifest.program.sizeBytes) {
        throw AppFailure(
            FailureKind.BUNDLE_CORRUPT,
            "${manifest.program.file} has $programBytes bytes instead of " +
                "${manifest.program.sizeBytes}",
        )
    }
    val others = sizeOf(bundle.tokenizerFile) + sizeOf(File(folder, MANIFEST_NAME))
    StoredBundle.Ready(bundle, origin, programBytes + others)
} catch (failure: AppFailure) {
    StoredBundle.Broken(folder, origin, failure)
}

/** Throws AppFailure (BUNDLE_CORRUPT, BUNDLE_NEWER, FILE_UNREADABLE). */
internal fun readManifest(folder: File): Manifest {
    val file = File(folder, MANIFEST_NAME)
    if (!folder.isDirectory) {
        throw AppFailure(FailureKind.FILE_UNREADABLE, "there is no bundle at $folder")
    }
    if (sizeOf(file) > ManifestParser.MAX_BYTES) {
        throw AppFailure(FailureKind.BUNDLE_CORRUPT, "$MANIFEST_NAME is too large to be a manifest")
    }
    val data = try {
        file.readBytes()
    } catch (error: IOException) {
        throw AppFailure(FailureKind.FILE_UNREADABLE, "cannot read $file: ${error.message}", error)
    }
    return ManifestParser.parse(data)
}

/** In bytes. Throws AppFailure where it is missing (BUNDLE_CORRUPT) or kept from us. */
internal fun sizeOf(file: File): Long {
    if (!file.isFile) {
        throw AppFailure(FailureKind.BUNDLE_CORRUPT, "${file.name} is missing")
    }
    if (!file.canRead()) {
        throw AppFailure(FailureKind.FILE_UNREADABLE, "$file may not be read")
    }
    return file.length()
}
