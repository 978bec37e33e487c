package io.shakti.demo.ui.design

import android.content.Context
import android.content.res.ColorStateList
import android.widget.LinearLayout
import android.widget.SeekBar
import io.shakti.demo.R

/**
 * A number between bounds: a slider for the rough, minus and plus for the exact.
 *
 * It moves in [steps] equal steps counted from 0; [words] gives the text of a step.
 */
class SliderRow(
    context: Context,
    title: CharSequence,
    private val steps: Int,
    private val words: (Int) -> CharSequence,
) : LinearLayout(context) {
    private val value = Label(context, TextRole.LABEL, R.color.primary)
    private val slider = SeekBar(context)
    private val less = stepButton(R.drawable.ic_remove, R.string.less_of, title, -1)
    private val more = stepButton(R.drawable.ic_add, R.string.more_of, title, +1)

    /** Called when the person changes it. */
    var onChange: (Int) -> Unit = {}

    var step: Int
        get() = slider.progress
        set(value) {
            slider.progress = value
            showStep()
        }

    init {
        orientation = VERTICAL
        pad(R.dimen.space_s, R.dimen.space_s)
        val name = Label(context, TextRole.BODY).apply { text = title }
        val head = context.row {
            add(name, width = 0, weight = 1f)
            add(value, start = R.dimen.space_m)
        }
        add(head)
        slider.max = steps
        slider.contentDescription = title
        slider.minimumHeight = dimen(R.dimen.touch)
        slider.progressTintList = ColorStateList.valueOf(colour(R.color.primary))
        slider.thumbTintList = ColorStateList.valueOf(colour(R.color.primary))
        slider.progressBackgroundTintList = ColorStateList.valueOf(colour(R.color.outline_strong))
        slider.setOnSeekBarChangeListener(Listener())
        val body = context.row {
            add(less)
            add(slider, width = 0, weight = 1f)
            add(more)
        }
        add(body)
        showStep()
    }

    private fun stepButton(icon: Int, words: Int, title: CharSequence, by: Int) =
        IconButton(context, icon, context.getString(words, title)) {
            step = (step + by).coerceIn(0, steps)
            onChange(step)
        }

    private fun showStep() {
        value.text = words(step)
        slider.describeState(words(step))
        less.isEnabled = step > 0
        more.isEnabled = step < steps
    }

    override fun setEnabled(enabled: Boolean) {
        super.setEnabled(enabled)
        slider.isEnabled = enabled
        less.isEnabled = enabled && step > 0
        more.isEnabled = enabled && step < steps
        alpha = if (enabled) 1f else DISABLED_ALPHA
    }

    private inner class Listener : SeekBar.OnSeekBarChangeListener {
        override fun onProgressChanged(bar: SeekBar, progress: Int, fromUser: Boolean) {
            showStep()
            if (fromUser) onChange(progress)
        }

        override fun onStartTrackingTouch(bar: SeekBar) = Unit

        override fun onStopTrackingTouch(bar: SeekBar) = Unit
    }
}
