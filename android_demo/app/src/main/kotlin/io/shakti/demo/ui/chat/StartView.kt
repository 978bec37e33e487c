package io.shakti.demo.ui.chat

import android.content.Context
import android.view.Gravity
import android.widget.LinearLayout
import android.widget.ScrollView
import io.shakti.demo.R
import io.shakti.demo.ui.WayOn
import io.shakti.demo.ui.design.ActionButton
import io.shakti.demo.ui.design.BannerAction
import io.shakti.demo.ui.design.ButtonStyle
import io.shakti.demo.ui.design.CappedFrame
import io.shakti.demo.ui.design.EmptyState
import io.shakti.demo.ui.design.MATCH
import io.shakti.demo.ui.design.WRAP
import io.shakti.demo.ui.design.add
import io.shakti.demo.ui.design.column
import io.shakti.demo.ui.design.pad

/** What an empty chat shows. */
enum class Start {
    NO_MODEL,

    /** Who answers, and that it is private. */
    INVITATION,

    /** That, and what could be asked. */
    IDEAS,
}

/** A chat in which nothing was said yet: what to do first. */
class StartView(context: Context, private val actions: ChatActions) : ScrollView(context) {
    private val column: LinearLayout = context.column {
        gravity = Gravity.CENTER
        pad(R.dimen.screen_margin, R.dimen.space_l)
    }
    private var shown: Start? = null

    init {
        isFillViewport = true
        val frame = CappedFrame(context).apply { addView(column, MATCH, MATCH) }
        addView(frame, MATCH, WRAP)
    }

    fun show(start: Start) {
        if (shown == start) return
        shown = start
        column.removeAllViews()
        column.add(if (start == Start.NO_MODEL) noModel() else invitation(start == Start.IDEAS))
    }

    private fun noModel() = EmptyState(
        context,
        R.drawable.ic_models,
        context.getString(R.string.start_no_model),
        context.getString(R.string.start_no_model_text),
        BannerAction(context.getString(R.string.way_models)) { actions.go(WayOn.CHOOSE_MODEL) },
    )

    private fun invitation(withIdeas: Boolean) = context.column {
        val title = context.getString(R.string.start_title)
        add(EmptyState(context, R.drawable.ic_spark, title, context.getString(R.string.start_text)))
        if (!withIdeas) return@column
        for (idea in listOf(R.string.idea_1, R.string.idea_2, R.string.idea_3)) {
            val words = context.getString(idea)
            val button = ActionButton(context, words, ButtonStyle.TONAL) { actions.type(words) }
            add(button, width = WRAP, above = R.dimen.space_s, gravity = Gravity.CENTER_HORIZONTAL)
        }
    }
}
