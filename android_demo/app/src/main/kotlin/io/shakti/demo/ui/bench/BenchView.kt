package io.shakti.demo.ui.bench

import android.content.Context
import android.widget.FrameLayout
import android.widget.LinearLayout
import io.shakti.demo.AppFailure
import io.shakti.demo.R
import io.shakti.demo.bench.BenchOutcome
import io.shakti.demo.ui.EngineUser
import io.shakti.demo.ui.WayOn
import io.shakti.demo.ui.bytesWords
import io.shakti.demo.ui.design.ActionButton
import io.shakti.demo.ui.design.Banner
import io.shakti.demo.ui.design.BannerAction
import io.shakti.demo.ui.design.BannerKind
import io.shakti.demo.ui.design.ButtonStyle
import io.shakti.demo.ui.design.Card
import io.shakti.demo.ui.design.EmptyState
import io.shakti.demo.ui.design.FactRow
import io.shakti.demo.ui.design.FlowRow
import io.shakti.demo.ui.design.Label
import io.shakti.demo.ui.design.MATCH
import io.shakti.demo.ui.design.Page
import io.shakti.demo.ui.design.TextRole
import io.shakti.demo.ui.design.WRAP
import io.shakti.demo.ui.design.add
import io.shakti.demo.ui.design.bulletLine
import io.shakti.demo.ui.design.column
import io.shakti.demo.ui.design.markHeading
import io.shakti.demo.ui.design.section
import io.shakti.demo.ui.sentence
import io.shakti.demo.ui.shell.Place
import io.shakti.demo.ui.text

/** What a person can do on the benchmark screen. */
interface BenchActions {
    fun start(quick: Boolean)

    fun cancel()

    fun share(outcome: BenchOutcome)

    fun dismiss()

    fun go(place: Place)
}

/** Draws a [BenchState]; while a run goes on, its progress changes in place. */
class BenchView(context: Context, private val actions: BenchActions) : FrameLayout(context) {
    private val page = Page(context, context.getString(R.string.place_benchmark))
    private val problem = Banner(context)
    private val body = context.column()
    private var drawn: BenchState? = null
    private var running: RunningCard? = null

    init {
        page.content.add(problem)
        page.content.add(body)
        addView(page, LayoutParams(MATCH, MATCH))
    }

    /** Shows [words] above everything else until the next state comes. */
    fun complain(words: String, detail: String?) = problem.show(BannerKind.ERROR, words, detail)

    fun show(state: BenchState) {
        if (state == drawn) return
        problem.hide()
        // A benchmark on a dark screen would measure a phone that has gone to sleep.
        keepScreenOn = state.active
        page.topBar.setSubtitle(subtitle(state))
        val known = running
        if (state is BenchState.Running && known != null) {
            known.show(state)
        } else {
            body.removeAllViews()
            running = null
            body.draw(state)
        }
        drawn = state
    }

    private fun subtitle(state: BenchState): String? =
        when (state) {
            is BenchState.Idle -> state.modelName
            is BenchState.Running -> state.modelName
            is BenchState.Done -> state.modelName
            is BenchState.Failed -> state.modelName
            BenchState.Loading,
            BenchState.NoModel -> null
        }

    private fun LinearLayout.draw(state: BenchState) {
        when (state) {
            BenchState.Loading -> Unit
            BenchState.NoModel -> noModel()
            is BenchState.Idle -> idle(state)
            is BenchState.Running -> {
                val card = add(RunningCard(context, actions))
                card.show(state)
                running = card
            }
            is BenchState.Done -> done(state)
            is BenchState.Failed -> failed(state)
        }
    }

    private fun LinearLayout.noModel() {
        val choose = BannerAction(text(R.string.way_models)) { actions.go(Place.MODELS) }
        val title = text(R.string.bench_no_model_title)
        val words = text(R.string.bench_no_model_text)
        add(EmptyState(context, R.drawable.ic_benchmark, title, words, choose))
    }

    private fun LinearLayout.idle(state: BenchState.Idle) {
        state.otherUser?.let { busy(it) }
        explanation()
        runButtons(enabled = state.otherUser == null, again = false)
    }

    private fun LinearLayout.busy(user: EngineUser) {
        val (words, way) =
            when (user) {
                EngineUser.CHECK ->
                    R.string.busy_check to BannerAction(text(R.string.place_models)) {
                        actions.go(Place.MODELS)
                    }
                else ->
                    R.string.busy_chat to BannerAction(text(R.string.way_to_chat)) {
                        actions.go(Place.CHAT)
                    }
            }
        add(Banner(context), above = R.dimen.space_s)
            .show(BannerKind.WARNING, text(words), actions = listOf(way))
    }

