package io.shakti.demo.ui.design

import android.content.Context
import android.content.res.ColorStateList
import android.graphics.drawable.Drawable
import android.graphics.drawable.GradientDrawable
import android.graphics.drawable.RippleDrawable
import io.shakti.demo.R

/** A rounded rectangle; [fill] and [stroke] are colour resources, null for none. */
fun Context.rounded(fill: Int?, corner: Int = R.dimen.corner_m, stroke: Int? = null): Drawable =
    GradientDrawable().apply {
        cornerRadius = dimen(corner).toFloat()
        fill?.let { setColor(getColor(it)) }
        stroke?.let { setStroke(dp(1f), getColor(it)) }
    }

/** [shape] that answers a touch, with [ink] (a colour resource) as the ripple. */
fun Context.touchable(
    shape: Drawable?,
    corner: Int = R.dimen.corner_m,
    ink: Int = R.color.text,
): Drawable {
    val alpha = RIPPLE_ALPHA shl 24
    val ripple = ColorStateList.valueOf((getColor(ink) and 0xFFFFFF) or alpha)
    return RippleDrawable(ripple, shape, rounded(R.color.text, corner))
}

private const val RIPPLE_ALPHA = 0x24
