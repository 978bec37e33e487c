package io.shakti.demo.ui.chat

import android.content.Context
import android.view.Gravity
import android.view.View
import android.widget.LinearLayout
import io.shakti.demo.R
import io.shakti.demo.chat.ChatScreenState
import io.shakti.demo.chat.ChatState
import io.shakti.demo.ui.design.ButtonStyle
import io.shakti.demo.ui.design.IconButton
import io.shakti.demo.ui.design.Label
import io.shakti.demo.ui.design.TextBox
import io.shakti.demo.ui.design.TextRole
import io.shakti.demo.ui.design.add
import io.shakti.demo.ui.design.dimen
import io.shakti.demo.ui.design.rounded
import io.shakti.demo.ui.design.row

/** Where a question is typed, and sent; while an answer comes the same button stops it. */
class Composer(context: Context, private val actions: ChatActions) : LinearLayout(context) {
    private val box = TextBox(context, null, context.getString(R.string.ask_hint))
    private val button = IconButton(
        context,
        R.drawable.ic_send,
        context.getString(R.string.send),
        ButtonStyle.FILLED,
    )
    private val editing = context.row()
    private var replaces: Int? = null

    init {
        orientation = VERTICAL
        val words = Label(context, TextRole.SMALL, R.color.text_muted)
        words.text = context.getString(R.string.editing)
        editing.add(words, width = 0, weight = 1f, start = R.dimen.space_l)
        val leave = IconButton(context, R.drawable.ic_close, context.getString(R.string.leave_edit)) {
            actions.leaveEdit()
        }
        editing.add(leave)
        add(editing)
        box.lines(MOST_LINES)
        box.onText = actions::type
        box.input.contentDescription = null
        val line = context.row {
            gravity = Gravity.BOTTOM
            background = context.rounded(R.color.sunken, R.dimen.corner_l)
            add(box, width = 0, weight = 1f)
            add(button)
        }
        box.input.background = null
        val inner = dimen(R.dimen.space_xs)
        line.setPaddingRelative(inner, inner, inner, inner)
        add(line)
    }

    fun show(state: ChatScreenState) {
        val isBusy = state.chat.isBusy
        val wasEditing = replaces != null
        replaces = state.draft.replaces
        editing.visibility = if (replaces == null) View.GONE else View.VISIBLE
        box.text = state.draft.text
        if (replaces != null && !wasEditing) box.input.requestFocus()
        box.isEnabled = state.chat !is ChatState.NoModel
        if (isBusy) {
            button.show(R.drawable.ic_stop, context.getString(R.string.stop))
            button.setOnClickListener { actions.stop() }
            button.isEnabled = true
        } else {
            button.show(R.drawable.ic_send, context.getString(R.string.send))
            button.setOnClickListener { actions.send() }
            button.isEnabled = state.draft.canSend && state.canAsk
        }
    }

    private companion object {
        const val MOST_LINES = 6
    }
}
