package io.shakti.demo.tokenizer

/**
 * What kind of character a code point is, as the `tokenizers` library sees it.
 *
 * Looked up in two steps (page, then place), about 200 kB in memory, made on first use.
 */
internal object Characters {
    private const val LETTER = 1
    private const val MARK = 2
    private const val NUMBER = 4
    private const val NEWER_NUMBER = 8
    private const val PUNCTUATION = 16
    private const val OTHER_WORD = 32

    private const val PAGE_BITS = 8
    private const val PAGE_MASK = (1 shl PAGE_BITS) - 1
    private val pages = arrayOfNulls<ByteArray>((Character.MAX_CODE_POINT + 1) shr PAGE_BITS)

    init {
        fill(UnicodeRanges.LETTERS, LETTER)
        fill(UnicodeRanges.MARKS, MARK)
        fill(UnicodeRanges.NUMBERS, NUMBER)
        fill(UnicodeRanges.NEWER_NUMBERS, NEWER_NUMBER)
        fill(UnicodeRanges.PUNCTUATION, PUNCTUATION)
        fill(UnicodeRanges.OTHER_WORD, OTHER_WORD)
    }

    /** `\p{L}`. */
    fun isLetter(codePoint: Int): Boolean = has(codePoint, LETTER)

    /** `\p{N}`. */
    fun isNumber(codePoint: Int): Boolean = has(codePoint, NUMBER)

    /** What the pre-tokenizer Digits sets apart. */
    fun isDigit(codePoint: Int): Boolean = has(codePoint, NUMBER or NEWER_NUMBER)

    /** `\p{P}`. */
    fun isPunctuation(codePoint: Int): Boolean = has(codePoint, PUNCTUATION)

    /** `\w`. */
    fun isWord(codePoint: Int): Boolean = has(codePoint, LETTER or MARK or OTHER_WORD)

    /** `\s`: Unicode's White_Space, which has not changed since version 6.3. */
    fun isSpace(codePoint: Int): Boolean = when (codePoint) {
        ' '.code, in 0x09..0x0D, 0x85, 0xA0, 0x1680 -> true
        in 0x2000..0x200A, 0x2028, 0x2029, 0x202F, 0x205F, 0x3000 -> true
        else -> false
    }

    private fun has(codePoint: Int, kinds: Int): Boolean {
        val page = pages[codePoint shr PAGE_BITS] ?: return false
        return page[codePoint and PAGE_MASK].toInt() and kinds != 0
    }

    private fun fill(ranges: String, kind: Int) {
        var codePoint = 0
        var taken = false
        for (length in ranges.splitToSequence(' ')) {
            val end = codePoint + length.toInt(16)
            if (taken) for (one in codePoint until end) mark(one, kind)
            codePoint = end
            taken = !taken
        }
    }

    private fun mark(codePoint: Int, kind: Int) {
        val number = codePoint shr PAGE_BITS
        val page = pages[number] ?: ByteArray(PAGE_MASK + 1).also { pages[number] = it }
        val place = codePoint and PAGE_MASK
        page[place] = (page[place].toInt() or kind).toByte()
    }
}

/** [text] with every lone surrogate made U+FFFD, as nothing else can be written in UTF-8. */
internal fun wellFormed(text: String): String {
    val first = loneSurrogate(text, 0)
    if (first < 0) return text
    val fixed = StringBuilder(text)
    var at = first
    while (at >= 0) {
        fixed.setCharAt(at, REPLACEMENT)
        at = loneSurrogate(text, at + 1)
    }
    return fixed.toString()
}

internal const val REPLACEMENT = '\uFFFD'

/** Place of the first surrogate without its other half from [from] on; -1: there is none. */
internal fun loneSurrogate(text: String, from: Int): Int {
    var at = from
    while (at < text.length) {
        val one = text[at]
        if (one.isSurrogate()) {
            val paired = one.isHighSurrogate() && at + 1 < text.length &&
                text[at + 1].isLowSurrogate()
            if (!paired) return at
            at++
        }
        at++
    }
    return -1
}
