package io.shakti.demo.tokenizer

import io.shakti.demo.AppFailure
import io.shakti.demo.FailureKind
import kotlinx.serialization.json.JsonArray
import kotlinx.serialization.json.JsonElement
import kotlinx.serialization.json.JsonNull
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.JsonPrimitive
import kotlinx.serialization.json.booleanOrNull
import kotlinx.serialization.json.intOrNull

/** tokenizer.json asks for [what], which this app does not do or cannot make sense of. */
internal fun unsupported(what: String): AppFailure =
    AppFailure(FailureKind.TOKENIZER_UNSUPPORTED, "tokenizer.json: $what")

/** [text] for a message of one line. */
internal fun quoted(text: String): String {
    val short = if (text.length > MAX_QUOTED) text.take(MAX_QUOTED) + "…" else text
    return "\"" + short.map { if (it < ' ') '?' else it }.joinToString("") + "\""
}

private const val MAX_QUOTED = 80

/** An object of tokenizer.json that describes one step; [place] is its path, for messages. */
internal class Spec private constructor(private val json: JsonObject, val place: String) {
    val type: String get() = text("type")

    fun text(key: String): String = textOrNull(key) ?: throw missing(key, "a text")

    fun textOrNull(key: String): String? = when (val value = json[key]) {
        null, JsonNull -> null
        is JsonPrimitive -> checkedText(value) ?: throw missing(key, "a text")
        else -> throw missing(key, "a text")
    }

    /** A text of exactly one character. */
    fun codePoint(key: String): Int {
        val text = text(key)
        if (text.isEmpty() || text.codePointCount(0, text.length) != 1) {
            throw missing(key, "one character")
        }
        return text.codePointAt(0)
    }

    fun flag(key: String, default: Boolean? = null): Boolean = when (val value = json[key]) {
        null, JsonNull -> default ?: throw missing(key, "true or false")
        is JsonPrimitive -> value.takeIf { !it.isString }?.booleanOrNull
            ?: throw missing(key, "true or false")
        else -> throw missing(key, "true or false")
    }

    fun count(key: String): Int = (json[key] as? JsonPrimitive)
        ?.takeIf { !it.isString }?.intOrNull?.takeIf { it >= 0 } ?: throw missing(key, "a count")

    fun steps(key: String): List<Spec> {
        val list = json[key] as? JsonArray ?: throw missing(key, "a list")
        return list.mapIndexed { index, step -> of(step, "$place.$key[$index]") }
    }

    /** A pattern as (its kind, its text): kind is "String" or "Regex". */
    fun pattern(): Pair<String, String> {
        val pattern = json["pattern"] as? JsonObject ?: throw missing("pattern", "an object")
        val (kind, value) = pattern.entries.singleOrNull() ?: throw missing("pattern", "one entry")
        val text = (value as? JsonPrimitive)?.let(::checkedText)
        if (text.isNullOrEmpty()) throw missing("pattern", "a text that is not empty")
        if (kind != "String" && kind != "Regex") throw missing("pattern", "a String or a Regex")
        return kind to text
    }

    fun unknownType(): AppFailure = unsupported("$place of type ${quoted(type)}")

    private fun missing(key: String, what: String) = unsupported("$place.$key is not $what")

    private fun checkedText(value: JsonPrimitive): String? =
        value.content.takeIf { value.isString && loneSurrogate(it, 0) < 0 }

    companion object {
        fun of(json: JsonElement, place: String): Spec =
            Spec(json as? JsonObject ?: throw unsupported("$place is not an object"), place)

        /** Null for JSON's null and for a missing part. */
        fun ofNullable(json: JsonElement?, place: String): Spec? =
            if (json == null || json is JsonNull) null else of(json, place)

        /** [spec] and what its Sequences hold under [key], in order. */
        fun flattened(spec: Spec, key: String, depth: Int = 0): List<Spec> = when {
            spec.type != "Sequence" -> listOf(spec)
            depth == MAX_DEPTH -> throw unsupported("${spec.place} is nested too deeply")
            else -> spec.steps(key).flatMap { flattened(it, key, depth + 1) }
        }

        private const val MAX_DEPTH = 16
    }
}
