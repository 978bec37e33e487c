package io.shakti.demo.ui.models

import android.content.Context
import android.view.View
import android.widget.FrameLayout
import android.widget.LinearLayout
import io.shakti.demo.R
import io.shakti.demo.ui.design.ActionButton
import io.shakti.demo.ui.design.Banner
import io.shakti.demo.ui.design.BannerAction
import io.shakti.demo.ui.design.EmptyState
import io.shakti.demo.ui.design.FactRow
import io.shakti.demo.ui.design.IconButton
import io.shakti.demo.ui.design.Label
import io.shakti.demo.ui.design.MATCH
import io.shakti.demo.ui.design.Page
import io.shakti.demo.ui.design.TextRole
import io.shakti.demo.ui.design.WRAP
import io.shakti.demo.ui.design.add
import io.shakti.demo.ui.design.column
import io.shakti.demo.ui.design.section

/** Draws a [ModelsState]: the list, or one model's details. What did not change stays as it is. */
class ModelsView(context: Context, private val actions: ModelsActions) : FrameLayout(context) {
    private val page = Page(context, context.getString(R.string.place_models))
    private val notice = Banner(context)
    private val importCard = ImportCard(context, actions)
    private val list = context.column()
    private var drawn: ModelList? = null
    private var details: Pair<ModelItem.Usable, DetailsPage>? = null

    init {
        val refresh = context.getString(R.string.models_refresh)
        page.topBar.action(
            IconButton(context, R.drawable.ic_retry, refresh, ink = R.color.text) {
                actions.refresh()
            }
        )
        val import = context.getString(R.string.models_import)
        page.topBar.action(
            IconButton(context, R.drawable.ic_add, import, ink = R.color.text) { actions.pick() }
        )
        page.content.add(notice)
        page.content.add(importCard, above = R.dimen.space_s)
        page.content.add(list)
        addView(page, LayoutParams(MATCH, MATCH))
    }

    fun show(state: ModelsState) {
        notice.show(state.notice.takeIf { state.details == DetailsState.Closed }, actions)
        importCard.show(state.import)
        showList(state.list)
        showDetails(state)
    }

    private fun showList(models: ModelList) {
        if (models == drawn) return
        drawn = models
        list.removeAllViews()
        when (models) {
            ModelList.Loading -> list.loading()
            ModelList.Empty -> list.empty()
            is ModelList.Loaded -> list.models(models.items)
        }
    }

    private fun LinearLayout.loading() {
        val line = Label(context, TextRole.BODY, R.color.text_muted)
        line.text = context.getString(R.string.models_loading)
        add(line, above = R.dimen.space_l)
    }

    private fun LinearLayout.empty() {
        val pick = BannerAction(context.getString(R.string.models_import), actions::pick)
        val title = context.getString(R.string.models_empty_title)
        val text = context.getString(R.string.models_empty_text)
        add(EmptyState(context, R.drawable.ic_models, title, text, pick))
        section(context.getString(R.string.models_how)) {
            command(R.string.models_how_zip, R.string.models_how_zip_command)
            command(R.string.models_how_push, R.string.models_how_push_command)
        }
    }

    private fun LinearLayout.command(name: Int, command: Int) {
        val row = FactRow(context, context.getString(name), context.getString(command), code = true)
        add(row)
    }

    private fun LinearLayout.models(items: List<ModelItem>) {
        for (item in items) {
            val card =
                when (item) {
                    is ModelItem.Usable -> context.modelCard(item, actions)
                    is ModelItem.Broken -> context.brokenCard(item, actions)
                }
            add(card, above = R.dimen.space_m)
        }
        val words = context.getString(R.string.models_import)
        val import = ActionButton(context, words, icon = R.drawable.ic_add) { actions.pick() }
        add(import, width = WRAP, above = R.dimen.space_xl)
    }

    private fun showDetails(state: ModelsState) {
        val item = (state.details as? DetailsState.Open)?.item
        if (item != details?.first) {
            details?.second?.let(::removeView)
            details = item?.let { it to DetailsPage(context, it, actions) }
            details?.second?.let { addView(it, LayoutParams(MATCH, MATCH)) }
        }
        details?.second?.show(state)
        page.visibility = if (item == null) View.VISIBLE else View.GONE
    }
}

/** Shows [notice] until it is put away. */
internal fun Banner.show(notice: ModelsNotice?, actions: ModelsActions) {
    if (notice == null) return hide()
    val text = context.noticeText(notice, actions::go)
    val close = BannerAction(context.getString(R.string.close)) { actions.dismissNotice() }
    show(text.kind, text.text, actions = listOfNotNull(text.action, close))
}
