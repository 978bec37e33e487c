package io.shakti.demo.ui.chat

import android.content.Context
import android.text.TextUtils
import android.text.format.DateUtils
import android.widget.LinearLayout
import android.widget.ScrollView
import io.shakti.demo.R
import io.shakti.demo.chat.ChatSummary
import io.shakti.demo.chat.History
import io.shakti.demo.ui.design.Banner
import io.shakti.demo.ui.design.BannerAction
import io.shakti.demo.ui.design.BannerKind
import io.shakti.demo.ui.design.CappedFrame
import io.shakti.demo.ui.design.EmptyState
import io.shakti.demo.ui.design.IconButton
import io.shakti.demo.ui.design.ListRow
import io.shakti.demo.ui.design.MATCH
import io.shakti.demo.ui.design.TopBar
import io.shakti.demo.ui.design.WRAP
import io.shakti.demo.ui.design.add
import io.shakti.demo.ui.design.column
import io.shakti.demo.ui.design.pad

/** The chats kept on the phone: open one, delete one, take that back. */
class HistoryPane(context: Context, private val actions: ChatActions, asPage: Boolean) :
    LinearLayout(context) {
    private val rows: LinearLayout = context.column()
    private val undo = Banner(context)
    private var shown: Pair<History, String>? = null

    init {
        orientation = VERTICAL
        val bar = TopBar(context, context.getString(R.string.history))
        if (asPage) bar.back { actions.showHistory(false) }
        add(bar)
        val content = context.column {
            pad(R.dimen.space_s, R.dimen.space_s)
            add(undo)
            add(rows, above = R.dimen.space_s)
        }
        val frame = CappedFrame(context).apply { addView(content, MATCH, WRAP) }
        val scroll = ScrollView(context).apply { addView(frame, MATCH, WRAP) }
        add(scroll, height = 0, weight = 1f)
    }

    /** [current] is the id of the open chat. */
    fun show(history: History, current: String) {
        if (shown == history to current) return
        shown = history to current
        showUndo(history)
        rows.removeAllViews()
        if (history.chats.isEmpty()) rows.add(empty())
        history.chats.forEach { rows.add(row(it, it.id == current)) }
    }

    private fun showUndo(history: History) {
        val deleted = history.deleted ?: return undo.hide()
        undo.show(
            BannerKind.INFO,
            context.getString(R.string.chat_deleted, deleted.title),
            actions = listOf(BannerAction(context.getString(R.string.undo)) { actions.undoDelete() }),
        )
    }

    private fun empty() = EmptyState(
        context,
        R.drawable.ic_history,
        context.getString(R.string.history_empty),
        context.getString(R.string.history_empty_text),
    )

    private fun row(chat: ChatSummary, isOpen: Boolean): ListRow {
        val title = chat.title.ifBlank { context.getString(R.string.untitled) }
        val row = ListRow(context, title, ago(chat.changedAtMs)) { actions.open(chat.id) }
        row.title.maxLines = 2
        row.title.ellipsize = TextUtils.TruncateAt.END
        row.select(isOpen)
        val words = context.getString(R.string.delete_chat, title)
        row.trailing(IconButton(context, R.drawable.ic_delete, words, ink = R.color.text_muted) {
            actions.delete(chat.id)
        })
        return row
    }

    private fun ago(timeMs: Long): CharSequence = DateUtils.getRelativeTimeSpanString(
        timeMs,
        System.currentTimeMillis(),
        DateUtils.MINUTE_IN_MILLIS,
        DateUtils.FORMAT_ABBREV_RELATIVE,
    )
}
