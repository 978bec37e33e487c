package io.shakti.demo.files

import kotlinx.serialization.json.JsonArray
import kotlinx.serialization.json.JsonElement
import kotlinx.serialization.json.JsonNull
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.JsonPrimitive

/**
 * A value of a JSON file and where it stands. Every reader throws JsonRefused, led by [path], for a
 * value of another type or outside its range.
 *
 * [unknownRefused]: whether a record may not hold fields that nobody asked for.
 */
class JsonNode(
    private val element: JsonElement,
    private val unknownRefused: Boolean,
    private val path: String = "",
) {
    fun text(): String {
        val value = element as? JsonPrimitive
        if (value == null || !value.isString) fail("must be text")
        return value.content
    }

    fun textOf(pattern: Regex, meaning: String): String {
        val value = text()
        if (!pattern.matches(value)) fail("must be $meaning")
        return value
    }

    fun <T> oneOf(choices: Map<String, T>): T =
        choices[text()] ?: fail("must be one of ${choices.keys.joinToString()}")

    fun bool(): Boolean = when (literal()) {
        "true" -> true
        "false" -> false
        else -> fail("must be true or false")
    }

    /** A whole number within [range]; one written with a point or an exponent is none. */
    fun whole(range: LongRange): Long {
        val value = integer().toLongOrNull()
        if (value == null || value !in range) fail("must be from ${range.first} to ${range.last}")
        return value
    }

    /** A count as the app keeps it, in 32 bits. */
    fun count32(least: Int): Int = whole(least.toLong()..Int.MAX_VALUE.toLong()).toInt()

    /** The digits of a whole number of any size. */
    fun integer(): String =
        literal()?.takeIf { WHOLE.matches(it) } ?: fail("must be a whole number")

    /** A number that is finite as a double, in [allowed] if given. */
    fun number(meaning: String = "a number", allowed: (Double) -> Boolean = { true }): Double {
        val value = literal()?.takeIf { it[0] == '-' || it[0].isDigit() }?.toDouble()
        if (value == null || value.isInfinite() || !allowed(value)) fail("must be $meaning")
        return value
    }

    fun list(): List<JsonNode> {
        val array = element as? JsonArray ?: fail("must be a list")
        return array.mapIndexed { i, item -> child("$path[$i]", item) }
    }

    fun map(): Map<String, JsonNode> {
        val value = element as? JsonObject ?: fail("must be an object")
        return value.mapValues { (name, item) -> child(pathOf(name), item) }
    }

    fun isText(): Boolean = (element as? JsonPrimitive)?.isString == true

    fun isBool(): Boolean = literal().let { it == "true" || it == "false" }

    fun orNull(): JsonNode? = takeIf { element !is JsonNull }

    /** Reads an object's fields; afterwards, one that [read] did not ask for is unknown. */
    fun <T> record(read: JsonRecord.() -> T): T {
        val record = JsonRecord(this, map())
        val result = record.read()
        if (unknownRefused) record.firstUnknown()?.fail("unknown field")
        return result
    }

    fun failAt(name: String, problem: String): Nothing = child(pathOf(name), element).fail(problem)

    fun fail(problem: String): Nothing =
        throw JsonRefused(if (path.isEmpty()) problem else "$path: $problem")

    private fun literal(): String? = (element as? JsonPrimitive)?.takeIf { !it.isString }?.content

    private fun child(path: String, element: JsonElement) =
        JsonNode(element, unknownRefused, path)

    /** Names of unknown fields come from the file and may be anything. */
    private fun pathOf(name: String): String {
        val shown = if (PLAIN_NAME.matches(name)) name else JsonPrimitive(name.take(40)).toString()
        return if (path.isEmpty()) shown else "$path.$shown"
    }
}

/** The fields of the object [node], asked for by name. */
class JsonRecord(private val node: JsonNode, private val fields: Map<String, JsonNode>) {
    private val asked = HashSet<String>()

    operator fun get(name: String): JsonNode = optional(name) ?: node.failAt(name, "is missing")

    /** Null where the field is missing. */
    fun optional(name: String): JsonNode? {
        asked += name
        return fields[name]
    }

    /** Null where the field is missing or null. */
    fun nullable(name: String): JsonNode? = optional(name)?.orNull()

    fun firstUnknown(): JsonNode? = fields.entries.firstOrNull { it.key !in asked }?.value

    /** Refuses what the fields say together. */
    fun fail(problem: String): Nothing = node.fail(problem)
}

private val WHOLE = Regex("-?[0-9]+")
private val PLAIN_NAME = Regex("[A-Za-z_][A-Za-z0-9_]{0,63}")
