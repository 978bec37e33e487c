package io.shakti.demo.ui.design

import android.content.Context
import android.content.res.ColorStateList
import android.view.Gravity
import android.view.View
import android.widget.ImageView
import android.widget.LinearLayout
import io.shakti.demo.R

/** A raised ground for things that belong together. */
class Card(context: Context) : LinearLayout(context) {
    init {
        orientation = VERTICAL
        background = context.rounded(R.color.card, stroke = R.color.outline)
        clipToOutline = true
        pad(R.dimen.space_l, R.dimen.space_l)
    }
}

enum class BannerKind(val ground: Int, val ink: Int, val icon: Int) {
    INFO(R.color.tonal, R.color.on_tonal, R.drawable.ic_about),
    WARNING(R.color.accent_tonal, R.color.on_accent_tonal, R.drawable.ic_warning),
    ERROR(R.color.error_tonal, R.color.on_error_tonal, R.drawable.ic_warning),
}

/** What a banner offers to do. */
class BannerAction(val text: CharSequence, val run: () -> Unit)

/**
 * A sentence and the ways on from it; the one way in which failures are shown.
 *
 * TalkBack reads it when it appears. [detail] is the technical line below the sentence.
 */
class Banner(context: Context) : LinearLayout(context) {
    private val icon = ImageView(context)
    private val sentence = Label(context, TextRole.BODY)
    private val detail = Label(context, TextRole.SMALL)
    private val ways = FlowRow(context)

    init {
        orientation = HORIZONTAL
        pad(R.dimen.space_l, R.dimen.space_m)
        add(icon, width = dimen(R.dimen.icon), height = dimen(R.dimen.icon))
        icon.importantForAccessibility = View.IMPORTANT_FOR_ACCESSIBILITY_NO
        val texts = context.column {
            add(sentence)
            add(detail, above = R.dimen.space_xs)
            add(ways, above = R.dimen.space_xs)
            // The words of the first way stand below the sentence, not its padding.
            (ways.layoutParams as LayoutParams).marginStart = -dimen(R.dimen.space_m)
        }
        add(texts, width = 0, weight = 1f, start = R.dimen.space_m)
        accessibilityLiveRegion = View.ACCESSIBILITY_LIVE_REGION_POLITE
        visibility = View.GONE
    }

    fun show(
        kind: BannerKind,
        text: CharSequence,
        detail: CharSequence? = null,
        actions: List<BannerAction> = emptyList(),
    ) {
        background = context.rounded(kind.ground)
        icon.setImageResource(kind.icon)
        icon.imageTintList = ColorStateList.valueOf(colour(kind.ink))
        sentence.setTextColor(colour(kind.ink))
        this.detail.setTextColor(colour(kind.ink))
        sentence.show(text)
        this.detail.show(detail)
        ways.removeAllViews()
        for (action in actions) {
            val button = ActionButton(context, action.text, ButtonStyle.TEXT, onClick = action.run)
            button.setTextColor(colour(kind.ink))
            ways.addView(button)
        }
        ways.visibility = if (actions.isEmpty()) View.GONE else View.VISIBLE
        val below = dimen(if (actions.isEmpty()) R.dimen.space_m else R.dimen.space_xs)
        setPaddingRelative(paddingStart, paddingTop, paddingEnd, below)
        visibility = View.VISIBLE
    }

    fun hide() {
        visibility = View.GONE
    }
}

/** Nothing here yet: what would be here, and the first step. */
class EmptyState(
    context: Context,
    icon: Int,
    title: CharSequence,
    text: CharSequence,
    action: BannerAction? = null,
) : LinearLayout(context) {
    init {
        orientation = VERTICAL
        gravity = Gravity.CENTER
        pad(R.dimen.space_xl, R.dimen.space_xl)
        val disc = ImageView(context).apply {
            setImageResource(icon)
            imageTintList = ColorStateList.valueOf(colour(R.color.on_tonal))
            background = context.rounded(R.color.tonal, R.dimen.corner_l)
            scaleType = ImageView.ScaleType.CENTER
            importantForAccessibility = View.IMPORTANT_FOR_ACCESSIBILITY_NO
        }
        val size = context.dp(DISC_DP)
        add(disc, width = size, height = size)
        add(centred(TextRole.TITLE, R.color.text, title), above = R.dimen.space_l)
            .markHeading()
        add(centred(TextRole.BODY, R.color.text_muted, text), above = R.dimen.space_s)
        action?.let {
            val button = ActionButton(context, it.text, onClick = it.run)
            add(button, width = WRAP, above = R.dimen.space_xl)
        }
    }

    private fun centred(role: TextRole, colour: Int, text: CharSequence) =
        Label(context, role, colour).apply {
            this.text = text
            textAlignment = View.TEXT_ALIGNMENT_CENTER
            gravity = Gravity.CENTER
        }

    private companion object {
        const val DISC_DP = 64f
    }
}
