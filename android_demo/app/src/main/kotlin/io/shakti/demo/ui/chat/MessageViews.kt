package io.shakti.demo.ui.chat

import android.content.Context
import android.content.res.ColorStateList
import android.graphics.drawable.GradientDrawable
import android.view.Gravity
import android.view.View
import android.widget.FrameLayout
import android.widget.ImageView
import android.widget.LinearLayout
import android.widget.PopupMenu
import io.shakti.demo.R
import io.shakti.demo.chat.Ending
import io.shakti.demo.ui.design.ActionButton
import io.shakti.demo.ui.design.ButtonStyle
import io.shakti.demo.ui.design.CustomAction
import io.shakti.demo.ui.design.FlowRow
import io.shakti.demo.ui.design.IconButton
import io.shakti.demo.ui.design.Label
import io.shakti.demo.ui.design.ProgressStrip
import io.shakti.demo.ui.design.TextRole
import io.shakti.demo.ui.design.WRAP
import io.shakti.demo.ui.design.add
import io.shakti.demo.ui.design.colour
import io.shakti.demo.ui.design.column
import io.shakti.demo.ui.design.dimen
import io.shakti.demo.ui.design.offer
import io.shakti.demo.ui.design.pad
import io.shakti.demo.ui.design.show
import io.shakti.demo.ui.design.touchable

/** What the person asked: a bubble at the end of the line, with a menu. */
class QuestionView(context: Context, private val actions: ChatActions) : FrameLayout(context) {
    private val bubble = Label(context, TextRole.BODY, R.color.on_tonal)
    private var shown: Message.Question? = null

    init {
        bubble.pad(R.dimen.space_l, R.dimen.space_m)
        bubble.minHeight = dimen(R.dimen.touch)
        bubble.gravity = Gravity.CENTER_VERTICAL
        bubble.setOnClickListener { menu().show() }
        bubble.isFocusable = true
        bubble.offer(::custom)
        addView(bubble, LayoutParams(WRAP, WRAP, Gravity.END))
    }

    fun show(question: Message.Question) {
        shown = question
        bubble.text = question.text
        bubble.contentDescription = context.getString(R.string.you_asked, question.text)
    }

    /** Leaves room at the start, so that who speaks can be told at a glance. */
    override fun onMeasure(widthMeasureSpec: Int, heightMeasureSpec: Int) {
        bubble.maxWidth = (MeasureSpec.getSize(widthMeasureSpec) * WIDEST).toInt()
        super.onMeasure(widthMeasureSpec, heightMeasureSpec)
    }

    override fun onRtlPropertiesChanged(layoutDirection: Int) {
        super.onRtlPropertiesChanged(layoutDirection)
        bubble.background = context.touchable(shape(layoutDirection), R.dimen.corner_m)
    }

    /** Round but for the corner that points to the speaker. */
    private fun shape(direction: Int) = GradientDrawable().apply {
        val round = dimen(R.dimen.corner_m).toFloat()
        val tip = dimen(R.dimen.space_xs).toFloat()
        val (right, left) = if (direction == LAYOUT_DIRECTION_RTL) round to tip else tip to round
        cornerRadii = floatArrayOf(round, round, round, round, right, right, left, left)
        setColor(colour(R.color.tonal))
    }

    private fun custom(): List<CustomAction> {
        val question = shown ?: return emptyList()
        val copy = CustomAction(R.id.action_copy, context.getString(R.string.copy)) {
            actions.copy(question.text)
        }
        val edit = CustomAction(R.id.action_edit, context.getString(R.string.edit)) {
            actions.edit(question.index)
        }
        return if (question.canEdit) listOf(edit, copy) else listOf(copy)
    }

    private fun menu() = PopupMenu(context, bubble, Gravity.END).apply {
        val offered = custom()
        offered.forEach { menu.add(0, it.id, 0, it.words) }
        setOnMenuItemClickListener { item ->
            offered.first { it.id == item.itemId }.run()
            true
        }
    }

    private companion object {
        const val WIDEST = 0.84f
    }
}

/** What the model said, with what can be done about it. */
class AnswerView(context: Context, private val actions: ChatActions) : LinearLayout(context) {
    private val markdown = MarkdownText(context)
    private val words = Label(context, TextRole.BODY)
    private val note = Label(context, TextRole.SMALL, R.color.text_muted)
    private val goOn = button(R.string.go_on, ButtonStyle.TONAL) { actions.goOn() }
    private val again = button(R.string.way_retry, ButtonStyle.TEXT) { actions.retry() }
    private val ways = FlowRow(context)
    private val copy = icon(R.drawable.ic_copy, R.string.copy) { shown?.let { actions.copy(it.text) } }
    private val retry = icon(R.drawable.ic_retry, R.string.retry) { actions.retry() }
    private val tools = FlowRow(context)
    private var shown: Message.Answer? = null

