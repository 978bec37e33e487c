package io.shakti.demo.ui.settings

import android.content.Context
import android.view.View
import android.widget.FrameLayout
import android.widget.LinearLayout
import io.shakti.demo.AppFailure
import io.shakti.demo.R
import io.shakti.demo.settings.Theme
import io.shakti.demo.ui.design.ActionButton
import io.shakti.demo.ui.design.Banner
import io.shakti.demo.ui.design.BannerAction
import io.shakti.demo.ui.design.BannerKind
import io.shakti.demo.ui.design.ButtonStyle
import io.shakti.demo.ui.design.ChoiceRows
import io.shakti.demo.ui.design.Label
import io.shakti.demo.ui.design.MATCH
import io.shakti.demo.ui.design.Page
import io.shakti.demo.ui.design.TextBox
import io.shakti.demo.ui.design.TextRole
import io.shakti.demo.ui.design.WRAP
import io.shakti.demo.ui.design.add
import io.shakti.demo.ui.design.column
import io.shakti.demo.ui.design.section
import io.shakti.demo.ui.numberWords

/** What a person can do on the settings screen; null leaves a value to the model. */
interface SettingsActions {
    fun systemPrompt(text: String)

    fun resetSystemPrompt()

    fun temperature(value: Float?)

    fun maxTokens(value: Int?)

    fun contextTokens(value: Int?)

    fun threads(value: Int?)

    fun theme(value: Theme)

    fun resetAll()

    fun chooseModel()

    fun freeStorage()
}

/** Draws a [SettingsState]. The rows are made anew only where their bounds changed. */
class SettingsView(context: Context, private val actions: SettingsActions) : FrameLayout(context) {
    private val page = Page(context, context.getString(R.string.place_settings))
    private val unsaved = Banner(context)
    private val model = context.column()
    private val themes = ChoiceRows(context, Theme.entries.map { context.getString(it.words) })
    private val reset =
        ActionButton(context, text(R.string.settings_reset_all), ButtonStyle.TONAL) {
            rows?.takeSystemPrompt()
            actions.resetAll()
        }
    private var drawn: Any? = null
    private var rows: ModelRows? = null

    init {
        page.content.apply {
            add(unsaved)
            section(text(R.string.settings_theme), above = R.dimen.space_s) { add(themes) }
            add(model)
            add(reset, width = WRAP, above = R.dimen.space_xl)
        }
        themes.onChoose = { actions.theme(Theme.entries[it]) }
        addView(page, LayoutParams(MATCH, MATCH))
    }

    fun show(state: SettingsState) {
        themes.chosen = state.theme.ordinal
        showUnsaved(state.unsaved)
        reset.visibility = if (state.changed) View.VISIBLE else View.GONE
        val values = state.model as? ModelSettings.Values
        val shape: Any = values?.shape() ?: state.model
        if (shape != drawn) {
            drawn = shape
            model.removeAllViews()
            rows = values?.let { ModelRows(context, it, actions) }
            rows?.let { model.add(it) }
            if (state.model == ModelSettings.NoModel) model.noModel()
        }
        values?.let { rows?.show(it) }
    }

    private fun showUnsaved(failure: AppFailure?) {
        if (failure == null) return unsaved.hide()
        val free = BannerAction(text(R.string.way_storage), actions::freeStorage)
        val words = text(R.string.settings_unsaved)
        unsaved.show(BannerKind.ERROR, words, failure.message, listOf(free))
    }

    private fun LinearLayout.noModel() {
        val choose = BannerAction(text(R.string.way_models), actions::chooseModel)
        add(Banner(context), above = R.dimen.space_xl)
            .show(BannerKind.INFO, text(R.string.settings_no_model), actions = listOf(choose))
    }

    private fun text(id: Int) = context.getString(id)

    private val Theme.words: Int
        get() =
            when (this) {
                Theme.SYSTEM -> R.string.theme_system
                Theme.LIGHT -> R.string.theme_light
                Theme.DARK -> R.string.theme_dark
            }
}

