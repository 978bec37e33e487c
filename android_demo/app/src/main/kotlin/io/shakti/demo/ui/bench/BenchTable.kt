package io.shakti.demo.ui.bench

import android.content.Context
import android.view.View
import android.widget.LinearLayout
import io.shakti.demo.R
import io.shakti.demo.bench.BenchRow
import io.shakti.demo.ui.design.FlowRow
import io.shakti.demo.ui.design.Label
import io.shakti.demo.ui.design.TextRole
import io.shakti.demo.ui.design.add
import io.shakti.demo.ui.design.column
import io.shakti.demo.ui.design.dimen
import io.shakti.demo.ui.numberWords

/** Results, one below the other; a row that did not change stays as it is. */
class BenchTable(context: Context) : LinearLayout(context) {
    private var drawn: List<BenchRow> = emptyList()

    init {
        orientation = VERTICAL
    }

    fun show(rows: List<BenchRow>) {
        for ((index, result) in rows.withIndex()) {
            if (drawn.getOrNull(index) == result) continue
            if (index < childCount) removeViewAt(index)
            addView(view(result), index)
        }
        while (childCount > rows.size) removeViewAt(childCount - 1)
        drawn = rows
    }

    private fun view(result: BenchRow): View {
        val name = context.caseWords(result.case)
        val value = numberWords(result.median)
        val unit = context.unitWords(result.unit)
        val spread = context.spreadWords(result)
        val number = Label(context, TextRole.TITLE).apply { text = value }
        val unitLabel = Label(context, TextRole.SMALL, R.color.text_muted).apply { text = unit }
        val figures = FlowRow(context)
        figures.addView(number)
        figures.addView(unitLabel)
        return context.column {
            setPaddingRelative(0, dimen(R.dimen.space_m), 0, dimen(R.dimen.space_m))
            add(Label(context, TextRole.BODY)).text = name
            add(figures, above = R.dimen.space_xs)
            add(Label(context, TextRole.SMALL, R.color.text_muted)).text = spread
            contentDescription = "$name: $value $unit. $spread"
            isFocusable = true
            for (index in 0 until childCount) {
                getChildAt(index).importantForAccessibility =
                    View.IMPORTANT_FOR_ACCESSIBILITY_NO_HIDE_DESCENDANTS
            }
        }
    }
}
