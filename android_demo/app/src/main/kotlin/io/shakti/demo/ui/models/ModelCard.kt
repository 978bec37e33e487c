package io.shakti.demo.ui.models

import android.content.Context
import android.content.res.ColorStateList
import android.view.View
import android.widget.ImageView
import android.widget.LinearLayout
import io.shakti.demo.R
import io.shakti.demo.ui.design.ActionButton
import io.shakti.demo.ui.design.ButtonStyle
import io.shakti.demo.ui.design.Card
import io.shakti.demo.ui.design.FlowRow
import io.shakti.demo.ui.design.Label
import io.shakti.demo.ui.design.TagKind
import io.shakti.demo.ui.design.TextRole
import io.shakti.demo.ui.design.WRAP
import io.shakti.demo.ui.design.add
import io.shakti.demo.ui.design.colour
import io.shakti.demo.ui.design.dimen
import io.shakti.demo.ui.design.rounded
import io.shakti.demo.ui.design.row
import io.shakti.demo.ui.design.sayClick
import io.shakti.demo.ui.design.tag
import io.shakti.demo.ui.design.touchable
import io.shakti.demo.ui.sentence

/** A model that can be used; a tap shows its details. */
fun Context.modelCard(item: ModelItem.Usable, actions: ModelsActions): View =
    Card(this).apply {
        val stroke = if (item.inUse) R.color.primary else R.color.outline
        background = touchable(rounded(R.color.card, stroke = stroke))
        isFocusable = true
        sayClick(getString(R.string.models_details_of, item.name))
        setOnClickListener { actions.open(item) }
        val chevron = ImageView(context)
        chevron.setImageResource(R.drawable.ic_chevron)
        chevron.imageTintList = ColorStateList.valueOf(colour(R.color.text_muted))
        chevron.importantForAccessibility = View.IMPORTANT_FOR_ACCESSIBILITY_NO
        val head = row {
            add(Label(context, TextRole.HEADING), width = 0, weight = 1f).text = item.name
            add(chevron, width = dimen(R.dimen.icon), height = dimen(R.dimen.icon))
        }
        add(head)
        val line = add(Label(context, TextRole.SMALL, R.color.text_muted), above = R.dimen.space_xs)
        line.text = modelLine(item.stored)
        add(tags(item), above = R.dimen.space_m)
        if (!item.inUse) {
            val use = ActionButton(context, getString(R.string.models_use), ButtonStyle.TONAL) {
                actions.use(item)
            }
            use.contentDescription = getString(R.string.models_use_of, item.name)
            add(use, width = WRAP, above = R.dimen.space_m)
        }
    }

internal fun Context.tags(item: ModelItem.Usable): View {
    val tags = FlowRow(this)
    if (item.inUse) tags.addView(tag(getString(R.string.models_in_use), TagKind.GOOD))
    if (item.stored.bundle.manifest.model.untrained) {
        tags.addView(tag(getString(R.string.models_untrained), TagKind.CAUTION))
    }
    tags.addView(tag(getString(item.stored.origin.words)))
    return tags
}

/** A folder whose bundle cannot be used: why, and how it goes away. */
fun Context.brokenCard(item: ModelItem.Broken, actions: ModelsActions): View =
    Card(this).apply {
        add(Label(context, TextRole.HEADING)).text = item.name
        val tags = FlowRow(context)
        tags.addView(tag(getString(R.string.models_broken), TagKind.BAD))
        tags.addView(tag(getString(item.stored.origin.words)))
        add(tags, above = R.dimen.space_s)
        val failure = item.stored.failure
        add(Label(context, TextRole.BODY), above = R.dimen.space_m).text = sentence(failure)
        val detail = Label(context, TextRole.SMALL, R.color.text_muted)
        detail.text = failure.message
        add(detail, above = R.dimen.space_xs)
        if (item.deletable) addDelete(item, actions) else addNotOurs(item)
    }

/** A way to delete [item]. */
internal fun LinearLayout.addDelete(item: ModelItem, actions: ModelsActions) {
    val words = context.getString(R.string.models_delete)
    val delete = ActionButton(context, words, ButtonStyle.DANGER, R.drawable.ic_delete) {
        actions.delete(item)
    }
    delete.contentDescription = context.getString(R.string.models_delete_of, item.name)
    add(delete, width = WRAP, above = R.dimen.space_l)
}

/** Where [item] lies, for one that only someone else can remove. */
internal fun LinearLayout.addNotOurs(item: ModelItem) {
    val note = add(Label(context, TextRole.SMALL, R.color.text_muted), above = R.dimen.space_m)
    note.text = context.getString(R.string.models_not_ours, item.folder.path)
}
