package io.shakti.demo.ui.about

import android.content.Context
import android.content.res.ColorStateList
import android.view.View
import android.widget.FrameLayout
import android.widget.ImageView
import android.widget.LinearLayout
import io.shakti.demo.R
import io.shakti.demo.engine.RuntimeInfo
import io.shakti.demo.ui.design.Card
import io.shakti.demo.ui.design.FactRow
import io.shakti.demo.ui.design.Label
import io.shakti.demo.ui.design.ListRow
import io.shakti.demo.ui.design.MATCH
import io.shakti.demo.ui.design.Page
import io.shakti.demo.ui.design.TextRole
import io.shakti.demo.ui.design.add
import io.shakti.demo.ui.design.bulletLine
import io.shakti.demo.ui.design.column
import io.shakti.demo.ui.design.colour
import io.shakti.demo.ui.design.dimen
import io.shakti.demo.ui.design.markHeading
import io.shakti.demo.ui.design.rounded
import io.shakti.demo.ui.design.row
import io.shakti.demo.ui.design.section

/** What a person can do on the about screen. */
interface AboutActions {
    fun read(licence: Licence)

    fun close()
}

/** Draws an [AboutState]: the app and what is in it, or one licence. */
class AboutView(
    context: Context,
    private val actions: AboutActions,
    private val textOf: (Licence) -> String,
) : FrameLayout(context) {
    private val page = Page(context, context.getString(R.string.place_about))
    private val body = context.column()
    private var licencePage: Page? = null
    private var drawn: AboutState? = null

    init {
        page.content.add(body)
        addView(page, LayoutParams(MATCH, MATCH))
    }

    fun show(state: AboutState) {
        val before = drawn
        drawn = state
        if (before?.copy(reading = null) != state.copy(reading = null)) {
            body.removeAllViews()
            body.about(state)
        }
        if (before?.reading != state.reading) showLicence(state.reading)
    }

    private fun showLicence(licence: Licence?) {
        licencePage?.let(::removeView)
        licencePage = licence?.let(::licencePage)
        licencePage?.let { addView(it, LayoutParams(MATCH, MATCH)) }
        page.visibility = if (licence == null) View.VISIBLE else View.GONE
    }

    private fun licencePage(licence: Licence) =
        Page(context, licence.title).apply {
            topBar.setSubtitle(licence.spdx)
            topBar.back(actions::close)
            val words = Label(context, TextRole.SMALL)
            words.text = textOf(licence)
            words.textDirection = View.TEXT_DIRECTION_LTR
            words.setTextIsSelectable(true)
            content.add(words, above = R.dimen.space_s)
        }

    private fun LinearLayout.about(state: AboutState) {
        app(state)
        privacy()
        section(text(R.string.about_runtime)) { runtime(state.runtime) }
        section(text(R.string.about_model)) { model(state.model) }
        section(text(R.string.about_licences)) {
            for (licence in state.licences) {
                add(ListRow(context, licence.title, licence.spdx) { actions.read(licence) })
                    .trailing(chevron())
            }
        }
    }

    private fun LinearLayout.app(state: AboutState) {
        val mark = ImageView(context)
        mark.setImageResource(R.mipmap.ic_launcher)
        mark.background = context.rounded(R.color.card)
        mark.clipToOutline = true
        mark.importantForAccessibility = View.IMPORTANT_FOR_ACCESSIBILITY_NO
        val size = dimen(R.dimen.bar)
        val head =
            context.row {
                add(mark, width = size, height = size)
                val texts =
                    context.column {
                        add(Label(context, TextRole.DISPLAY)).text = text(R.string.app_name)
                        add(Label(context, TextRole.SMALL, R.color.text_muted)).text =
                            context.getString(R.string.about_version, state.appVersion)
                    }
                add(texts, width = 0, weight = 1f, start = R.dimen.space_l)
            }
        add(head, above = R.dimen.space_s)
        val what = add(Label(context, TextRole.BODY, R.color.text_muted), above = R.dimen.space_m)
        what.text = text(R.string.about_app)
    }

    private fun LinearLayout.privacy() {
        val lock = ImageView(context)
        lock.setImageResource(R.drawable.ic_lock)
        lock.imageTintList = ColorStateList.valueOf(colour(R.color.primary))
        lock.importantForAccessibility = View.IMPORTANT_FOR_ACCESSIBILITY_NO
        val card = Card(context)
        card.add(
            context.row {
                add(lock, width = dimen(R.dimen.icon), height = dimen(R.dimen.icon))
                val heading = Label(context, TextRole.HEADING)
                heading.text = text(R.string.about_private)
                heading.markHeading()
                add(heading, width = 0, weight = 1f, start = R.dimen.space_m)
            }
        )
        card.add(Label(context, TextRole.BODY), above = R.dimen.space_s).text =
            text(R.string.about_private_text)
        add(card, above = R.dimen.space_l)
    }

    private fun LinearLayout.runtime(runtime: RuntimeInfo) {
        val name = context.getString(R.string.about_runtime_name, runtime.name, runtime.version)
        add(FactRow(context, text(R.string.about_runtime_version), name))
        add(FactRow(context, text(R.string.about_flavour), text(flavour(runtime.flavour))))
        for (limit in runtime.limits) {
            add(context.bulletLine(limit), above = R.dimen.space_s)
        }
    }

    private fun flavour(flavour: String) =
        when (flavour) {
            "official" -> R.string.about_flavour_official
            "community" -> R.string.about_flavour_community
            else -> R.string.about_flavour_other
        }

    private fun LinearLayout.model(model: ModelCredit?) {
        if (model == null) {
            add(Label(context, TextRole.BODY)).text = text(R.string.about_no_model)
            return
        }
        add(FactRow(context, text(R.string.about_model_name), model.name))
        val unknown = text(R.string.details_unknown)
        add(FactRow(context, text(R.string.details_licence), model.licence ?: unknown))
        val source =
            model.source?.let {
                context.getString(R.string.details_source_value, it.name, it.weightFormat, it.kind)
            }
        add(FactRow(context, text(R.string.details_source), source ?: unknown))
        if (model.untrained) {
            add(Label(context, TextRole.BODY, R.color.accent), above = R.dimen.space_s).text =
                text(R.string.details_untrained)
        }
    }

    private fun chevron() =
        ImageView(context).apply {
            setImageResource(R.drawable.ic_chevron)
            imageTintList = ColorStateList.valueOf(colour(R.color.text_muted))
            importantForAccessibility = View.IMPORTANT_FOR_ACCESSIBILITY_NO
        }

    private fun text(id: Int) = context.getString(id)
}
