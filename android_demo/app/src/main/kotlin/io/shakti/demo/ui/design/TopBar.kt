package io.shakti.demo.ui.design

import android.content.Context
import android.text.TextUtils
import android.widget.LinearLayout
import io.shakti.demo.R

/** A screen's title, a line below it, and its actions. */
class TopBar(context: Context, title: CharSequence) : LinearLayout(context) {
    private val title = Label(context, TextRole.TITLE)
    private val subtitle = Label(context, TextRole.SMALL, R.color.text_muted)
    private val leading = context.row()
    private val actions = context.row()

    init {
        orientation = HORIZONTAL
        gravity = android.view.Gravity.CENTER_VERTICAL
        minimumHeight = dimen(R.dimen.bar)
        setPaddingRelative(dimen(R.dimen.screen_margin), 0, dimen(R.dimen.space_xs), 0)
        this.title.markHeading()
        for (line in listOf(this.title, subtitle)) {
            line.maxLines = 2
            line.ellipsize = TextUtils.TruncateAt.END
        }
        add(leading)
        val texts = context.column {
            add(this@TopBar.title)
            add(subtitle)
            setPaddingRelative(0, dimen(R.dimen.space_s), 0, dimen(R.dimen.space_s))
        }
        add(texts, width = 0, weight = 1f)
        add(actions)
        setTitle(title)
        setSubtitle(null)
    }

    fun setTitle(text: CharSequence) = title.show(text)

    /** For titles that the person wrote: what is left out stands on the screen anyway. */
    fun keepToOneLine() {
        title.maxLines = 1
    }

    fun setSubtitle(text: CharSequence?) = subtitle.show(text)

    fun action(button: IconButton): IconButton = actions.add(button)

    /** Shows a way back at the start; null takes it away. */
    fun back(onBack: (() -> Unit)?) {
        leading.removeAllViews()
        val side = if (onBack == null) R.dimen.screen_margin else R.dimen.space_xs
        setPaddingRelative(dimen(side), 0, dimen(R.dimen.space_xs), 0)
        if (onBack == null) return
        val words = context.getString(R.string.back)
        leading.add(IconButton(context, R.drawable.ic_back, words, ink = R.color.text, onClick = onBack))
    }
}