/** What the rows depend on, apart from the values in them. */
private fun ModelSettings.Values.shape(): Any =
    listOf(
        modelName,
        ownSystem,
        system != null,
        maxTokens.choices,
        contextTokens.choices,
        threads?.most,
    )

/** The values that depend on the model in use. */
private class ModelRows(
    context: Context,
    values: ModelSettings.Values,
    private val actions: SettingsActions,
) : LinearLayout(context) {
    private val prompt =
        TextBox(context, label = null, text(R.string.settings_system_none))
    private val resetPrompt =
        ActionButton(context, text(R.string.settings_own), ButtonStyle.TEXT) {
            takeSystemPrompt()
            actions.resetSystemPrompt()
        }

    /** Whether the field follows the state; once the person types, it is theirs. */
    private var promptFollows = true

    private val temperature =
        NumberSetting(
            context,
            text(R.string.settings_temperature),
            text(R.string.settings_temperature_about),
            Temperatures.STEPS,
            { step -> "%.2f".format(Temperatures.at(step)) },
            NumberActions(
                { actions.temperature(Temperatures.at(it)) },
                { actions.temperature(null) },
            ),
        )
    private val maxTokens =
        tokens(
            R.string.settings_answer,
            R.string.settings_answer_about,
            values.maxTokens.choices,
            actions::maxTokens,
        )
    private val contextTokens =
        tokens(
            R.string.settings_context,
            R.string.settings_context_about,
            values.contextTokens.choices,
            actions::contextTokens,
        )
    private val threads = values.threads?.let(::threads)

    init {
        orientation = VERTICAL
        values.system?.let { section(text(R.string.settings_system)) { promptField() } }
        section(context.getString(R.string.settings_answers, values.modelName)) {
            add(temperature)
            add(maxTokens, above = R.dimen.space_m)
            add(contextTokens, above = R.dimen.space_m)
            threads?.let { add(it, above = R.dimen.space_m) }
        }
        val note = add(Label(context, TextRole.SMALL, R.color.text_muted), above = R.dimen.space_m)
        note.text = text(R.string.settings_applies)
    }

    fun show(values: ModelSettings.Values) {
        values.system?.let {
            if (promptFollows) prompt.text = it.value
            resetPrompt.visibility = if (it.chosen) View.VISIBLE else View.GONE
        }
        val warmth = values.temperature
        temperature.show(Temperatures.step(warmth.value), warmth.chosen)
        maxTokens.show(values.maxTokens)
        contextTokens.show(values.contextTokens)
        values.threads?.let { threads?.show(it.chosen ?: 0, it.chosen != null) }
    }

    /** Lets the field show what the state says again. */
    fun takeSystemPrompt() {
        promptFollows = true
    }

    private fun LinearLayout.promptField() {
        prompt.lines(PROMPT_LINES)
        prompt.say(text(R.string.settings_system_about))
        prompt.onText = {
            promptFollows = false
            actions.systemPrompt(it)
        }
        add(prompt)
        add(resetPrompt, width = WRAP)
    }

    private fun tokens(title: Int, about: Int, choices: List<Int>, choose: (Int?) -> Unit) =
        NumberSetting(
            context,
            text(title),
            text(about),
            choices.lastIndex,
            { step -> tokenWords(choices[step]) },
            NumberActions({ choose(choices[it]) }, { choose(null) }),
        )

    private fun tokenWords(count: Int) =
        context.getString(R.string.settings_tokens, numberWords(count.toDouble()))

    private fun NumberSetting.show(choice: Choice) =
        show(choice.choices.indexOf(choice.value), choice.chosen)

    private fun threads(threads: Threads) =
        NumberSetting(
            context,
            text(R.string.settings_threads),
            text(R.string.settings_threads_about),
            threads.most,
            { step -> if (step == 0) text(R.string.settings_threads_auto) else "$step" },
            NumberActions({ actions.threads(it.takeIf { it > 0 }) }, { actions.threads(null) }),
        )

    private fun text(id: Int) = context.getString(id)

    private companion object {
        const val PROMPT_LINES = 6
    }
}
