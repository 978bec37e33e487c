package io.shakti.demo.ui.design

import android.content.Context
import android.text.Editable
import android.text.InputType
import android.text.TextWatcher
import android.view.View
import android.widget.EditText
import android.widget.LinearLayout
import io.shakti.demo.R

/** A text field with its name above it and help or a mistake below it. */
class TextBox(context: Context, label: CharSequence?, hint: CharSequence? = null) :
    LinearLayout(context) {
    val input = EditText(context)
    private val note = Label(context, TextRole.SMALL, R.color.text_muted)

    /** Called with each text that the person typed, not with those that were set. */
    var onText: (String) -> Unit = {}
    private var setting = false

    var text: String
        get() = input.text.toString()
        set(value) {
            if (value == text) return
            setting = true
            input.setText(value)
            input.setSelection(value.length)
            setting = false
        }

    init {
        orientation = VERTICAL
        if (label != null) {
            val name = add(Label(context, TextRole.LABEL, R.color.text_muted))
            name.text = label
            input.id = View.generateViewId()
            name.labelFor = input.id
        }
        input.style(TextRole.BODY)
        input.setTextColor(colour(R.color.text))
        input.setHintTextColor(colour(R.color.text_muted))
        input.hint = hint
        input.background = context.rounded(R.color.sunken)
        input.pad(R.dimen.space_l, R.dimen.space_m)
        input.minimumHeight = dimen(R.dimen.touch)
        input.addTextChangedListener(Watcher())
        add(input, above = if (label == null) null else R.dimen.space_xs)
        add(note, above = R.dimen.space_xs)
        say(null)
    }

    /** Grows from one line up to [most], then scrolls. */
    fun lines(most: Int) {
        input.inputType = InputType.TYPE_CLASS_TEXT or
            InputType.TYPE_TEXT_FLAG_MULTI_LINE or
            InputType.TYPE_TEXT_FLAG_CAP_SENTENCES
        input.minLines = 1
        input.maxLines = most
    }

    fun say(help: CharSequence?, mistake: Boolean = false) {
        note.setTextColor(colour(if (mistake) R.color.error else R.color.text_muted))
        note.show(help)
    }

    override fun setEnabled(enabled: Boolean) {
        super.setEnabled(enabled)
        input.isEnabled = enabled
    }

    private inner class Watcher : TextWatcher {
        override fun beforeTextChanged(s: CharSequence?, start: Int, count: Int, after: Int) = Unit

        override fun onTextChanged(s: CharSequence?, start: Int, before: Int, count: Int) = Unit

        override fun afterTextChanged(s: Editable) {
            if (!setting) onText(s.toString())
        }
    }
}
