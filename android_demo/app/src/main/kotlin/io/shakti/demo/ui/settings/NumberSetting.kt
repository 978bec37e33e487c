package io.shakti.demo.ui.settings

import android.content.Context
import android.view.View
import android.widget.LinearLayout
import io.shakti.demo.R
import io.shakti.demo.ui.design.ActionButton
import io.shakti.demo.ui.design.ButtonStyle
import io.shakti.demo.ui.design.Label
import io.shakti.demo.ui.design.SliderRow
import io.shakti.demo.ui.design.TextRole
import io.shakti.demo.ui.design.WRAP
import io.shakti.demo.ui.design.add
import io.shakti.demo.ui.design.dimen

/** What the person may do with a number: take another, or leave it to the model again. */
class NumberActions(val onStep: (Int) -> Unit, val onReset: () -> Unit)

/** A number with its slider, what it does, and a way back to the model's own. */
class NumberSetting(
    context: Context,
    title: CharSequence,
    about: CharSequence,
    steps: Int,
    private val words: (Int) -> CharSequence,
    private val actions: NumberActions,
) : LinearLayout(context) {
    private val slider = SliderRow(context, title, steps, words)
    private val reset =
        ActionButton(context, context.getString(R.string.settings_own), ButtonStyle.TEXT) {
            actions.onReset()
        }

    init {
        orientation = VERTICAL
        add(slider)
        slider.onChange = { actions.onStep(it) }
        val note = add(Label(context, TextRole.SMALL, R.color.text_muted))
        note.text = about
        note.setPaddingRelative(dimen(R.dimen.space_s), 0, dimen(R.dimen.space_s), 0)
        reset.contentDescription = context.getString(R.string.settings_own_of, title)
        add(reset, width = WRAP)
    }

    fun show(step: Int, chosen: Boolean) {
        slider.step = step
        reset.visibility = if (chosen) View.VISIBLE else View.GONE
    }
}
