package io.shakti.demo.bundle

import io.shakti.demo.AppFailure
import io.shakti.demo.FailureKind
import io.shakti.demo.fakes.TinyBundle
import kotlinx.serialization.json.Json
import kotlinx.serialization.json.JsonElement
import kotlinx.serialization.json.JsonNull
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.JsonPrimitive
import kotlinx.serialization.json.jsonObject
import org.junit.Assert.assertArrayEquals
import org.junit.Assert.assertEquals
import org.junit.Assert.assertFalse
import org.junit.Assert.assertNull
import org.junit.Assert.assertThrows
import org.junit.Assert.assertTrue
import org.junit.Test
import kotlin.random.Random

/** What the parser says; that it agrees with the host is held by ManifestCasesTest. */
class ManifestParserTest {
    /** The tiny manifest with [value] at [path], or without that field where it is null. */
    private fun changed(path: String, value: JsonElement?, version: String = "1.0"): ByteArray =
        TinyBundle(schemaVersion = version, edit = { put(it, path.split('.'), value) }).manifest

    private fun put(fields: JsonObject, path: List<String>, value: JsonElement?): JsonObject {
        val name = path.first()
        val changed = when {
            path.size > 1 -> put(fields.getValue(name).jsonObject, path.drop(1), value)
            value == null -> return JsonObject(fields - name)
            else -> value
        }
        return JsonObject(fields + (name to changed))
    }

    private fun failure(data: ByteArray): AppFailure =
        assertThrows(AppFailure::class.java) { ManifestParser.parse(data) }

    private fun message(path: String, value: JsonElement?): String {
        val failure = failure(changed(path, value))
        assertEquals(FailureKind.BUNDLE_CORRUPT, failure.kind)
        return failure.message
    }

    @Test
    fun tiny_manifest_is_read() {
        val manifest = ManifestParser.parse(TinyBundle("x", contextLength = 99).manifest)
        assertEquals("x", manifest.name)
        assertEquals(99, manifest.program.contextLength)
        assertEquals(listOf(257), manifest.tokenizer.eosIds)
        assertArrayEquals(intArrayOf('h'.code, 'i'.code), manifest.golden.single().promptIds)
        assertNull(manifest.chat?.defaultSystem)
        assertNull(ManifestParser.parse(changed("chat", JsonNull)).chat)
        assertNull(ManifestParser.parse(changed("chat", null)).chat)
    }

    @Test
    fun messages_name_the_field_and_what_is_expected() {
        val sources = "must be one of gguf, safetensors, preset"
        val cases = listOf(
            Triple("program.size_bytes", JsonPrimitive(0), "must be from 1 to ${Long.MAX_VALUE}"),
            Triple("program.file", JsonPrimitive("../x"), "must be a plain file name"),
            Triple("program.sha256", JsonPrimitive("A"), "must be a SHA-256 in hexadecimal digits"),
            Triple("model.layers", JsonPrimitive("2"), "must be a whole number"),
            Triple("model.layers", JsonPrimitive(2.0), "must be a whole number"),
            Triple("model.untrained", JsonPrimitive(1), "must be true or false"),
            Triple("model.kv_heads", JsonPrimitive(1), "must be a list"),
            Triple("model.rope", JsonPrimitive(1), "must be an object"),
            Triple("model.source.kind", JsonPrimitive("zip"), sources),
            Triple("generation.top_p", JsonPrimitive(0), "must be a number above 0 and up to 1"),
            Triple("quantization.method", null, "is missing"),
            Triple("quantization.new", JsonPrimitive(1), "unknown field"),
            Triple("quantization.kv_cache", JsonNull, "must be text"),
        )
        for ((path, value, expected) in cases) {
            assertEquals("manifest.json: $path: $expected", message(path, value))
        }
    }

    @Test
    fun places_in_lists_and_strange_names_are_shown_plainly() {
        val prompts = Json.parseToJsonElement(
            """[{"text": "", "prompt_ids": [1, -1], "expected_ids": []}]""",
        )
        assertEquals(
            "manifest.json: golden[0].prompt_ids[1]: must be from 0 to 2147483647",
            message("golden", prompts),
        )
        val strange = message("a\n\"b" + "c".repeat(100), JsonPrimitive(1))
        assertEquals("manifest.json: \"a\\n\\\"b${"c".repeat(36)}\": unknown field", strange)
    }

    @Test
    fun fields_that_contradict_each_other_are_told() {
        val heads = Json.parseToJsonElement("[2, 3]")
        assertEquals(
            "manifest.json: model: layer 1: 4 heads are no multiple of 3 KV heads",
            message("model.kv_heads", heads),
        )
        assertEquals(
            "manifest.json: program: max_chunk 257 is more than context_length 256",
            message("program.max_chunk", JsonPrimitive(257)),
        )
        assertEquals(
            "manifest.json: token id 257 is outside the vocabulary of 200",
            failure(
                TinyBundle(edit = {
                    val small = put(it, listOf("model", "vocab_size"), JsonPrimitive(200))
                    put(small, listOf("tokenizer", "vocab_size"), JsonPrimitive(200))
                }).manifest,
            ).message,
        )
        val same = message("program.file", JsonPrimitive("tokenizer.json"))
        assertTrue(same, "must differ" in same)
    }

    @Test
    fun newer_major_version_asks_for_a_newer_app_whatever_else_is_in_the_file() {
        val newer = failure("{\"schema_version\": \"2.3\"}\n".toByteArray())
        assertEquals(FailureKind.BUNDLE_NEWER, newer.kind)
        assertEquals(
            "manifest.json has schema 2.3 and this app reads 1.x: update the app",
            newer.message,
        )
        val older = failure("{\"schema_version\": \"0.9\"}\n".toByteArray())
        assertEquals(FailureKind.BUNDLE_CORRUPT, older.kind)
        assertTrue(older.message, "export the model again" in older.message)
    }