    private fun LinearLayout.explanation() {
        val card = Card(context)
        card.add(Label(context, TextRole.BODY)).text = text(R.string.bench_about)
        val heading = Label(context, TextRole.LABEL, R.color.primary)
        heading.text = text(R.string.bench_fair)
        heading.markHeading()
        card.add(heading, above = R.dimen.space_l)
        for (hint in FAIR) {
            card.add(context.bulletLine(text(hint)), above = R.dimen.space_s)
        }
        add(card, above = R.dimen.space_s)
    }

    private fun LinearLayout.runButtons(enabled: Boolean, again: Boolean) {
        val buttons = FlowRow(context)
        val full = if (again) R.string.bench_again else R.string.bench_run
        for ((words, quick) in listOf(full to false, R.string.bench_quick to true)) {
            val style = if (quick || again) ButtonStyle.TONAL else ButtonStyle.FILLED
            val button = ActionButton(context, text(words), style) { actions.start(quick) }
            button.isEnabled = enabled
            buttons.addView(button)
        }
        add(buttons, above = R.dimen.space_l)
        if (!again) {
            add(Label(context, TextRole.SMALL, R.color.text_muted), above = R.dimen.space_s).text =
                text(R.string.bench_how_long)
        }
    }

    private fun LinearLayout.done(state: BenchState.Done) {
        val outcome = state.outcome
        golden(outcome)
        if (outcome.rows.isEmpty() || outcome.rows.any { it.invalid > 0 }) {
            add(Banner(context), above = R.dimen.space_m)
                .show(BannerKind.WARNING, text(R.string.bench_unfair))
        }
        section(text(R.string.bench_results)) {
            if (outcome.rows.isEmpty()) {
                add(Label(context, TextRole.BODY)).text = text(R.string.bench_nothing)
            } else {
                add(BenchTable(context)).show(outcome.rows)
            }
            val known = outcome.peakMemoryBytes?.let(context::bytesWords)
            val memory = known ?: text(R.string.bench_unknown)
            add(FactRow(context, text(R.string.bench_memory), memory))
        }
        if (outcome.remarks.isNotEmpty()) {
            section(text(R.string.bench_remarks)) {
                outcome.remarks.forEach { add(context.bulletLine(it), above = R.dimen.space_xs) }
            }
        }
        val share =
            ActionButton(context, text(R.string.bench_share), icon = R.drawable.ic_share) {
                actions.share(outcome)
            }
        add(share, width = WRAP, above = R.dimen.space_xl)
        add(Label(context, TextRole.SMALL, R.color.text_muted), above = R.dimen.space_s).text =
            text(R.string.bench_share_about)
        runButtons(state.canRepeat, again = true)
    }

    private fun LinearLayout.golden(outcome: BenchOutcome) {
        val banner = add(Banner(context), above = R.dimen.space_s)
        if (outcome.goldenConfirmed) banner.show(BannerKind.INFO, text(R.string.bench_golden))
        else banner.show(BannerKind.WARNING, text(R.string.bench_no_golden))
    }

    private fun LinearLayout.failed(state: BenchState.Failed) {
        add(Banner(context), above = R.dimen.space_s)
            .show(
                BannerKind.ERROR,
                context.sentence(state.failure),
                state.failure.message,
                ways(state.failure),
            )
        explanation()
        runButtons(state.canRepeat, again = true)
    }

    private fun ways(failure: AppFailure): List<BannerAction> {
        val places =
            mapOf(
                WayOn.CHOOSE_MODEL to Place.MODELS,
                WayOn.FREE_STORAGE to Place.MODELS,
                WayOn.ABOUT to Place.ABOUT,
            )
        val ways =
            failure.kind.text.ways.mapNotNull { way ->
                places[way]?.let { place -> BannerAction(text(way.words)) { actions.go(place) } }
            }
        return ways + BannerAction(text(R.string.close), actions::dismiss)
    }

    private fun text(id: Int) = context.getString(id)

    private companion object {
        val FAIR =
            listOf(
                R.string.bench_fair_unplug,
                R.string.bench_fair_cool,
                R.string.bench_fair_others,
                R.string.bench_fair_stay,
            )
    }
}
