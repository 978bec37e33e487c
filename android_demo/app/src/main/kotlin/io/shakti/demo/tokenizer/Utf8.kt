package io.shakti.demo.tokenizer

/**
 * Bytes to text as they come. Each longest part of a character that cannot go on becomes one
 * U+FFFD, as the Unicode standard advises (chapter 3.9) and Rust does; the decoders of the
 * Android versions are not all like that.
 */
internal class Utf8Decoder(private val out: Appendable) {
    private var codePoint = 0
    private var missing = 0
    private var lowest = LOWEST
    private var highest = HIGHEST

    /** No byte was replaced so far. */
    var isSound = true
        private set

    fun push(byte: Int) {
        if (missing > 0 && byte in lowest..highest) return follow(byte)
        finish()
        lead(byte)
    }

    /** No more bytes come: a begun character is U+FFFD. */
    fun finish() {
        if (missing > 0) replace()
        missing = 0
    }

    private fun replace() {
        out.append(REPLACEMENT)
        isSound = false
    }

    private fun follow(byte: Int) {
        codePoint = (codePoint shl 6) or (byte and 0x3F)
        lowest = LOWEST
        highest = HIGHEST
        if (--missing == 0) out.appendCodePoint(codePoint)
    }

    // The second byte's limits keep out overlong forms, surrogates and what is beyond U+10FFFF.
    private fun lead(byte: Int) {
        lowest = if (byte == 0xE0) 0xA0 else if (byte == 0xF0) 0x90 else LOWEST
        highest = if (byte == 0xED) 0x9F else if (byte == 0xF4) 0x8F else HIGHEST
        when (byte) {
            in 0x00..0x7F -> out.append(byte.toChar())
            in 0xC2..0xDF -> begin(byte and 0x1F, 1)
            in 0xE0..0xEF -> begin(byte and 0x0F, 2)
            in 0xF0..0xF4 -> begin(byte and 0x07, 3)
            else -> replace()
        }
    }

    private fun begin(bits: Int, following: Int) {
        codePoint = bits
        missing = following
    }

    private companion object {
        const val LOWEST = 0x80
        const val HIGHEST = 0xBF
    }
}

/** Calls [each] with the bytes of [codePoint], which is no surrogate. */
internal inline fun utf8Bytes(codePoint: Int, each: (Int) -> Unit) {
    when {
        codePoint < 0x80 -> each(codePoint)
        codePoint < 0x800 -> each(0xC0 or (codePoint shr 6))
        codePoint < 0x10000 -> each(0xE0 or (codePoint shr 12))
        else -> each(0xF0 or (codePoint shr 18))
    }
    if (codePoint >= 0x10000) each(0x80 or (codePoint shr 12 and 0x3F))
    if (codePoint >= 0x800) each(0x80 or (codePoint shr 6 and 0x3F))
    if (codePoint >= 0x80) each(0x80 or (codePoint and 0x3F))
}

internal fun Appendable.appendCodePoint(codePoint: Int) {
    if (Character.isBmpCodePoint(codePoint)) {
        append(codePoint.toChar())
    } else {
        append(Character.highSurrogate(codePoint)).append(Character.lowSurrogate(codePoint))
    }
}

/** Calls [each] with the code points of this text, from left to right. */
internal inline fun String.forEachCodePoint(each: (Int) -> Unit) {
    var at = 0
    while (at < length) {
        val codePoint = codePointAt(at)
        at += Character.charCount(codePoint)
        each(codePoint)
    }
}

/** The characters that byte-level tokens are written in, one a byte: printable ones as they are. */
internal object ByteCharacters {
    private val ofByte = CharArray(256)
    private val byteOf = IntArray(0x180) { -1 }

    init {
        var spare = 0x100
        for (byte in 0..255) {
            val printable = byte in 0x21..0x7E || byte in 0xA1..0xAC || byte in 0xAE..0xFF
            val character = if (printable) byte else spare++
            ofByte[byte] = character.toChar()
            byteOf[character] = byte
        }
    }

    fun character(byte: Int): Char = ofByte[byte]

    /** -1: [character] stands for no byte. */
    fun byte(character: Char): Int = byteOf.getOrElse(character.code) { -1 }

    fun encode(text: String): String {
        val out = StringBuilder(text.length + text.length / 2)
        text.forEachCodePoint { codePoint -> utf8Bytes(codePoint) { out.append(ofByte[it]) } }
        return out.toString()
    }
}
