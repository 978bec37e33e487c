package io.shakti.demo.ui.models

import android.content.Context
import android.content.res.ColorStateList
import android.view.Gravity
import android.view.View
import android.widget.ImageView
import android.widget.LinearLayout
import io.shakti.demo.R
import io.shakti.demo.bundle.CheckResult
import io.shakti.demo.bundle.CheckStatus
import io.shakti.demo.ui.design.ActionButton
import io.shakti.demo.ui.design.Banner
import io.shakti.demo.ui.design.BannerKind
import io.shakti.demo.ui.design.ButtonStyle
import io.shakti.demo.ui.design.Card
import io.shakti.demo.ui.design.Label
import io.shakti.demo.ui.design.ProgressStrip
import io.shakti.demo.ui.design.TextRole
import io.shakti.demo.ui.design.WRAP
import io.shakti.demo.ui.design.add
import io.shakti.demo.ui.design.column
import io.shakti.demo.ui.design.dimen
import io.shakti.demo.ui.design.show
import io.shakti.demo.ui.percentWords
import io.shakti.demo.ui.sentence

/** The check of one model: what it does, how far it is, and what it found. */
class CheckCard(
    context: Context,
    private val item: ModelItem.Usable,
    private val actions: ModelsActions,
) : LinearLayout(context) {
    private val about = Label(context, TextRole.BODY, R.color.text_muted)
    private val strip = ProgressStrip(context)
    private val line = Label(context, TextRole.SMALL, R.color.text_muted)
    private val verdict = Banner(context)
    private val results = context.column()
    private val start =
        ActionButton(context, context.getString(R.string.check_start), ButtonStyle.TONAL) {
            actions.check(item)
        }
    private val cancel =
        ActionButton(context, context.getString(R.string.cancel), ButtonStyle.TONAL) {
            actions.cancelCheck()
        }
    private var drawn: List<CheckResult>? = null

    init {
        orientation = VERTICAL
        about.text = context.getString(R.string.check_about)
        val card = Card(context)
        card.add(about)
        card.add(strip)
        card.add(line, above = R.dimen.space_s)
        card.add(verdict)
        card.add(results)
        card.add(start, width = WRAP, above = R.dimen.space_l)
        card.add(cancel, width = WRAP, above = R.dimen.space_m)
        add(card)
    }

    /** [check] may be about another model, which counts as none. */
    fun show(check: CheckState) {
        val mine = if (check.subject == item.folder) check else CheckState.Idle
        about.visible(mine == CheckState.Idle)
        strip.visible(mine.active)
        cancel.visible(mine is CheckState.Running)
        start.visible(!mine.active)
        val again = mine !is CheckState.Idle
        start.text = context.getString(if (again) R.string.check_again else R.string.check_start)
        line.show(lineOf(mine))
        strip.share = (mine as? CheckState.Running)?.share
        showVerdict(mine)
        showResults((mine as? CheckState.Done)?.results.orEmpty())
    }

    private fun lineOf(check: CheckState): String? =
        when (check) {
            is CheckState.Running ->
                context.getString(R.string.check_running, context.percentWords(check.share))
            is CheckState.Cancelling -> context.getString(R.string.check_cancelling)
            else -> null
        }

    private fun showVerdict(check: CheckState) {
        when (check) {
            is CheckState.Done -> {
                val skipped = check.results.any { it.status == CheckStatus.SKIPPED }
                val words =
                    when {
                        !check.passed -> R.string.check_failed
                        skipped -> R.string.check_passed_partly
                        else -> R.string.check_passed
                    }
                val kind = if (check.passed) BannerKind.INFO else BannerKind.ERROR
                verdict.show(kind, context.getString(words))
            }
            is CheckState.Failed -> {
                val failure = check.failure
                verdict.show(BannerKind.ERROR, context.sentence(failure), failure.message)
            }
            else -> verdict.hide()
        }
    }

    private fun showResults(found: List<CheckResult>) {
        if (found == drawn) return
        drawn = found
        results.removeAllViews()
        found.forEach { results.add(ResultRow(context, it), above = R.dimen.space_m) }
    }

    private fun View.visible(on: Boolean) {
        visibility = if (on) View.VISIBLE else View.GONE
    }
}

/** One thing that was checked. */
private class ResultRow(context: Context, result: CheckResult) : LinearLayout(context) {
    init {
        orientation = HORIZONTAL
        gravity = Gravity.TOP
        val look = Look.of(result.status)
        val mark = ImageView(context)
        mark.setImageResource(look.icon)
        mark.imageTintList = ColorStateList.valueOf(context.getColor(look.ink))
        mark.importantForAccessibility = View.IMPORTANT_FOR_ACCESSIBILITY_NO
        add(mark, width = dimen(R.dimen.icon), height = dimen(R.dimen.icon))
        val name = result.name.replaceFirstChar { it.uppercase() }
        val texts = context.column {
            add(Label(context, TextRole.BODY)).text = name
            add(Label(context, TextRole.SMALL, R.color.text_muted)).show(result.detail)
        }
        add(texts, width = 0, weight = 1f, start = R.dimen.space_m)
        contentDescription = "$name, ${context.getString(look.words)}. ${result.detail}"
        isFocusable = true
        texts.importantForAccessibility = View.IMPORTANT_FOR_ACCESSIBILITY_NO_HIDE_DESCENDANTS
    }

    private enum class Look(val icon: Int, val ink: Int, val words: Int) {
        PASS(R.drawable.ic_check, R.color.primary, R.string.check_pass),
        FAIL(R.drawable.ic_close, R.color.error, R.string.check_fail),
        SKIPPED(R.drawable.ic_remove, R.color.text_muted, R.string.check_skipped),
        ;

        companion object {
            fun of(status: CheckStatus) =
                when (status) {
                    CheckStatus.PASS -> PASS
                    CheckStatus.FAIL -> FAIL
                    CheckStatus.SKIPPED -> SKIPPED
                }
        }
    }
}
