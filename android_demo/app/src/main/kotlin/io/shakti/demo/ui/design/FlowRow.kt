package io.shakti.demo.ui.design

import android.content.Context
import android.view.View
import android.view.ViewGroup
import io.shakti.demo.R
import kotlin.math.max

/**
 * Puts its children side by side, and in a next line those that do not fit: large text, narrow
 * phone.
 */
class FlowRow(context: Context) : ViewGroup(context) {
    private val gap = dimen(R.dimen.space_s)

    override fun onMeasure(widthMeasureSpec: Int, heightMeasureSpec: Int) {
        val most = MeasureSpec.getSize(widthMeasureSpec)
        val child = MeasureSpec.makeMeasureSpec(most, MeasureSpec.AT_MOST)
        val free = MeasureSpec.makeMeasureSpec(0, MeasureSpec.UNSPECIFIED)
        shown().forEach { it.measure(child, free) }
        val lines = lines(most)
        val width = lines.maxOfOrNull { line -> widthOf(line) } ?: 0
        setMeasuredDimension(resolveSize(width, widthMeasureSpec), lines.sumOf { heightOf(it) })
    }

    override fun onLayout(changed: Boolean, l: Int, t: Int, r: Int, b: Int) {
        val width = r - l
        val rightToLeft = layoutDirection == View.LAYOUT_DIRECTION_RTL
        var top = 0
        for (line in lines(width)) {
            var start = 0
            val height = heightOf(line)
            for (view in line) {
                val left = if (rightToLeft) width - start - view.measuredWidth else start
                val above = top + (height - view.measuredHeight) / 2
                view.layout(left, above, left + view.measuredWidth, above + view.measuredHeight)
                start += view.measuredWidth + gap
            }
            top += height
        }
    }

    private fun shown() = (0 until childCount).map { getChildAt(it) }.filter { it.visibility != GONE }

    private fun lines(most: Int): List<List<View>> {
        val lines = mutableListOf<MutableList<View>>()
        for (view in shown()) {
            val line = lines.lastOrNull()
            if (line != null && widthOf(line) + gap + view.measuredWidth <= most) line.add(view)
            else lines.add(mutableListOf(view))
        }
        return lines
    }

    private fun widthOf(line: List<View>) =
        line.sumOf { it.measuredWidth } + gap * max(0, line.size - 1)

    private fun heightOf(line: List<View>) = line.maxOf { it.measuredHeight }
}