    @Test
    fun newer_minor_version_may_hold_more_but_not_less() {
        val more = changed("program.new", JsonPrimitive(1), version = "1.4")
        assertEquals("1.4", ManifestParser.parse(more).schemaVersion)
        assertTrue("is missing" in failure(changed("program.file", null, version = "1.4")).message)
    }

    @Test
    fun any_changed_byte_breaks_the_checksum() {
        val good = TinyBundle().manifest
        assertTrue(ManifestParser.isIntact(good))
        for (at in good.indices) {
            val bad = good.copyOf().also { it[at] = (it[at] + 1).toByte() }
            assertFalse("byte $at", ManifestParser.isIntact(bad))
        }
        val changed = String(good).replace("tiny-1m-q4", "tiny-1m-q5").toByteArray()
        assertEquals("manifest.json was changed after it was written", failure(changed).message)
    }

    @Test
    fun file_that_is_no_manifest_is_told_in_a_line() {
        for (text in listOf("", "}\n", "{}", "[{}\n", "PK\u0003\u0004", "\ufeff{}\n", "[1]}\n")) {
            assertEquals(text, FailureKind.BUNDLE_CORRUPT, failure(text.toByteArray()).kind)
        }
        val latin = failure("{\"name\": \"\u00fc\"}\n".toByteArray(Charsets.ISO_8859_1))
        assertTrue(latin.message, "UTF-8" in latin.message)
        assertTrue("too large" in failure(ByteArray(ManifestParser.MAX_BYTES + 1)).message)
    }

    @Test(timeout = 120_000)
    fun random_damage_gives_a_manifest_or_a_failure() {
        val random = Random(7)
        val good = TinyBundle(schemaVersion = "1.9").manifest
        var accepted = 0
        repeat(20_000) {
            val bad = mutated(good, random)
            val data = if (it % 4 == 0) bad else withRightChecksum(bad)
            try {
                ManifestParser.parse(data)
                accepted++
            } catch (failure: AppFailure) {
                assertFalse('\n' in failure.message)
                assertTrue(failure.message, failure.message.length < 500)
            }
        }
        assertTrue("$accepted", accepted in 200..15_000)
    }

    @Test(timeout = 120_000)
    fun hostile_files_are_read_in_bounded_time() {
        val most = ManifestParser.MAX_BYTES - 200
        val head = "{\"schema_version\": \"1.9\", \"x\": "
        val hostile = listOf(
            "[".repeat(most), "{\"a\":".repeat(most / 5), "[]".repeat(most / 2),
            "[" + "[],".repeat(most / 3) + "1]", "[" + "0,".repeat(most / 2) + "0]",
            "9".repeat(most), "0." + "9".repeat(most), "1e" + "9".repeat(most), "-".repeat(most),
            "\"" + "\\".repeat(most), "\"" + "\\u0041".repeat(most / 6) + "\"",
            "\"" + "a".repeat(most) + "\"", "\n".repeat(most), "\"\n".repeat(most / 2),
            "{" + (0 until most / 12).joinToString(",") { "\"%07d\":1".format(it) } + "}",
            "{" + "\"\\u0061\":1,".repeat(most / 11) + "\"b\":1}",
        )
        for (value in hostile) {
            for (field in listOf("x", "name", "golden", "creation", "model")) {
                val data = (head + "0, \"$field\": " + value + "}\n").toByteArray()
                assertTrue(data.size <= ManifestParser.MAX_BYTES)
                assertEquals(FailureKind.BUNDLE_CORRUPT, failure(data).kind)
            }
            // The same as a field that is not known, in a file that is right otherwise.
            val others = String(TinyBundle(schemaVersion = "1.9").manifest).lines().drop(2)
            val whole = "{\n  \"checksum\": \"${"0".repeat(64)}\",\n\"y\": $value, " +
                others.joinToString("\n")
            val data = withRightChecksum(whole.toByteArray())
            try {
                ManifestParser.parse(data)
            } catch (failure: AppFailure) {
                assertEquals(FailureKind.BUNDLE_CORRUPT, failure.kind)
            }
        }
    }

    private fun mutated(data: ByteArray, random: Random): ByteArray {
        var text = String(data, Charsets.ISO_8859_1)
        repeat(random.nextInt(1, 4)) {
            val at = random.nextInt(text.length)
            val some = text.substring(at, minOf(at + random.nextInt(30), text.length))
            val odd = "\"{}[]:,\\-.0eEtnu\u0000\n".random(random)
            text = when (random.nextInt(5)) {
                0 -> text.replaceRange(at, at + 1, odd.toString())
                1 -> text.replaceRange(at, at + 1, random.nextInt(256).toChar().toString())
                2 -> text.replaceRange(at, at, some)
                3 -> text.removeRange(at, at + some.length)
                else -> text.replaceRange(at, at, odd.toString())
            }
        }
        return text.toByteArray(Charsets.ISO_8859_1)
    }

    private fun withRightChecksum(data: ByteArray): ByteArray {
        val place = Regex("\n  \"checksum\": \"([0-9a-f]{64})\",\n")
        val text = String(data, Charsets.ISO_8859_1)
        val digits = place.find(text)?.groups?.get(1)?.range ?: return data
        val blank = text.replaceRange(digits, "0".repeat(64)).toByteArray(Charsets.ISO_8859_1)
        val sum = TinyBundle.sha256(blank)
        return text.replaceRange(digits, sum).toByteArray(Charsets.ISO_8859_1)
    }
}
