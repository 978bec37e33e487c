package io.shakti.demo.bench

import android.content.Context
import io.shakti.demo.bundle.Bundle
import io.shakti.demo.bundle.readManifest
import io.shakti.demo.engine.ProgramLoader
import java.io.File

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
fun readBundle(folder: File): Bundle = Bundle(folder, readManifest(folder))
