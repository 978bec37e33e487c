package io.shakti.demo.bench

import android.content.Context
import io.shakti.demo.AppFailure
import io.shakti.demo.FailureKind
import io.shakti.demo.bundle.Bundle
import io.shakti.demo.bundle.MANIFEST_NAME
import io.shakti.demo.bundle.ManifestParser
import io.shakti.demo.engine.ProgramLoader
import java.io.File
import java.io.IOException

/** The benchmark of the app's own screen. */
fun localBench(context: Context, loader: () -> ProgramLoader): InAppBench =
    LocalBench(
        roundTools(AndroidConditions(context), loader),
        phone = { readPhoneFacts(context) },
        appVersion = appVersion(context),
    )

/** What a round needs, on a phone. */
fun roundTools(conditions: ConditionsReader, loader: () -> ProgramLoader): RoundTools =
    RoundTools(loader, ::readBundle, conditions, peakMemoryBytes = { peakMemoryBytes() })

/** The app's version name. */
fun appVersion(context: Context): String =
    context.packageManager.getPackageInfo(context.packageName, 0).versionName.orEmpty()

/** The bundle in [folder]. Throws AppFailure (BUNDLE_CORRUPT, BUNDLE_NEWER, FILE_UNREADABLE). */
fun readBundle(folder: File): Bundle {
    val file = File(folder, MANIFEST_NAME)
    val bytes = try {
        if (file.length() > ManifestParser.MAX_BYTES) {
            throw AppFailure(FailureKind.BUNDLE_CORRUPT, "$MANIFEST_NAME is too large")
        }
        file.readBytes()
    } catch (error: IOException) {
        throw AppFailure(FailureKind.FILE_UNREADABLE, "cannot read $file", error)
    }
    return Bundle(folder, ManifestParser.parse(bytes))
}
