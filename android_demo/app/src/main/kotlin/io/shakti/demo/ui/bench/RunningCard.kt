package io.shakti.demo.ui.bench

import android.content.Context
import android.view.View
import android.widget.LinearLayout
import io.shakti.demo.R
import io.shakti.demo.ui.design.ActionButton
import io.shakti.demo.ui.design.ButtonStyle
import io.shakti.demo.ui.design.Card
import io.shakti.demo.ui.design.Label
import io.shakti.demo.ui.design.ProgressStrip
import io.shakti.demo.ui.design.TextRole
import io.shakti.demo.ui.design.WRAP
import io.shakti.demo.ui.design.add
import io.shakti.demo.ui.design.column
import io.shakti.demo.ui.design.section

/** A run on its way: what is measured now, how far it is, and what is known already. */
internal class RunningCard(context: Context, actions: BenchActions) : LinearLayout(context) {
    private val heading = Label(context, TextRole.HEADING)
    private val strip = ProgressStrip(context)
    private val line = Label(context, TextRole.SMALL, R.color.text_muted)
    private val table = BenchTable(context)
    private val results: View
    private val cancel =
        ActionButton(context, context.getString(R.string.cancel), ButtonStyle.TONAL) {
            actions.cancel()
        }

    init {
        orientation = VERTICAL
        val card = Card(context)
        card.add(heading)
        card.add(strip, above = R.dimen.space_m)
        card.add(line, above = R.dimen.space_s)
        card.add(cancel, width = WRAP, above = R.dimen.space_m)
        add(card, above = R.dimen.space_s)
        val soFar = context.getString(R.string.bench_so_far)
        results = context.column { section(soFar) { add(table) } }
        add(results)
    }

    fun show(state: BenchState.Running) {
        val progress = state.progress
        heading.text =
            progress?.let { context.caseWords(it.now) } ?: context.getString(R.string.bench_opening)
        strip.share = progress?.takeIf { it.total > 0 }?.let { it.done.toDouble() / it.total }
        line.text =
            when {
                state.cancelling -> context.getString(R.string.bench_cancelling)
                progress == null -> context.getString(R.string.bench_keep_open)
                else ->
                    context.getString(R.string.bench_progress, progress.done + 1, progress.total)
            }
        cancel.visibility = if (state.cancelling) View.GONE else View.VISIBLE
        val rows = progress?.rows.orEmpty()
        results.visibility = if (rows.isEmpty()) View.GONE else View.VISIBLE
        table.show(rows)
    }
}
