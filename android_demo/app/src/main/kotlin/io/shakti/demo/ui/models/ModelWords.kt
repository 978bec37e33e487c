package io.shakti.demo.ui.models

import android.content.Context
import io.shakti.demo.FailureKind
import io.shakti.demo.R
import io.shakti.demo.bundle.BundleOrigin
import io.shakti.demo.bundle.StoredBundle
import io.shakti.demo.ui.EngineUser
import io.shakti.demo.ui.bytesWords
import io.shakti.demo.ui.design.BannerAction
import io.shakti.demo.ui.design.BannerKind
import io.shakti.demo.ui.numberWords
import io.shakti.demo.ui.parametersWords
import io.shakti.demo.ui.sentence
import io.shakti.demo.ui.shell.Place
import io.shakti.demo.ui.timeWords

/** "134.5 M parameters · 4.6 bits a weight · 79 MB". */
fun Context.modelLine(stored: StoredBundle.Ready): String {
    val manifest = stored.bundle.manifest
    return getString(
        R.string.models_line,
        parametersWords(manifest.model.parameters),
        numberWords(manifest.quantization.bitsPerWeight, digits = 2),
        bytesWords(stored.sizeBytes),
    )
}

val BundleOrigin.words: Int
    get() =
        when (this) {
            BundleOrigin.IMPORTED -> R.string.models_origin_imported
            BundleOrigin.PUSHED -> R.string.models_origin_pushed
            BundleOrigin.EXTERNAL -> R.string.models_origin_external
        }

/** "45 MB of 79 MB · 12 MB a second · 3 s left", as far as it is known. */
fun Context.importLine(running: ImportState.Running): String {
    val total = running.totalBytes
    if (total != null && running.doneBytes >= total) return getString(R.string.import_verifying)
    val done = bytesWords(running.doneBytes)
    return listOfNotNull(
            total?.let { getString(R.string.import_of, done, bytesWords(it)) } ?: done,
            running.bytesPerS?.let { getString(R.string.import_rate, bytesWords(it.toLong())) },
            running.remaining?.let { getString(R.string.import_left, timeWords(it)) },
        )
        .joinToString(" · ")
}

/** What a person is told when the zip could not be taken in. */
fun Context.importSentence(failed: ImportState.Failed): String =
    when (failed.failure.kind) {
        FailureKind.BUNDLE_CORRUPT -> getString(R.string.import_corrupt, failed.name)
        FailureKind.BUNDLE_NEWER -> getString(R.string.import_newer, failed.name)
        FailureKind.FILE_UNREADABLE -> getString(R.string.import_unreadable, failed.name)
        FailureKind.STORAGE_FULL ->
            failed.missingBytes?.let {
                getString(R.string.import_storage_missing, failed.name, bytesWords(it))
            } ?: getString(R.string.import_storage, failed.name)
        else -> sentence(failed.failure)
    }

/** A notice in words, with the way on that helps. */
class NoticeText(val kind: BannerKind, val text: String, val action: BannerAction? = null)

fun Context.noticeText(notice: ModelsNotice, go: (Place) -> Unit): NoticeText {
    fun way(words: Int, place: Place) = BannerAction(getString(words)) { go(place) }
    return when (notice) {
        is ModelsNotice.Used ->
            NoticeText(
                BannerKind.INFO,
                getString(R.string.notice_used, notice.name),
                way(R.string.import_to_chat, Place.CHAT),
            )
        is ModelsNotice.Deleted ->
            NoticeText(BannerKind.INFO, getString(R.string.notice_deleted, notice.name))
        is ModelsNotice.NotDeleted ->
            NoticeText(BannerKind.ERROR, getString(R.string.notice_not_deleted, notice.name))
        is ModelsNotice.NoFilePicker ->
            NoticeText(BannerKind.ERROR, getString(R.string.notice_no_picker))
        is ModelsNotice.Busy ->
            when (notice.user) {
                EngineUser.CHAT ->
                    NoticeText(
                        BannerKind.WARNING,
                        getString(R.string.busy_chat),
                        way(R.string.way_to_chat, Place.CHAT),
                    )
                EngineUser.CHECK ->
                    NoticeText(BannerKind.WARNING, getString(R.string.busy_check))
                EngineUser.BENCHMARK ->
                    NoticeText(
                        BannerKind.WARNING,
                        getString(R.string.busy_benchmark),
                        way(R.string.way_to_benchmark, Place.BENCHMARK),
                    )
            }
    }
}
