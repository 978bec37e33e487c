package io.shakti.demo.ui.design

import android.content.Context
import android.graphics.Typeface
import android.os.Build
import android.util.TypedValue
import android.view.View
import android.widget.TextView
import io.shakti.demo.R

/** Sizes of text in sp, so that they follow the person's font size; [lineSp] is a line's height. */
enum class TextRole(val sizeSp: Float, val lineSp: Float, private val family: String) {
    DISPLAY(28f, 36f, "sans-serif-medium"),
    TITLE(20f, 28f, "sans-serif-medium"),
    HEADING(16f, 24f, "sans-serif-medium"),
    BODY(16f, 25f, "sans-serif"),
    LABEL(14f, 20f, "sans-serif-medium"),
    SMALL(13f, 18f, "sans-serif"),
    CODE(14f, 21f, "monospace");

    val typeface: Typeface get() = Typeface.create(family, Typeface.NORMAL)
}

fun Context.dp(value: Float): Int =
    TypedValue.applyDimension(TypedValue.COMPLEX_UNIT_DIP, value, resources.displayMetrics).toInt()

fun Context.sp(value: Float): Float =
    TypedValue.applyDimension(TypedValue.COMPLEX_UNIT_SP, value, resources.displayMetrics)

fun Context.dimen(id: Int): Int = resources.getDimensionPixelSize(id)

fun View.dimen(id: Int): Int = context.dimen(id)

fun View.colour(id: Int): Int = context.getColor(id)

/** From this width on the app has room for a second pane. */
const val WIDE_DP = 600

val Context.isWide: Boolean get() = resources.configuration.screenWidthDp >= WIDE_DP

/** A phone on its side: too low for a bar at the bottom. */
val Context.isLow: Boolean get() = resources.configuration.screenHeightDp < LOW_DP

private const val LOW_DP = 440

/** Text in one of the roles; the colour is a colour resource. */
class Label(context: Context, role: TextRole, colour: Int = R.color.text) : TextView(context) {
    init {
        style(role)
        setTextColor(context.getColor(colour))
    }
}

fun TextView.style(role: TextRole) {
    setTextSize(TypedValue.COMPLEX_UNIT_SP, role.sizeSp)
    typeface = role.typeface
    includeFontPadding = false
    spaceLines(context.sp(role.lineSp).toInt())
    textDirection = View.TEXT_DIRECTION_FIRST_STRONG
    textAlignment = View.TEXT_ALIGNMENT_VIEW_START
}

private fun TextView.spaceLines(heightPx: Int) {
    if (Build.VERSION.SDK_INT >= Build.VERSION_CODES.P) lineHeight = heightPx
    else setLineSpacing((heightPx - paint.getFontMetricsInt(null)).toFloat(), 1f)
}

/** TalkBack jumps from heading to heading; before Android 9 it has none. */
fun View.markHeading() {
    if (Build.VERSION.SDK_INT >= Build.VERSION_CODES.P) isAccessibilityHeading = true
}

/** The text, or no view at all where there is none. */
fun TextView.show(text: CharSequence?) {
    if (this.text?.toString() != text?.toString().orEmpty()) this.text = text
    visibility = if (text.isNullOrEmpty()) View.GONE else View.VISIBLE
}
