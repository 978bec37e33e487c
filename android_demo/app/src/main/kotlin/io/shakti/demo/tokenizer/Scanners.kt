package io.shakti.demo.tokenizer

/** Finds one pattern's matches. */
internal fun interface Scanner {
    /** End of the match that starts at [at], which is inside [text]; -1: none starts there. */
    fun matchEnd(text: String, at: Int): Int
}

/**
 * The patterns of pre-tokenizers that are known, by their exact text.
 *
 * They are written for Oniguruma. Android's and the desktop's regular expressions have other ideas
 * of letters, of case and of white space, so each pattern is a scanner of its own here.
 */
internal val KNOWN_PATTERNS: Map<String, Scanner> = buildMap {
    val gpt2Words = """ ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)"""
    put("""'s|'t|'re|'ve|'m|'ll|'d|$gpt2Words|\s+""", Gpt2Scanner(lastSpace = true))
    put("""'(?:[sdmt]|ll|ve|re)|$gpt2Words|\s+""", Gpt2Scanner(lastSpace = true))
    // What llama.cpp falls back to, written by the SDK for such GGUF files.
    put("""'s|'t|'re|'ve|'m|'ll|'d|$gpt2Words""", Gpt2Scanner(lastSpace = false))
    put("""[\p{P}\$\+<=>\^~\|]+""", RunScanner(1, Int.MAX_VALUE, ::isPunctuationOrSign))
    put("[0-9][0-9][0-9]", RunScanner(3, 3) { it in '0'.code..'9'.code })

    val contractions = """(?i:'s|'t|'re|'ve|'m|'ll|'d)"""
    val rest = """| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"""
    val llama3 = """$contractions|[^\r\n\p{L}\p{N}]?\p{L}+|"""
    put("""$llama3\p{N}{1,3}$rest""", Llama3Scanner(maxNumbers = 3))
    put("""$llama3\p{N}$rest""", Llama3Scanner(maxNumbers = 1))

    put("""\p{N}""", RunScanner(1, 1, Characters::isNumber))
    put("""\p{N}+""", RunScanner(1, Int.MAX_VALUE, Characters::isNumber))
    put("""\p{N}{1,3}""", RunScanner(1, 3, Characters::isNumber))
    put("""\s+""", RunScanner(1, Int.MAX_VALUE, Characters::isSpace))
}

/** Between [least] and [most] characters in a row that [accepts]. */
internal class RunScanner(
    private val least: Int,
    private val most: Int,
    private val accepts: (Int) -> Boolean,
) : Scanner {
    override fun matchEnd(text: String, at: Int): Int {
        var end = at
        var count = 0
        while (count < most && end < text.length) {
            val codePoint = text.codePointAt(end)
            if (!accepts(codePoint)) break
            end += Character.charCount(codePoint)
            count++
        }
        return if (count >= least) end else -1
    }
}

/** [literal] itself, which is not empty. */
internal class LiteralScanner(private val literal: String) : Scanner {
    override fun matchEnd(text: String, at: Int): Int =
        if (text.startsWith(literal, at)) at + literal.length else -1
}

/** `\w+|[^\w\s]+`. */
internal object WordScanner : Scanner {
    override fun matchEnd(text: String, at: Int): Int {
        val end = runEnd(text, at, Characters::isWord)
        if (end > at) return end
        val other = runEnd(text, at) { !Characters.isWord(it) && !Characters.isSpace(it) }
        return if (other > at) other else -1
    }
}

/**
 * GPT-2's words: contractions, then letters, numbers or signs after at most one space, then white
 * space without the last one before a word. [lastSpace]: a single one is a match, too.
 */
private class Gpt2Scanner(private val lastSpace: Boolean) : Scanner {
    override fun matchEnd(text: String, at: Int): Int {
        val contraction = contractionEnd(text, at, anyCase = false)
        if (contraction > at) return contraction
        val from = if (text[at] == ' ' && at + 1 < text.length) at + 1 else at
        val first = text.codePointAt(from)
        return when {
            Characters.isSpace(first) -> spacesEnd(text, at, lastSpace)
            Characters.isLetter(first) -> runEnd(text, from, Characters::isLetter)
            Characters.isNumber(first) -> runEnd(text, from, Characters::isNumber)
            else -> runEnd(text, from, ::isSign)
        }
    }
}

/** Llama 3's words, and with [maxNumbers] 1 Qwen 2's. */
private class Llama3Scanner(maxNumbers: Int) : Scanner {
    private val numbers = RunScanner(1, maxNumbers, Characters::isNumber)

    override fun matchEnd(text: String, at: Int): Int {
        val contraction = contractionEnd(text, at, anyCase = true)
        if (contraction > at) return contraction
        val first = text.codePointAt(at)
        if (Characters.isLetter(first)) return runEnd(text, at, Characters::isLetter)
        if (Characters.isNumber(first)) return numbers.matchEnd(text, at)
        if (first != '\r'.code && first != '\n'.code) {
            val next = at + Character.charCount(first)
            val letters = runEnd(text, next, Characters::isLetter)
            if (letters > next) return letters
        }
        val from = if (first == ' '.code) at + 1 else at
        val signs = runEnd(text, from, ::isSign)
        if (signs > from) return runEnd(text, signs) { it == '\r'.code || it == '\n'.code }
        val spaces = runEnd(text, at, Characters::isSpace)
        for (end in spaces downTo at + 1) {
            if (text[end - 1] == '\r' || text[end - 1] == '\n') return end
        }
        return spacesEnd(text, at, lastSpace = true)
    }
}

/** `[^\s\p{L}\p{N}]`. */
private fun isSign(codePoint: Int): Boolean = !Characters.isSpace(codePoint) &&
    !Characters.isLetter(codePoint) && !Characters.isNumber(codePoint)

private fun isPunctuationOrSign(codePoint: Int): Boolean =
    Characters.isPunctuation(codePoint) || codePoint < 0x80 && codePoint.toChar() in "\$+<=>^~|"

/** End of the characters that [accepts] from [from] on. */
private inline fun runEnd(text: String, from: Int, accepts: (Int) -> Boolean): Int {
    var end = from
    while (end < text.length) {
        val codePoint = text.codePointAt(end)
        if (!accepts(codePoint)) break
        end += Character.charCount(codePoint)
    }
    return end
}

/** `\s+(?!\S)`, and `\s+` if [lastSpace]. All white space is one `Char` wide. */
private fun spacesEnd(text: String, at: Int, lastSpace: Boolean): Int {
    val end = runEnd(text, at, Characters::isSpace)
    return when {
        end == text.length || lastSpace && end == at + 1 -> end
        end > at + 1 -> end - 1
        else -> -1
    }
}

/** End of 's, 't, 're, 've, 'm, 'll or 'd at [at], else [at]. */
private fun contractionEnd(text: String, at: Int, anyCase: Boolean): Int {
    if (text[at] != '\'' || at + 1 >= text.length) return at
    val first = folded(text[at + 1], anyCase)
    if (first in "stmd") return at + 2
    if (at + 2 >= text.length) return at
    val second = folded(text[at + 2], anyCase)
    val known = first == 'l' && second == 'l' || (first == 'r' || first == 'v') && second == 'e'
    return if (known) at + 3 else at
}

/** Oniguruma folds the long s as well; of the other letters here no further form exists. */
private fun folded(letter: Char, anyCase: Boolean): Char = when {
    !anyCase -> letter
    letter in 'A'..'Z' -> letter + ('a' - 'A')
    letter == '\u017F' -> 's'
    else -> letter
}
