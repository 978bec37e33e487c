package io.shakti.demo.ui.chat

import android.content.Context
import android.graphics.Canvas
import android.graphics.Paint
import android.graphics.Typeface
import android.text.Layout
import android.text.SpannableStringBuilder
import android.text.Spanned
import android.text.style.BackgroundColorSpan
import android.text.style.LeadingMarginSpan
import android.text.style.LineBackgroundSpan
import android.text.style.RelativeSizeSpan
import android.text.style.StyleSpan
import android.text.style.TypefaceSpan
import io.shakti.demo.R
import io.shakti.demo.ui.design.dimen
import io.shakti.demo.ui.design.sp

/** Markdown as text with spans. */
class MarkdownText(context: Context) {
    private val codeGround = context.getColor(R.color.sunken)
    private val indent = context.sp(INDENT_SP).toInt()
    private val codePadding = context.dimen(R.dimen.space_m)

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
                append(block.marker).append("  ")
                append(block.text)
                val outer = indent * block.depth
                mark(start, LeadingMarginSpan.Standard(outer, outer + indent))
            }
            is Block.Code -> {
                append(block.text.ifEmpty { " " })
                mark(start, TypefaceSpan("monospace"))
                mark(start, RelativeSizeSpan(CODE_SIZE))
                mark(start, CodeGround(codeGround, codePadding))
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
                mark(start, BackgroundColorSpan(codeGround))
            }
        }
    }

    private fun SpannableStringBuilder.mark(start: Int, span: Any) =
        setSpan(span, start, length, Spanned.SPAN_EXCLUSIVE_EXCLUSIVE)

    private companion object {
        const val INDENT_SP = 18f
        const val GAP_SIZE = 0.45f
        const val LARGE_HEADING = 1.2f
        const val HEADING = 1.06f
        const val CODE_SIZE = 0.88f
    }
}

/** The ground behind a block of code, as wide as the text may be. */
private class CodeGround(private val colour: Int, private val padding: Int) :
    LineBackgroundSpan, LeadingMarginSpan {
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
        val before = paint.color
        paint.color = colour
        canvas.drawRect(left.toFloat(), top.toFloat(), right.toFloat(), bottom.toFloat(), paint)
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
