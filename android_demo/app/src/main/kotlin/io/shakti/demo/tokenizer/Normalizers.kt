package io.shakti.demo.tokenizer

import java.text.Normalizer as Unicode

/**
 * A part of the text on its way to ids.
 *
 * [startChars]: so many of its first `Char`s stand for the first character of the whole text or
 * were put before it. Metaspace's prepend scheme "first" asks for them.
 */
internal class Piece(val text: String, val startChars: Int) {
    /** From [start] to [end], not an empty part. */
    fun part(start: Int, end: Int): Piece =
        if (start == 0 && end == text.length) this
        else Piece(text.substring(start, end), (startChars - start).coerceIn(0, end - start))

    fun withPrefix(prefix: String): Piece =
        Piece(prefix + text, if (startChars > 0) prefix.length + startChars else 0)

    /** With a change that is made to each character or its nearest neighbours. */
    inline fun map(change: (String) -> String): Piece =
        Piece(change(text), if (startChars > 0) change(text.substring(0, startChars)).length else 0)

    companion object {
        /** A whole text. */
        fun whole(text: String): Piece =
            Piece(text, if (text.isEmpty()) 0 else Character.charCount(text.codePointAt(0)))
    }
}

internal fun interface Normalizer {
    fun normalize(piece: Piece): Piece
}

/** The steps of [spec] one after the other; null does nothing. */
internal fun normalizer(spec: Spec?): Normalizer {
    val steps = spec?.let { Spec.flattened(it, "normalizers") }.orEmpty().map(::normalizerStep)
    return Normalizer { piece -> steps.fold(piece) { so, step -> step.normalize(so) } }
}

private fun normalizerStep(spec: Spec): Normalizer = when (spec.type) {
    "NFC" -> unicode(Unicode.Form.NFC)
    "NFD" -> unicode(Unicode.Form.NFD)
    "NFKC" -> unicode(Unicode.Form.NFKC)
    "NFKD" -> unicode(Unicode.Form.NFKD)
    "Lowercase" -> Normalizer { it.map(::lowercase) }
    "Prepend" -> prepend(spec.text("prepend"))
    "Replace" -> replace(spec)
    "Strip" -> strip(spec.flag("strip_left"), spec.flag("strip_right"))
    else -> throw spec.unknownType()
}

/**
 * The platform's tables: for characters that both know, Unicode's stability policy makes the
 * results of all versions equal.
 */
private fun unicode(form: Unicode.Form) =
    Normalizer { piece -> piece.map { Unicode.normalize(it, form) } }

/** Each character for itself, as Rust does: no final sigma, no language. */
private fun lowercase(text: String): String {
    val out = StringBuilder(text.length)
    text.forEachCodePoint { codePoint ->
        if (codePoint == CAPITAL_I_WITH_DOT) {
            out.append("i\u0307") // the one capital with a longer small form
        } else {
            out.appendCodePoint(Character.toLowerCase(codePoint))
        }
    }
    return out.toString()
}

private const val CAPITAL_I_WITH_DOT = 0x130

private fun prepend(prefix: String) =
    Normalizer { if (it.text.isEmpty()) it else it.withPrefix(prefix) }

private fun replace(spec: Spec): Normalizer {
    val (kind, pattern) = spec.pattern()
    if (kind != "String") throw unsupported("${spec.place} with the pattern ${quoted(pattern)}")
    val content = spec.text("content")
    return Normalizer { replace(it, pattern, content) }
}

/** [piece] with [content] for each [pattern]; it stands for the last character of the pattern. */
internal fun replace(piece: Piece, pattern: String, content: String): Piece {
    val start = piece.startChars
    // A match over the end of the start does not count for it.
    var kept = start
    var at = piece.text.indexOf(pattern)
    while (at in 0 until start) {
        val end = at + pattern.length
        kept = if (end <= start) kept + content.length - pattern.length else kept - (start - at)
        at = piece.text.indexOf(pattern, end)
    }
    return Piece(piece.text.replace(pattern, content), kept)
}

private fun strip(left: Boolean, right: Boolean) = Normalizer { piece ->
    val text = piece.text
    var start = 0
    var end = text.length
    // White space is one Char wide.
    if (left) while (start < end && Characters.isSpace(text[start].code)) start++
    if (right) while (end > start && Characters.isSpace(text[end - 1].code)) end--
    piece.part(start, end)
}
