package io.shakti.demo.ui.shell

import android.content.Context
import android.content.res.ColorStateList
import android.text.TextPaint
import android.view.Gravity
import android.view.View
import android.view.accessibility.AccessibilityNodeInfo
import android.widget.ImageView
import android.widget.LinearLayout
import io.shakti.demo.R
import io.shakti.demo.ui.design.Label
import io.shakti.demo.ui.design.TextRole
import io.shakti.demo.ui.design.add
import io.shakti.demo.ui.design.colour
import io.shakti.demo.ui.design.dimen
import io.shakti.demo.ui.design.dp
import io.shakti.demo.ui.design.rounded
import io.shakti.demo.ui.design.sp
import io.shakti.demo.ui.design.touchable

/** The way between places: a bar at the bottom, or a rail at the side where there is room. */
class NavBar(context: Context, private val atSide: Boolean, private val onPlace: (Place) -> Unit) :
    LinearLayout(context) {
    private val items = Place.entries.associateWith { Item(context, it) }

    init {
        orientation = if (atSide) VERTICAL else HORIZONTAL
        setBackgroundColor(colour(R.color.card))
        if (atSide) setPaddingRelative(0, dimen(R.dimen.space_s), 0, dimen(R.dimen.space_s))
        gravity = if (atSide) Gravity.CENTER_HORIZONTAL else Gravity.CENTER_VERTICAL
        for (item in items.values) {
            if (atSide) add(item, width = MATCH_WIDTH) else add(item, width = 0, weight = 1f)
        }
    }

    fun select(place: Place) = items.forEach { (at, item) -> item.select(at == place) }

    /**
     * Words only if all of them fit: with large text the icons stand alone, and TalkBack reads on.
     */
    override fun onMeasure(widthMeasureSpec: Int, heightMeasureSpec: Int) {
        val room = MeasureSpec.getSize(widthMeasureSpec) / (if (atSide) 1 else Place.entries.size)
        val paint = TextPaint().apply {
            textSize = context.sp(TextRole.SMALL.sizeSp)
            typeface = TextRole.LABEL.typeface
        }
        val widest = Place.entries.maxOf { paint.measureText(context.getString(it.label)) }
        val fits = widest <= room - dimen(R.dimen.space_s)
        items.values.forEach { it.words.visibility = if (fits) View.VISIBLE else View.GONE }
        super.onMeasure(widthMeasureSpec, heightMeasureSpec)
    }

    private inner class Item(context: Context, place: Place) : LinearLayout(context) {
        val words = Label(context, TextRole.SMALL, R.color.text_muted)
        private val icon = ImageView(context)

        init {
            orientation = VERTICAL
            gravity = Gravity.CENTER
            minimumHeight = dimen(R.dimen.touch)
            setPaddingRelative(0, dimen(R.dimen.space_s), 0, dimen(R.dimen.space_s))
            icon.setImageResource(place.icon)
            icon.scaleType = ImageView.ScaleType.CENTER
            icon.importantForAccessibility = IMPORTANT_FOR_ACCESSIBILITY_NO
            words.text = context.getString(place.label)
            words.typeface = TextRole.LABEL.typeface
            words.maxLines = 1
            words.importantForAccessibility = IMPORTANT_FOR_ACCESSIBILITY_NO
            add(icon, width = context.dp(PILL_WIDTH_DP), height = context.dp(PILL_HEIGHT_DP))
            add(words, width = LayoutParams.WRAP_CONTENT, above = R.dimen.space_xs)
            contentDescription = context.getString(place.label)
            tooltipText = contentDescription
            background = context.touchable(null, R.dimen.corner_s)
            isFocusable = true
            setOnClickListener { onPlace(place) }
        }

        fun select(on: Boolean) {
            isSelected = on
            icon.background = if (on) context.rounded(R.color.tonal) else null
            val ink = colour(if (on) R.color.on_tonal else R.color.text_muted)
            icon.imageTintList = ColorStateList.valueOf(ink)
            words.setTextColor(colour(if (on) R.color.text else R.color.text_muted))
        }

        override fun onInitializeAccessibilityNodeInfo(info: AccessibilityNodeInfo) {
            super.onInitializeAccessibilityNodeInfo(info)
            info.className = android.widget.Button::class.java.name
        }
    }

    private companion object {
        const val MATCH_WIDTH = LayoutParams.MATCH_PARENT
        const val PILL_WIDTH_DP = 56f
        const val PILL_HEIGHT_DP = 32f
    }
}
