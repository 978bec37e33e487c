package io.shakti.demo.ui.design

import android.content.Context
import android.content.res.ColorStateList
import android.view.Gravity
import android.view.View
import android.widget.Button
import android.widget.ImageButton
import android.widget.TextView
import io.shakti.demo.R

/** [fill] and [ink] are colour resources. */
enum class ButtonStyle(val fill: Int?, val ink: Int) {
    /** The one thing to do on a screen. */
    FILLED(R.color.primary, R.color.on_primary),

    /** Something else to do. */
    TONAL(R.color.tonal, R.color.on_tonal),

    /** Beside another button, or within a text. */
    TEXT(null, R.color.primary),

    /** Something that cannot be undone. */
    DANGER(R.color.error_tonal, R.color.on_error_tonal),
}

/** A button with words on it, at least as high as a finger needs; grows with the text. */
class ActionButton(
    context: Context,
    text: CharSequence,
    private val style: ButtonStyle = ButtonStyle.FILLED,
    icon: Int? = null,
    onClick: (() -> Unit)? = null,
) : TextView(context) {
    init {
        this.text = text
        style(TextRole.LABEL)
        gravity = Gravity.CENTER
        textAlignment = View.TEXT_ALIGNMENT_CENTER
        minHeight = dimen(R.dimen.touch)
        minWidth = dimen(R.dimen.touch)
        isFocusable = true
        val side = if (style == ButtonStyle.TEXT) R.dimen.space_m else R.dimen.space_xl
        pad(side, R.dimen.space_m)
        val shape = style.fill?.let { context.rounded(it, R.dimen.corner_l) }
        background = context.touchable(shape, R.dimen.corner_l, style.ink)
        setTextColor(context.getColor(style.ink))
        icon?.let {
            setCompoundDrawablesRelativeWithIntrinsicBounds(it, 0, 0, 0)
            compoundDrawablePadding = dimen(R.dimen.space_s)
            compoundDrawableTintList = ColorStateList.valueOf(context.getColor(style.ink))
        }
        onClick?.let { action -> setOnClickListener { action() } }
        isClickable = true
    }

    override fun getAccessibilityClassName(): CharSequence = Button::class.java.name

    override fun setEnabled(enabled: Boolean) {
        super.setEnabled(enabled)
        alpha = if (enabled) 1f else DISABLED_ALPHA
    }
}

/** A button with an icon alone; [description] is what TalkBack says and a long press shows. */
class IconButton(
    context: Context,
    icon: Int,
    description: CharSequence,
    private val style: ButtonStyle = ButtonStyle.TEXT,
    ink: Int = style.ink,
    onClick: (() -> Unit)? = null,
) : ImageButton(context) {
    init {
        minimumHeight = dimen(R.dimen.touch)
        minimumWidth = dimen(R.dimen.touch)
        scaleType = ScaleType.CENTER
        imageTintList = ColorStateList.valueOf(context.getColor(ink))
        val shape = style.fill?.let { context.rounded(it, R.dimen.corner_l) }
        background = context.touchable(shape, R.dimen.corner_l, ink)
        setPadding(0, 0, 0, 0)
        show(icon, description)
        onClick?.let { action -> setOnClickListener { action() } }
    }

    fun show(icon: Int, description: CharSequence) {
        setImageResource(icon)
        contentDescription = description
        tooltipText = description
    }

    override fun setEnabled(enabled: Boolean) {
        super.setEnabled(enabled)
        alpha = if (enabled) 1f else DISABLED_ALPHA
    }
}

/** What cannot be used now is paler; its meaning is told to TalkBack by the state. */
const val DISABLED_ALPHA = 0.42f
