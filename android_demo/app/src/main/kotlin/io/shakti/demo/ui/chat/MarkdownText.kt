package io.shakti.demo.ui.chat

import android.content.Context
import android.graphics.Canvas
import android.graphics.Paint
import android.graphics.Path
import android.graphics.RectF
import android.graphics.Typeface
import android.text.Layout
import android.text.SpannableStringBuilder
import android.text.Spanned
import android.text.style.ForegroundColorSpan
import android.text.style.LeadingMarginSpan
import android.text.style.LineBackgroundSpan
import android.text.style.RelativeSizeSpan
import android.text.style.StyleSpan
import android.text.style.TabStopSpan
import android.text.style.TypefaceSpan
import io.shakti.demo.R
import io.shakti.demo.ui.design.dimen
import io.shakti.demo.ui.design.sp

/** Markdown as text with spans. */
class MarkdownText(context: Context) {
    private val codeGround = context.getColor(R.color.sunken)
    private val indent = context.sp(INDENT_SP).toInt()
    private val digit = context.sp(DIGIT_SP).toInt()
    private val codeInk = context.getColor(R.color.on_accent_tonal)
    private val codePadding = context.dimen(R.dimen.space_m)
    private val corner = context.dimen(R.dimen.space_s).toFloat()

    fun of(markdown: String): CharSequence {
        val text = SpannableStringBuilder()
        var before: Block? = null
        for (block in Markdown.parse(markdown)) {
            if (before != null) text.append(gap(before, block))
            text.append(block)
            before = block
        }
        return text
    }

    /** A list's lines stand together, all else has an empty line between. */
    private fun gap(before: Block, next: Block): CharSequence {
        if (before is Block.Item && next is Block.Item) return "\n"
        val gap = SpannableStringBuilder("\n\n")
        gap.setSpan(RelativeSizeSpan(GAP_SIZE), 1, 2, Spanned.SPAN_EXCLUSIVE_EXCLUSIVE)
        return gap
    }

    private fun SpannableStringBuilder.append(block: Block) {
        val start = length
        when (block) {
            is Block.Paragraph -> append(block.text)
            is Block.Heading -> {
                append(block.text)
                mark(start, StyleSpan(Typeface.BOLD))
                mark(start, RelativeSizeSpan(if (block.level <= 2) LARGE_HEADING else HEADING))
            }
            is Block.Item -> {
                append(block.marker).append("\t")
                append(block.text)
                val outer = indent * block.depth
                val inner = outer + indent + digit * (block.marker.length - 1)
                mark(start, LeadingMarginSpan.Standard(outer, inner))
                mark(start, TabStopSpan.Standard(inner))
            }
            is Block.Code -> {
                append(block.text.ifEmpty { " " })
                mark(start, TypefaceSpan("monospace"))
                mark(start, RelativeSizeSpan(CODE_SIZE))
                mark(start, CodeGround(codeGround, codePadding, corner))
            }
        }
    }

    private fun SpannableStringBuilder.append(runs: List<Inline>) {
        for (run in runs) {
            val start = length
            append(run.text)
            if (run.bold) mark(start, StyleSpan(Typeface.BOLD))
            if (run.italic) mark(start, StyleSpan(Typeface.ITALIC))
            if (run.code) {
                mark(start, TypefaceSpan("monospace"))
                mark(start, RelativeSizeSpan(CODE_SIZE))
                mark(start, ForegroundColorSpan(codeInk))
            }
        }
    }

    private fun SpannableStringBuilder.mark(start: Int, span: Any) =
        setSpan(span, start, length, Spanned.SPAN_EXCLUSIVE_EXCLUSIVE)

    private companion object {
        const val INDENT_SP = 16f
        const val DIGIT_SP = 9f
        const val GAP_SIZE = 0.45f
        const val LARGE_HEADING = 1.2f
        const val HEADING = 1.06f
        const val CODE_SIZE = 0.88f
    }
}

/**
 * The ground behind a block of code, as wide as the text may be, with round corners at both ends.
 */
private class CodeGround(
    private val colour: Int,
    private val padding: Int,
    private val corner: Float,
) : LineBackgroundSpan, LeadingMarginSpan {
    private val path = Path()
    private val box = RectF()

    override fun drawBackground(
        canvas: Canvas,
        paint: Paint,
        left: Int,
        right: Int,
        top: Int,
        baseline: Int,
        bottom: Int,
        text: CharSequence,
        start: Int,
        end: Int,
        lineNumber: Int,
    ) {
        val spans = text as Spanned
        val isFirst = start <= spans.getSpanStart(this)
        val isLast = end >= spans.getSpanEnd(this)
        val above = if (isFirst) top - padding / 2 else top
        val below = if (isLast) bottom + padding / 2 else bottom
        box.set(left.toFloat(), above.toFloat(), right.toFloat(), below.toFloat())
        val upper = if (isFirst) corner else 0f
        val lower = if (isLast) corner else 0f
        val radii = floatArrayOf(upper, upper, upper, upper, lower, lower, lower, lower)
        path.rewind()
        path.addRoundRect(box, radii, Path.Direction.CW)
        val before = paint.color
        paint.color = colour
        canvas.drawPath(path, paint)
        paint.color = before
    }

    override fun getLeadingMargin(first: Boolean): Int = padding

    override fun drawLeadingMargin(
        canvas: Canvas,
        paint: Paint,
        x: Int,
        dir: Int,
        top: Int,
        baseline: Int,
        bottom: Int,
        text: CharSequence,
        start: Int,
        end: Int,
        first: Boolean,
        layout: Layout?,
    ) = Unit
}
