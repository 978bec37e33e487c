package io.shakti.demo.bench

import java.util.regex.Pattern
import kotlinx.serialization.SerializationException
import kotlinx.serialization.json.Json
import kotlinx.serialization.json.JsonArray
import kotlinx.serialization.json.JsonElement
import kotlinx.serialization.json.JsonNull
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.JsonPrimitive

/** A document is not what it has to be; the message is one line that names the field. */
class Refused(message: String) : Exception(message) {
    override val message: String get() = super.message.orEmpty()
}

/**
 * The fields of a JSON object, read by name and type as the SDK's own strict records do: a missing
 * or unknown field, a wrong type and a number out of range are refused, nothing is converted.
 *
 * [path] is where the object is in its document: empty, or `program.`.
 */
class Fields(element: JsonElement, private val path: String) {
    private val values: JsonObject =
        element as? JsonObject
            ?: throw Refused("${path.removeSuffix(".").ifEmpty { "file" }}: not an object")

    /** Refuses the document for what it says in [name]. */
    fun refuse(name: String, what: String): Nothing = throw Refused("$path$name: $what")

    /** Refuses the first field that is not one of [names]. */
    fun only(vararg names: String) {
        val unknown = values.keys.firstOrNull { it !in names } ?: return
        refuse(shown(unknown), "not a field of this protocol")
    }

    operator fun contains(name: String): Boolean = name in values

    fun fields(name: String): Fields = Fields(required(name), "$path$name.")

    fun <T> list(name: String, read: (Fields) -> T): List<T> {
        val found = required(name) as? JsonArray ?: refuse(name, "not a list")
        if (found.isEmpty()) refuse(name, "empty")
        return found.mapIndexed { index, element -> read(Fields(element, "$path$name.$index.")) }
    }

    /** A string of whole Unicode characters. */
    fun text(name: String): String {
        val found = primitive(name)
        if (!found.isString) refuse(name, "not a string")
        if (hasLoneSurrogate(found.content)) refuse(name, "not valid Unicode")
        return found.content
    }

    fun text(name: String, form: Pattern): String {
        val found = text(name)
        if (!form.matcher(found).matches()) refuse(name, "not of the form ${form.pattern()}")
        return found
    }

    fun boolean(name: String): Boolean {
        val found = primitive(name)
        if (found.isString || found.content !in BOOLEANS) refuse(name, "not true or false")
        return found.content == "true"
    }

    /** A whole number from [least] to the largest Long. */
    fun whole(name: String, least: Long): Long {
        val found = primitive(name)
        if (found.isString || !WHOLE.matcher(found.content).matches()) {
            refuse(name, "not a whole number")
        }
        val number = found.content.toLongOrNull()
        if (number == null || number < least) refuse(name, "out of range")
        return number
    }

    fun whole(name: String, least: Long, absent: Long): Long =
        if (name in this) whole(name, least) else absent

    /** A finite number. */
    fun number(name: String, range: ClosedFloatingPointRange<Double>): Double {
        val found = primitive(name)
        if (found.isString || !NUMBER.matcher(found.content).matches()) {
            refuse(name, "not a number")
        }
        val number = found.content.toDouble()
        if (!number.isFinite() || number !in range) refuse(name, "out of range")
        return number
    }

    /** What [read] makes of a field that may be null; [absent] where it is not there. */
    fun <T> orNull(name: String, absent: T?, read: (String) -> T): T? =
        when (values[name]) {
            null -> absent
            JsonNull -> null
            else -> read(name)
        }

    private fun primitive(name: String): JsonPrimitive =
        required(name) as? JsonPrimitive ?: refuse(name, "not a single value")

    private fun required(name: String): JsonElement =
        values[name] ?: refuse(name, "missing")

    companion object {
        private val BOOLEANS = setOf("true", "false")
        private val WHOLE = Pattern.compile("-?(0|[1-9][0-9]*)")
        private val NUMBER = Pattern.compile("-?(0|[1-9][0-9]*)(\\.[0-9]+)?([eE][+-]?[0-9]+)?")

        /** The object that [text] is. Throws Refused. */
        fun of(text: String): Fields = Fields(parseJson(text), "")
    }
}

/** Any JSON value. Throws Refused, also for text that is nested too deeply to be read. */
private fun parseJson(text: String): JsonElement =
    try {
        Json.parseToJsonElement(text)
    } catch (error: SerializationException) {
        throw Refused("not JSON: ${firstLine(error.message)}").apply { initCause(error) }
    } catch (error: StackOverflowError) {
        throw Refused("nested too deeply").apply { initCause(error) }
    }

private const val SHOWN_CHARS = 60

private fun shown(name: String): String = firstLine(name).take(SHOWN_CHARS)

private fun firstLine(text: String?): String = text.orEmpty().lineSequence().first().trim()

private fun hasLoneSurrogate(text: String): Boolean {
    var index = 0
    while (index < text.length) {
        val pair = text[index].isHighSurrogate() && text.getOrNull(index + 1)?.isLowSurrogate() == true
        if (text[index].isSurrogate() && !pair) return true
        index += if (pair) 2 else 1
    }
    return false
}
