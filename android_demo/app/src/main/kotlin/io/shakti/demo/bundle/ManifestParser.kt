package io.shakti.demo.bundle

import io.shakti.demo.AppFailure
import io.shakti.demo.FailureKind
import io.shakti.demo.files.JsonNode
import io.shakti.demo.files.JsonRefused
import io.shakti.demo.files.parseStrictObject
import io.shakti.demo.files.toHex
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.JsonPrimitive
import java.security.MessageDigest

/** The schema version that this app was written for; see sdk_builder/bundle/manifest.py. */
const val SCHEMA_VERSION = "1.0"

const val MANIFEST_NAME = "manifest.json"

/**
 * Reads the bytes of a manifest.json, and accepts what the host's reader and its check of the
 * checksum accept. Stricter than they only in what a phone could not hold: [MAX_BYTES], and
 * numbers of layers, tokens and positions within 32 bits.
 */
object ManifestParser {
    /** A hundred times a usual one; the host takes more, which a phone's memory might not. */
    const val MAX_BYTES = 2 * 1024 * 1024

    /** Throws AppFailure (BUNDLE_NEWER, BUNDLE_CORRUPT). [file] is what messages call it. */
    fun parse(data: ByteArray, file: String = MANIFEST_NAME): Manifest {
        if (data.size > MAX_BYTES) corrupt("$file is too large to be a manifest")
        val fields = rootOf(data, file)
        val newerMinor = isOfNewerMinor(fields, file)
        val checksum = fields[CHECKSUM]
        if (checksum !is JsonPrimitive || !checksum.isString) {
            corrupt("$file: checksum: must be text")
        }
        if (!isIntact(data)) corrupt("$file was changed after it was written")
        return try {
            JsonNode(JsonObject(fields - CHECKSUM), unknownRefused = !newerMinor).manifest()
        } catch (error: JsonRefused) {
            corrupt("$file: ${error.message}", error)
        }
    }

    /**
     * Whether these bytes have the checksum that they hold: SHA-256 with its 64 digits as zeros.
     * Found by its place at the start of a line, where no text of a JSON file can reach.
     */
    fun isIntact(data: ByteArray): Boolean {
        // One char a byte, so that places in the text are places in the file.
        val found = CHECKSUM_LINE.findAll(String(data, Charsets.ISO_8859_1)).toList()
        val digits = found.singleOrNull()?.groups?.get(1) ?: return false
        val blank = data.copyOf()
        blank.fill('0'.code.toByte(), digits.range.first, digits.range.last + 1)
        return MessageDigest.getInstance("SHA-256").digest(blank).toHex() == digits.value
    }

    private fun rootOf(data: ByteArray, file: String): JsonObject {
        if (String(data.takeLast(2).toByteArray(), Charsets.ISO_8859_1) != "}\n") {
            corrupt("$file is cut off or not a manifest")
        }
        return try {
            parseStrictObject(data)
        } catch (error: JsonRefused) {
            corrupt("$file is not valid JSON: ${error.message}", error)
        }
    }

    /** Whether the file is of our major version and a newer minor one. */
    private fun isOfNewerMinor(fields: JsonObject, file: String): Boolean {
        val value = fields["schema_version"] as? JsonPrimitive
        val parts = value?.takeIf { it.isString }?.let { VERSION.matchEntire(it.content) }
        if (value == null || parts == null) {
            corrupt("$file: schema_version: must be text such as \"$SCHEMA_VERSION\"")
        }
        val (major, minor) = parts.destructured.toList().map(String::toInt)
        val (ourMajor, ourMinor) = SCHEMA_VERSION.split('.').map(String::toInt)
        if (major > ourMajor) {
            throw AppFailure(
                FailureKind.BUNDLE_NEWER,
                "$file has schema ${value.content} and this app reads $ourMajor.x: update the app",
            )
        }
        if (major < ourMajor) {
            corrupt(
                "$file has the old schema ${value.content} and this app reads $ourMajor.x: " +
                    "export the model again",
            )
        }
        return minor > ourMinor
    }

    private fun corrupt(message: String, cause: Throwable? = null): Nothing =
        throw AppFailure(FailureKind.BUNDLE_CORRUPT, message, cause)

    private const val CHECKSUM = "checksum"
    private val CHECKSUM_LINE = Regex("(?<=\n  \"checksum\": \")([0-9a-f]{64})(?=\",?\n)")
    private val VERSION = Regex("([0-9]{1,6})[.]([0-9]{1,6})")
}
