package io.shakti.demo.ui.models

import android.content.Context
import android.view.View
import android.widget.LinearLayout
import io.shakti.demo.FailureKind
import io.shakti.demo.R
import io.shakti.demo.ui.design.ActionButton
import io.shakti.demo.ui.design.Banner
import io.shakti.demo.ui.design.BannerAction
import io.shakti.demo.ui.design.BannerKind
import io.shakti.demo.ui.design.ButtonStyle
import io.shakti.demo.ui.design.Card
import io.shakti.demo.ui.design.Label
import io.shakti.demo.ui.design.ProgressStrip
import io.shakti.demo.ui.design.TextRole
import io.shakti.demo.ui.design.WRAP
import io.shakti.demo.ui.design.add
import io.shakti.demo.ui.shell.Place

/** An import on its way, or what came of it; nothing at all while there is none. */
class ImportCard(context: Context, private val actions: ModelsActions) : LinearLayout(context) {
    private val card = Card(context)
    private val heading = Label(context, TextRole.HEADING)
    private val strip = ProgressStrip(context)
    private val line = Label(context, TextRole.SMALL, R.color.text_muted)
    private val banner = Banner(context)
    private val cancel =
        ActionButton(context, context.getString(R.string.cancel), ButtonStyle.TONAL) {
            actions.cancelImport()
        }

    init {
        orientation = VERTICAL
        card.add(heading)
        card.add(strip, above = R.dimen.space_m)
        card.add(line, above = R.dimen.space_s)
        card.add(cancel, width = WRAP, above = R.dimen.space_m)
        add(card)
        add(banner)
    }

    fun show(state: ImportState) {
        val running = state is ImportState.Running || state is ImportState.Cancelling
        visibility = if (state == ImportState.Idle) View.GONE else View.VISIBLE
        card.visibility = if (running) View.VISIBLE else View.GONE
        if (running || state == ImportState.Idle) banner.hide()
        when (state) {
            ImportState.Idle -> Unit
            is ImportState.Running -> showRunning(state)
            is ImportState.Cancelling -> {
                heading.text = context.getString(R.string.import_running, state.name)
                strip.share = null
                line.text = context.getString(R.string.import_cancelling)
                cancel.visibility = View.GONE
            }
            is ImportState.Done -> showDone(state)
            is ImportState.Failed -> showFailed(state)
        }
    }

    private fun showRunning(state: ImportState.Running) {
        heading.text = context.getString(R.string.import_running, state.name)
        strip.share = state.share
        line.text = context.importLine(state)
        cancel.visibility = View.VISIBLE
    }

    private fun showDone(state: ImportState.Done) {
        val words = if (state.nowUsed) R.string.import_done_used else R.string.import_done
        val name = state.bundle.bundle.manifest.name
        val chat = BannerAction(context.getString(R.string.import_to_chat)) {
            actions.dismissImport()
            actions.go(Place.CHAT)
        }
        banner.show(
            BannerKind.INFO,
            context.getString(words, name),
            actions = listOfNotNull(chat.takeIf { state.nowUsed }, close()),
        )
    }

    private fun showFailed(state: ImportState.Failed) {
        val retry = BannerAction(context.getString(R.string.way_retry)) { actions.retryImport() }
        val other = BannerAction(context.getString(R.string.import_other_file)) { actions.pick() }
        val about = BannerAction(context.getString(R.string.way_about)) { actions.go(Place.ABOUT) }
        val ways =
            when (state.failure.kind) {
                FailureKind.BUNDLE_NEWER -> listOf(other, about)
                FailureKind.STORAGE_FULL -> listOf(retry)
                FailureKind.FILE_UNREADABLE -> listOf(retry, other)
                else -> listOf(other)
            }
        banner.show(
            BannerKind.ERROR,
            context.importSentence(state),
            state.failure.message,
            ways + close(),
        )
    }

    private fun close() =
        BannerAction(context.getString(R.string.close)) { actions.dismissImport() }
}
