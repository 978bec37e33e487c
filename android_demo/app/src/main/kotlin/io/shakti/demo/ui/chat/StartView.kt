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

/** A chat in which nothing was said yet: what to do first. */
class StartView(context: Context, private val actions: ChatActions) : ScrollView(context) {
    private val column: LinearLayout = context.column {
        gravity = Gravity.CENTER
        pad(R.dimen.screen_margin, R.dimen.space_l)
    }
    private var hasModel: Boolean? = null

    init {
        isFillViewport = true
        val frame = CappedFrame(context).apply { addView(column, MATCH, MATCH) }
        addView(frame, MATCH, WRAP)
    }

    fun show(hasModel: Boolean) {
        if (this.hasModel == hasModel) return
        this.hasModel = hasModel
        column.removeAllViews()
        if (hasModel) column.add(invitation()) else column.add(noModel())
    }

    private fun noModel() = EmptyState(
        context,
        R.drawable.ic_models,
        context.getString(R.string.start_no_model),
        context.getString(R.string.start_no_model_text),
        BannerAction(context.getString(R.string.way_models)) { actions.go(WayOn.CHOOSE_MODEL) },
    )

    private fun invitation() = context.column {
        val title = context.getString(R.string.start_title)
        add(EmptyState(context, R.drawable.ic_spark, title, context.getString(R.string.start_text)))
        for (idea in listOf(R.string.idea_1, R.string.idea_2, R.string.idea_3)) {
            val words = context.getString(idea)
            val button = ActionButton(context, words, ButtonStyle.TONAL) { actions.type(words) }
            add(button, width = WRAP, above = R.dimen.space_s, gravity = Gravity.CENTER_HORIZONTAL)
        }
    }
}
