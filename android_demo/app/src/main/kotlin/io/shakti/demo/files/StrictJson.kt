package io.shakti.demo.files

import kotlinx.serialization.json.Json
import kotlinx.serialization.json.JsonElement
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.jsonPrimitive
import java.nio.ByteBuffer
import java.nio.charset.CharacterCodingException

/** A file's JSON is none, or holds other values than expected: in one line. */
class JsonRefused(message: String, cause: Throwable? = null) : Exception(message, cause)

/**
 * Reads the object in [data] as RFC 8259 has it. Throws JsonRefused for what is none and for
 * anything that two readers could take differently: a key that is there twice, half a surrogate
 * pair, words that are no values, nesting deeper than [MAX_JSON_DEPTH].
 *
 * The library accepts all of these, so a [JsonScan] refuses them before it builds the tree.
 */
fun parseStrictObject(data: ByteArray): JsonObject {
    val text = try {
        Charsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(data)).toString()
    } catch (error: CharacterCodingException) {
        throw JsonRefused("it is not UTF-8", error)
    }
    JsonScan(text).check()
    val value: JsonElement = Json.parseToJsonElement(text)
    return value as? JsonObject ?: throw JsonRefused("it holds no object")
}

/** As bytes that [parseStrictObject] reads; half a surrogate pair becomes U+FFFD. */
fun JsonObject.toFileBytes(): ByteArray {
    val text = toString()
    val whole = StringBuilder(text.length + 1)
    var at = 0
    while (at < text.length) {
        val codePoint = text.codePointAt(at)
        val half = codePoint in Char.MIN_SURROGATE.code..Char.MAX_SURROGATE.code
        whole.appendCodePoint(if (half) 0xfffd else codePoint)
        at += Character.charCount(codePoint)
    }
    return whole.append('\n').toString().toByteArray()
}

/** Of what holds something; as deep as the host's reader goes. */
const val MAX_JSON_DEPTH = 200

/** More digits than Python turns into a number. */
private const val MAX_INTEGER_DIGITS = 4300

/** Walks over a text once; what it lets through is JSON without surprises. */
private class JsonScan(private val text: String) {
    private var at = 0

    fun check() {
        value(depth = 0)
        skipSpace()
        if (at < text.length) refuse("something stands behind its end")
    }

    private fun value(depth: Int) {
        skipSpace()
        when (peek()) {
            '{' -> members(depth + 1)
            '[' -> elements(depth + 1)
            '"' -> string()
            't' -> word("true")
            'f' -> word("false")
            'n' -> word("null")
            else -> number()
        }
    }

    private fun members(depth: Int) {
        val keys = HashSet<String>()
        sequence(depth, close = '}') {
            if (peek() != '"') refuse("a key must be in quotes")
            val start = at
            string()
            if (!keys.add(key(start, at))) refuse("a field is given twice")
            skipSpace()
            expect(':')
            value(depth)
        }
    }

    private fun elements(depth: Int) = sequence(depth, close = ']') { value(depth) }

    private inline fun sequence(depth: Int, close: Char, item: () -> Unit) {
        at++
        skipSpace()
        if (peek() == close) {
            at++
            return
        }
        if (depth > MAX_JSON_DEPTH) refuse("it is nested too deeply")
        while (true) {
            skipSpace()
            item()
            skipSpace()
            if (peek() == close) break
            expect(',')
        }
        at++
    }

    /** The key whose quoted form stands between [start] and [end]; escapes may hide equal ones. */
    private fun key(start: Int, end: Int): String {
        val quoted = text.substring(start, end)
        if ('\\' !in quoted) return quoted.substring(1, quoted.length - 1)
        return Json.parseToJsonElement(quoted).jsonPrimitive.content
    }

    private fun string() {
        at++
        var highSurrogate = false
        while (true) {
            val char = peek()
            if (char == '"') break
            if (char < ' ') refuse("a control character stands in a text")
            val unit = if (char == '\\') escape() else char
            at++
            if (highSurrogate != unit.isLowSurrogate()) refuse("a text holds half a character")
            highSurrogate = unit.isHighSurrogate()
        }
        if (highSurrogate) refuse("a text holds half a character")
        at++
    }

    /** Reads an escape up to its last character and returns what it stands for. */
    private fun escape(): Char {
        at++
        when (peek()) {
            '"', '\\', '/', 'b', 'f', 'n', 'r', 't' -> return ' '
            'u' -> Unit
            else -> refuse("an escape in a text is unknown")
        }
        var code = 0
        repeat(4) {
            at++
            val digit = HEX_DIGITS.indexOf(peek().lowercaseChar())
            if (digit < 0) refuse("an escape in a text is unknown")
            code = code * 16 + digit
        }
        return code.toChar()
    }

    private fun number() {
        if (peek() == '-') at++
        val digits = at
        if (peek() == '0') at++ else digits()
        val integerDigits = at - digits
        var whole = true
        if (at < text.length && text[at] == '.') {
            at++
            digits()
            whole = false
        }
        if (at < text.length && text[at] in "eE") {
            at++
            if (peek() in "+-") at++
            digits()
            whole = false
        }
        if (whole && integerDigits > MAX_INTEGER_DIGITS) refuse("a number is too long")
    }

    private fun digits() {
        if (peek() !in '0'..'9') refuse("a value is none of JSON's")
        while (at < text.length && text[at] in '0'..'9') at++
    }

    private fun word(word: String) {
        if (!text.startsWith(word, at)) refuse("a value is none of JSON's")
        at += word.length
    }

    private fun expect(char: Char) {
        if (peek() != char) refuse("'$char' is missing")
        at++
    }

    private fun peek(): Char = if (at < text.length) text[at] else refuse("it ends too early")

    private fun skipSpace() {
        while (at < text.length && text[at] in " \t\n\r") at++
    }

    private fun refuse(why: String): Nothing =
        throw JsonRefused("$why (line ${text.take(at).count { it == '\n' } + 1})")
}

private const val HEX_DIGITS = "0123456789abcdef"
