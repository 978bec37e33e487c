package io.shakti.demo.ui.design

import android.content.Context
import android.content.res.ColorStateList
import android.view.Gravity
import android.view.View
import android.view.accessibility.AccessibilityNodeInfo
import android.widget.CompoundButton
import android.widget.ImageView
import android.widget.LinearLayout
import android.widget.RadioButton
import android.widget.Switch
import io.shakti.demo.R

/** A line of a list: what it is, more about it, and something at its end. */
open class ListRow(
    context: Context,
    title: CharSequence,
    subtitle: CharSequence? = null,
    icon: Int? = null,
    onClick: (() -> Unit)? = null,
) : LinearLayout(context) {
    val title = Label(context, TextRole.BODY)
    val subtitle = Label(context, TextRole.SMALL, R.color.text_muted)

    init {
        orientation = HORIZONTAL
        gravity = Gravity.CENTER_VERTICAL
        minimumHeight = dimen(R.dimen.touch)
        pad(R.dimen.space_s, R.dimen.space_m)
        icon?.let { addIcon(it) }
        val texts = context.column {
            add(this@ListRow.title)
            add(this@ListRow.subtitle)
        }
        add(texts, width = 0, weight = 1f, start = if (icon == null) null else R.dimen.space_m)
        this.title.show(title)
        this.subtitle.show(subtitle)
        onClick?.let { action ->
            background = context.touchable(null, R.dimen.corner_s)
            isFocusable = true
            setOnClickListener { action() }
        }
    }

    private fun addIcon(icon: Int) {
        val view = ImageView(context)
        view.setImageResource(icon)
        view.imageTintList = ColorStateList.valueOf(colour(R.color.text_muted))
        view.importantForAccessibility = View.IMPORTANT_FOR_ACCESSIBILITY_NO
        add(view, width = dimen(R.dimen.icon), height = dimen(R.dimen.icon))
    }

    /** Puts [view] at the end of the line. */
    fun <V : View> trailing(view: V): V = add(view, start = R.dimen.space_s)

    /** Shows which one of several lines is meant. */
    fun select(on: Boolean) {
        isSelected = on
        background = context.touchable(
            if (on) context.rounded(R.color.tonal, R.dimen.corner_s) else null,
            R.dimen.corner_s,
        )
        title.setTextColor(colour(if (on) R.color.on_tonal else R.color.text))
        subtitle.setTextColor(colour(if (on) R.color.on_tonal else R.color.text_muted))
    }
}

/** A line that stands for the [mark] at its end: it alone is tapped, and told to TalkBack. */
abstract class MarkRow(
    context: Context,
    title: CharSequence,
    subtitle: CharSequence?,
    private val mark: CompoundButton,
) : ListRow(context, title, subtitle) {
    init {
        mark.isClickable = false
        mark.isFocusable = false
        mark.importantForAccessibility = View.IMPORTANT_FOR_ACCESSIBILITY_NO
        trailing(mark)
        isFocusable = true
        background = context.touchable(null, R.dimen.corner_s)
        setOnClickListener { onTap() }
    }

    protected abstract fun onTap()

    @Suppress("DEPRECATION") // isChecked: what replaces it came with Android 16
    override fun onInitializeAccessibilityNodeInfo(info: AccessibilityNodeInfo) {
        super.onInitializeAccessibilityNodeInfo(info)
        info.className = mark.javaClass.name
        info.isCheckable = true
        info.isChecked = mark.isChecked
    }
}

/** Something that is on or off; the whole line is the switch. */
class SwitchRow private constructor(
    context: Context,
    title: CharSequence,
    subtitle: CharSequence?,
    private val switch: Switch,
) : MarkRow(context, title, subtitle, switch) {
    constructor(context: Context, title: CharSequence, subtitle: CharSequence? = null) :
        this(context, title, subtitle, Switch(context))

    /** Called when the person changes it. */
    var onChange: (Boolean) -> Unit = {}

    var isOn: Boolean
        get() = switch.isChecked
        set(value) {
            switch.isChecked = value
        }

    override fun onTap() {
        isOn = !isOn
        onChange(isOn)
    }
}

/** One of several; each line is a choice. */
class ChoiceRows(context: Context, choices: List<CharSequence>) : LinearLayout(context) {
    private val rows = choices.mapIndexed { index, words ->
        Choice(words, index, RadioButton(context))
    }

    /** Called with the index of what the person chose. */
    var onChoose: (Int) -> Unit = {}

    var chosen: Int = -1
        set(value) {
            field = value
            rows.forEachIndexed { index, row -> row.radio.isChecked = index == value }
        }

    init {
        orientation = VERTICAL
        rows.forEach { add(it) }
    }

    private inner class Choice(words: CharSequence, private val index: Int, val radio: RadioButton) :
        MarkRow(context, words, null, radio) {
        override fun onTap() {
            chosen = index
            onChoose(index)
        }
    }
}
