package io.shakti.demo.bench

import io.shakti.demo.files.toHex
import java.security.MessageDigest
import kotlinx.serialization.json.JsonArray
import kotlinx.serialization.json.JsonElement
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.JsonPrimitive

/**
 * The one text of a JSON value that the SDK takes hashes of: keys sorted by code point, two spaces,
 * a newline at the end. Numbers stay as they were written.
 */
fun canonicalJson(value: JsonElement): String = buildString {
    append(value, "\n")
    append('\n')
}

/** SHA-256 of [canonicalJson], in hexadecimal digits. */
fun canonicalHash(value: JsonElement): String =
    MessageDigest.getInstance("SHA-256").digest(canonicalJson(value).toByteArray()).toHex()

private fun StringBuilder.append(value: JsonElement, newLine: String) {
    when (value) {
        is JsonPrimitive -> append(value.toString())
        is JsonArray -> block('[', ']', newLine, value) { append(it, "$newLine  ") }
        is JsonObject -> {
            val sorted = value.entries.sortedWith { a, b -> compareCodePoints(a.key, b.key) }
            block('{', '}', newLine, sorted) { (key, item) ->
                append(JsonPrimitive(key).toString()).append(": ")
                append(item, "$newLine  ")
            }
        }
    }
}

private fun <T> StringBuilder.block(
    open: Char,
    close: Char,
    newLine: String,
    items: Collection<T>,
    one: (T) -> Unit,
) {
    append(open)
    items.forEachIndexed { index, item ->
        if (index > 0) append(',')
        append(newLine).append("  ")
        one(item)
    }
    if (items.isNotEmpty()) append(newLine)
    append(close)
}

/** Code points, for UTF-16's own order puts U+FFFF behind U+10000. */
private fun compareCodePoints(a: String, b: String): Int {
    val left = a.codePoints().toArray()
    val right = b.codePoints().toArray()
    for (i in 0 until minOf(left.size, right.size)) {
        if (left[i] != right[i]) return left[i].compareTo(right[i])
    }
    return left.size.compareTo(right.size)
}
