package io.shakti.demo.ui.chat

import android.content.Context
import android.text.format.Formatter
import android.view.View
import android.widget.LinearLayout
import io.shakti.demo.R
import io.shakti.demo.chat.ChatFacts
import io.shakti.demo.ui.design.FlowRow
import io.shakti.demo.ui.design.Label
import io.shakti.demo.ui.design.MeterBar
import io.shakti.demo.ui.design.TextRole
import io.shakti.demo.ui.design.add
import io.shakti.demo.ui.design.show
import java.text.NumberFormat

/** How fast it is, what memory it takes, and how much of the model's context is used. */
class StatusLine(context: Context) : LinearLayout(context) {
    private val speed = Label(context, TextRole.SMALL, R.color.text_muted)
    private val used = Label(context, TextRole.SMALL, R.color.text_muted)
    private val meter = MeterBar(context)

    init {
        orientation = VERTICAL
        add(meter)
        val words = FlowRow(context)
        words.addView(used)
        words.addView(speed)
        add(words, above = R.dimen.space_xs)
    }

    fun show(facts: ChatFacts) {
        val model = facts.model
        val hasContext = model != null && model.isLoaded && model.contextTokens > 0
        if (hasContext) {
            val count = NumberFormat.getIntegerInstance()
            val (some, all) = count.format(model.usedTokens) to count.format(model.contextTokens)
            used.text = context.getString(R.string.context_short, some, all)
            val words = context.getString(R.string.context_used, some, all)
            used.contentDescription = words
            meter.show(model.usedTokens, model.contextTokens, words)
        }
        speed.show(context.statsWords(facts))
        visibility = if (hasContext) View.VISIBLE else View.GONE
    }
}

/** Such as "38 tokens/s · first word after 0.4 s · 412 MB"; null while nothing is known. */
fun Context.statsWords(facts: ChatFacts): String? {
    val stats = facts.stats
    val wait = stats?.ttftMs?.let { digits(if (it < SHORT_WAIT_MS) 2 else 1).format(it / MS_PER_S) }
    val parts = listOfNotNull(
        stats?.decodeTokensPerS?.let { getString(R.string.tokens_per_s, digits(1).format(it)) },
        wait?.let { getString(R.string.first_word, it) },
        facts.memoryBytes?.let { Formatter.formatShortFileSize(this, it) },
    )
    return parts.joinToString(" · ").ifEmpty { null }
}

private fun digits(count: Int) = NumberFormat.getNumberInstance().apply {
    maximumFractionDigits = count
    minimumFractionDigits = count
}

private const val MS_PER_S = 1000.0
private const val SHORT_WAIT_MS = 95