    init {
        orientation = HORIZONTAL
        add(Spark(context), gravity = Gravity.TOP)
        ways.addView(goOn)
        ways.addView(again)
        tools.addView(copy)
        tools.addView(retry)
        val body = context.column {
            add(words)
            add(note, above = R.dimen.space_xs)
            add(ways, above = R.dimen.space_xs)
            add(tools)
            (tools.layoutParams as LayoutParams).marginStart = -dimen(R.dimen.space_m)
        }
        add(body, width = 0, weight = 1f, start = R.dimen.space_m)
        words.offer(::custom)
    }

    fun show(answer: Message.Answer) {
        val before = shown
        shown = answer
        if (before?.text != answer.text) words.show(markdown.of(answer.text))
        // Selecting would be lost with each new word, and costs the field's whole machinery.
        if (words.isTextSelectable == answer.isLive) words.setTextIsSelectable(!answer.isLive)
        note.show(noteOf(answer))
        val mayGoOn = answer.isLast && answer.ending.canGoOn
        ways.visibility = if (mayGoOn) View.VISIBLE else View.GONE
        goOn.visibility = if (answer.text.isEmpty()) View.GONE else View.VISIBLE
        // Words without a ground begin where the text does.
        val shift = if (answer.text.isEmpty()) -dimen(R.dimen.space_m) else 0
        (ways.layoutParams as LayoutParams).marginStart = shift
        copy.visibility = if (answer.text.isEmpty()) View.GONE else View.VISIBLE
        retry.visibility = if (answer.isLast && !mayGoOn) View.VISIBLE else View.GONE
        val hasTools = !answer.isLive && (copy.visibility == VISIBLE || retry.visibility == VISIBLE)
        tools.visibility = if (hasTools) View.VISIBLE else View.GONE
    }

    private fun noteOf(answer: Message.Answer): CharSequence? = when (answer.ending) {
        Ending.WHOLE -> null
        Ending.STOPPED ->
            context.getString(if (answer.text.isEmpty()) R.string.stopped_before else R.string.stopped)
        Ending.LONGEST -> context.getString(R.string.longest)
        Ending.CONTEXT_FULL -> context.getString(R.string.context_full)
        Ending.CUT_SHORT -> context.getString(R.string.cut_short)
    }

    private fun custom(): List<CustomAction> {
        val answer = shown?.takeIf { !it.isLive } ?: return emptyList()
        val copy = CustomAction(R.id.action_copy, context.getString(R.string.copy)) {
            actions.copy(answer.text)
        }
        val retry = CustomAction(R.id.action_retry, context.getString(R.string.retry)) {
            actions.retry()
        }
        return if (answer.isLast) listOf(copy, retry) else listOf(copy)
    }

    private fun button(text: Int, style: ButtonStyle, run: () -> Unit) =
        ActionButton(context, context.getString(text), style, onClick = run)

    private fun icon(icon: Int, text: Int, run: () -> Unit) =
        IconButton(context, icon, context.getString(text), ink = R.color.text_muted, onClick = run)
}

/** The model is loading or reading. */
class WorkingView(context: Context) : LinearLayout(context) {
    private val words = Label(context, TextRole.BODY, R.color.text_muted)
    private val strip = ProgressStrip(context)

    init {
        orientation = HORIZONTAL
        add(Spark(context), gravity = Gravity.TOP)
        val body = context.column {
            add(words)
            add(strip, above = R.dimen.space_s)
        }
        add(body, width = 0, weight = 1f, start = R.dimen.space_m)
    }

    fun show(working: Message.Working) {
        words.show(context.getString(if (working.isLoading) R.string.loading_model else R.string.reading))
        strip.share = working.share
    }
}

/** Where the model's memory of the conversation begins. */
class DroppedView(context: Context) : LinearLayout(context) {
    private val words = Label(context, TextRole.SMALL, R.color.text_muted)

    init {
        orientation = VERTICAL
        words.textAlignment = View.TEXT_ALIGNMENT_CENTER
        add(View(context).apply { setBackgroundColor(colour(R.color.outline)) }, height = 1)
        add(words, above = R.dimen.space_s)
    }

    fun show(dropped: Message.Dropped) {
        words.text = resources.getQuantityString(R.plurals.dropped, dropped.turns, dropped.turns)
    }
}

/** The sign of the one who answers. */
private class Spark(context: Context) : ImageView(context) {
    init {
        setImageResource(R.drawable.ic_spark)
        imageTintList = ColorStateList.valueOf(colour(R.color.accent))
        importantForAccessibility = IMPORTANT_FOR_ACCESSIBILITY_NO
    }
}
