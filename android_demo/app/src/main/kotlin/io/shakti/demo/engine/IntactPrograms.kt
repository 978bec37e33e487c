package io.shakti.demo.engine

import io.shakti.demo.AppFailure
import io.shakti.demo.FailureKind
import io.shakti.demo.bundle.Bundle
import io.shakti.demo.files.sha256Of

/** Which programs have the bytes that their manifests promise. Each is read once while it stays. */
internal class IntactPrograms {
    private data class Seen(val path: String, val sha256: String, val changedAtMs: Long)

    private val seen = HashSet<Seen>()

    /** Throws AppFailure (BUNDLE_CORRUPT, FILE_UNREADABLE). */
    fun require(bundle: Bundle) {
        val file = bundle.programFile
        val expected = bundle.manifest.program
        if (file.length() != expected.sizeBytes) {
            corrupt("${file.name} has ${file.length()} bytes, not ${expected.sizeBytes}")
        }
        val now = Seen(file.path, expected.sha256, file.lastModified())
        if (now in seen) return
        if (sha256Of(file) != expected.sha256) {
            corrupt("${file.name} is not the one that was exported")
        }
        seen += now
    }

    private fun corrupt(detail: String): Nothing =
        throw AppFailure(FailureKind.BUNDLE_CORRUPT, detail)
}
