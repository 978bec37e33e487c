package io.shakti.demo.tokenizer

/**
 * Takes tokens as they come, each in one part or several, and gives on what no later token can
 * change. A whole text is decoded the same way, so that a stream cannot come out differently.
 */
internal interface TokenSink {
    fun text(part: String)

    fun endToken()

    fun end()
}

/** The first of a chain of steps that end in [last]. */
internal fun interface Decoder {
    fun chain(last: TokenSink): TokenSink
}

/** The steps of [spec]; null puts a space between tokens. */
internal fun decoder(spec: Spec?): Decoder {
    if (spec == null) return Decoder(::SpaceBetween)
    val steps = Spec.flattened(spec, "decoders").map(::decoderStep)
    return Decoder { last -> steps.foldRight(last) { step, rest -> step.chain(rest) } }
}

private fun decoderStep(spec: Spec): Decoder = when (spec.type) {
    "ByteLevel" -> Decoder(::ByteLevelDecoder)
    "ByteFallback" -> Decoder(::ByteFallbackDecoder)
    "Fuse" -> Decoder(::Fuse)
    "Metaspace" -> Metaspace(spec).let { how -> Decoder { MetaspaceDecoder(how, it) } }
    "Replace" -> replace(spec)
    "Strip" -> {
        val content = spec.codePoint("content")
        val start = spec.count("start")
        val stop = spec.count("stop")
        Decoder { StripDecoder(content, start, stop, it) }
    }
    else -> throw spec.unknownType()
}

private fun replace(spec: Spec): Decoder {
    val (kind, pattern) = spec.pattern()
    if (kind != "String") throw unsupported("${spec.place} with the pattern ${quoted(pattern)}")
    val content = spec.text("content")
    return Decoder { ReplaceDecoder(pattern, content, it) }
}

private class SpaceBetween(private val next: TokenSink) : TokenSink {
    private var first = true
    private var begun = false

    override fun text(part: String) {
        begin()
        next.text(part)
    }

    override fun endToken() {
        begin()
        begun = false
    }

    override fun end() = next.end()

    private fun begin() {
        if (begun) return
        if (!first) next.text(" ")
        first = false
        begun = true
    }
}

/** Makes one token of all. */
private class Fuse(private val next: TokenSink) : TokenSink {
    override fun text(part: String) = next.text(part)

    override fun endToken() = Unit

    override fun end() {
        next.endToken()
        next.end()
    }
}

/** Waits for the whole token. */
private abstract class WholeTokens(protected val next: TokenSink) : TokenSink {
    private val token = StringBuilder()

    abstract fun token(token: String)

    override fun text(part: String) {
        token.append(part)
    }

    override fun endToken() {
        val whole = token.toString()
        token.setLength(0)
        token(whole)
    }
}

/** Characters back to bytes, and these to text; makes one token of all. */
private class ByteLevelDecoder(next: TokenSink) : WholeTokens(next) {
    private val text = StringBuilder()
    private val utf8 = Utf8Decoder(text)

    override fun token(token: String) {
        if (token.all { ByteCharacters.byte(it) >= 0 }) {
            for (character in token) utf8.push(ByteCharacters.byte(character))
        } else {
            // An added token, say: it is not written in bytes.
            token.forEachCodePoint { codePoint -> utf8Bytes(codePoint, utf8::push) }
        }
        give()
    }

    override fun end() {
        utf8.finish()
        give()
        next.endToken()
        next.end()
    }

    private fun give() {
        if (text.isNotEmpty()) next.text(text.toString())
        text.setLength(0)
    }
}

/**
 * `<0x00>` to `<0xFF>` back to text. A row of them is UTF-8 as a whole or else one U+FFFD each, so
 * it is held until it ends.
 */
private class ByteFallbackDecoder(next: TokenSink) : WholeTokens(next) {
    private val row = ArrayList<Int>()

    override fun token(token: String) {
        val byte = byteOf(token)
        if (byte != null) {
            row += byte
        } else {
            giveRow()
            give(token)
        }
    }

    override fun end() {
        giveRow()
        next.end()
    }

    private fun giveRow() {
        if (row.isEmpty()) return
        val text = StringBuilder()
        val utf8 = Utf8Decoder(text)
        row.forEach(utf8::push)
        utf8.finish()
        if (utf8.isSound) {
            give(text.toString())
        } else {
            repeat(row.size) { give(REPLACEMENT.toString()) }
        }
        row.clear()
    }

    private fun give(token: String) {
        next.text(token)
        next.endToken()
    }

    private fun byteOf(token: String): Int? {
        if (token.length != 6 || !token.startsWith("<0x") || token[5] != '>') return null
        val low = Character.digit(token[4], 16)
        // Rust reads "+F" as a number, too.
        val high = if (token[3] == '+') 0 else Character.digit(token[3], 16)
        val ascii = token[3].code < 0x80 && token[4].code < 0x80
        return if (ascii && low >= 0 && high >= 0) high * 16 + low else null
    }
}

private class MetaspaceDecoder(how: Metaspace, private val next: TokenSink) : TokenSink {
    private val mark = how.mark
    private val dropsFirst = how.prepend != Metaspace.Prepend.NEVER
    private var isFirst = true

    override fun text(part: String) =
        next.text(part.replace(mark, if (isFirst && dropsFirst) "" else " "))

    override fun endToken() {
        isFirst = false
        next.endToken()
    }

    override fun end() = next.end()
}

/** [content] for each [pattern] within a token. */
private class ReplaceDecoder(
    private val pattern: String,
    private val content: String,
    private val next: TokenSink,
) : TokenSink {
    /** What may be the start of a match. */
    private val held = StringBuilder()

    override fun text(part: String) {
        held.append(part)
        val out = StringBuilder()
        var done = 0
        while (true) {
            val found = held.indexOf(pattern, done)
            if (found < 0) break
            out.append(held, done, found).append(content)
            done = found + pattern.length
        }
        val keep = beginning(done)
        out.append(held, done, keep)
        held.delete(0, keep)
        if (out.isNotEmpty()) next.text(out.toString())
    }

    override fun endToken() {
        if (held.isNotEmpty()) next.text(held.toString())
        held.setLength(0)
        next.endToken()
    }

    override fun end() = next.end()

    /** Where the longest end of [held] starts that begins the pattern; its length: nowhere. */
    private fun beginning(from: Int): Int {
        val first = maxOf(from, held.length - pattern.length + 1)
        return (first until held.length)
            .firstOrNull { pattern.startsWith(held.substring(it)) } ?: held.length
    }
}

/** Cuts off up to [start] times [content] from a token's start and [stop] times from its end. */
private class StripDecoder(
    private val content: Int,
    private val start: Int,
    private val stop: Int,
    private val next: TokenSink,
) : TokenSink {
    private val mark = String(Character.toChars(content))
    private var toDrop = start

    /** Marks at the end so far, at most [stop]. */
    private var held = 0

    override fun text(part: String) {
        val out = StringBuilder()
        part.forEachCodePoint { codePoint ->
            if (codePoint == content && toDrop > 0) {
                toDrop--
            } else if (codePoint == content && stop > 0) {
                if (held < stop) held++ else out.append(mark)
            } else {
                repeat(held) { out.append(mark) }
                held = 0
                toDrop = 0
                out.appendCodePoint(codePoint)
            }
        }
        if (out.isNotEmpty()) next.text(out.toString())
    }

    override fun endToken() {
        toDrop = start
        held = 0
        next.endToken()
    }

    override fun end() = next.end()
}
