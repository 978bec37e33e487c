package io.shakti.demo.ui.chat

/** A part of an answer that begins on a line of its own. */
sealed interface Block {
    data class Paragraph(val text: List<Inline>) : Block

    /** [level] 1 to 6. */
    data class Heading(val level: Int, val text: List<Inline>) : Block

    /** [marker]: a bullet or a number; [depth] 0 is the outermost list. */
    data class Item(val depth: Int, val marker: String, val text: List<Inline>) : Block

    data class Code(val text: String) : Block
}

/** A run of text in one style. */
data class Inline(
    val text: String,
    val bold: Boolean = false,
    val italic: Boolean = false,
    val code: Boolean = false,
)

/**
 * Reads the Markdown that language models write: headings, lists, fenced code, emphasis.
 *
 * Any text is valid, also one that stops anywhere: marks that are not closed stay as they are
 * written, a fence that is not closed reaches to the end. All else is text.
 */
object Markdown {
    private val heading = Regex("""^ {0,3}(#{1,6})\s+(.*?)\s*#*\s*$""")
    private val item = Regex("""^(\s*)([-*+•]|\d{1,3}[.)])\s+(.*)$""")
    private val fence = Regex("""^\s*(```+|~~~+)\s*[\w+#.-]*\s*$""")

    fun parse(text: String): List<Block> {
        val blocks = mutableListOf<Block>()
        val paragraph = mutableListOf<String>()
        fun endParagraph() {
            if (paragraph.isNotEmpty()) blocks += Block.Paragraph(inline(paragraph.joinToString("\n")))
            paragraph.clear()
        }

        val lines = text.split('\n')
        var at = 0
        while (at < lines.size) {
            val line = lines[at++].trimEnd('\r')
            val opened = fence.find(line)
            val single = opened == null && line.isNotBlank()
            val block = if (single) blockOf(line) else null
            if (!single || block != null) endParagraph()
            when {
                opened != null -> {
                    val mark = opened.groupValues[1]
                    val code = lines.drop(at).takeWhile { !closes(it, mark) }
                    at += code.size + 1
                    blocks += Block.Code(code.joinToString("\n").trimEnd())
                }
                block != null -> blocks += block
                single -> paragraph += line
            }
        }
        endParagraph()
        return blocks
    }

    private fun closes(line: String, mark: String): Boolean {
        val bare = line.trim()
        return bare.length >= mark.length && bare.all { it == mark[0] }
    }

    /** The block that [line] is by itself; null for a line of a paragraph. */
    private fun blockOf(line: String): Block? {
        heading.find(line)?.let {
            return Block.Heading(it.groupValues[1].length, inline(it.groupValues[2]))
        }
        item.find(line)?.let {
            val (indent, marker, rest) = it.destructured
            val depth = (indent.replace("\t", "    ").length / 2).coerceAtMost(MOST_DEPTH)
            return Block.Item(depth, if (marker[0].isDigit()) marker else "•", inline(rest))
        }
        return null
    }

    fun inline(text: String): List<Inline> = InlineReader(text).read()

    private const val MOST_DEPTH = 4
}

/** Finds the emphasis and the code in a block's text. */
private class InlineReader(private val text: String) {
    private val runs = mutableListOf<Inline>()
    private val plain = StringBuilder()
    private var bold = false
    private var italic = false
    private val open = ArrayDeque<String>()
    private var at = 0

    fun read(): List<Inline> {
        while (at < text.length) if (!escape() && !code() && !emphasis()) plain.append(text[at++])
        flush()
        return runs
    }

    private fun flush() {
        if (plain.isEmpty()) return
        runs += Inline(plain.toString(), bold, italic)
        plain.clear()
    }

    private fun escape(): Boolean {
        val next = text.getOrNull(at + 1)
        if (text[at] != '\\' || next == null || next !in ESCAPABLE) return false
        plain.append(next)
        at += 2
        return true
    }

    private fun code(): Boolean {
        if (text[at] != '`') return false
        val mark = text.substring(at).takeWhile { it == '`' }
        val end = text.indexOf(mark, at + mark.length)
        if (end < 0) {
            plain.append(mark)
            at += mark.length
            return true
        }
        flush()
        runs += Inline(text.substring(at + mark.length, end).trim(), bold, italic, code = true)
        at = end + mark.length
        return true
    }

    private fun emphasis(): Boolean {
        val ends = open.lastOrNull()?.takeIf { text.startsWith(it, at) && canClose(at, it) }
        val mark = ends ?: MARKS.firstOrNull { text.startsWith(it, at) } ?: return false
        if (ends != null) open.removeLast()
        else if (mark !in open && canOpen(at, mark) && closing(mark) >= 0) open.addLast(mark)
        else return false
        flush()
        toggle(mark)
        at += mark.length
        return true
    }

    private fun toggle(mark: String) {
        if (mark.length == 2) bold = !bold else italic = !italic
    }

    /** Where the emphasis that opens here ends; without an end it is no emphasis. */
    private fun closing(mark: String): Int {
        var from = at + mark.length
        while (true) {
            val end = text.indexOf(mark, from)
            if (end < 0) return -1
            val longer = mark.length == 1 && (text.getOrNull(end + 1) == mark[0])
            if (!longer && end > at + mark.length && canClose(end, mark)) return end
            from = end + if (longer) 2 else mark.length
        }
    }

    private fun canOpen(index: Int, mark: String): Boolean {
        val after = text.getOrNull(index + mark.length) ?: return false
        val before = text.getOrNull(index - 1)
        return !after.isWhitespace() && (mark[0] == '*' || before == null || !before.isLetterOrDigit())
    }

    private fun canClose(index: Int, mark: String): Boolean {
        val before = text.getOrNull(index - 1) ?: return false
        val after = text.getOrNull(index + mark.length)
        return !before.isWhitespace() &&
            (mark[0] == '*' || after == null || !after.isLetterOrDigit())
    }

    private companion object {
        val MARKS = listOf("**", "__", "*", "_")
        const val ESCAPABLE = "\\`*_#[]()-+.!>~{}|"
    }
}
