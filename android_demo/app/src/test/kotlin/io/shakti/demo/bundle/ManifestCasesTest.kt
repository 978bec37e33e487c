package io.shakti.demo.bundle

import io.shakti.demo.AppFailure
import io.shakti.demo.FailureKind
import io.shakti.demo.fakes.SmallDisk
import kotlinx.serialization.json.Json
import kotlinx.serialization.json.JsonArray
import kotlinx.serialization.json.JsonElement
import kotlinx.serialization.json.JsonNull
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.JsonPrimitive
import kotlinx.serialization.json.jsonObject
import kotlinx.serialization.json.jsonPrimitive
import org.junit.Assert.assertEquals
import org.junit.Assert.assertTrue
import org.junit.Rule
import org.junit.Test
import org.junit.rules.TemporaryFolder
import java.io.File
import java.util.Base64

/** The app reads what the host reads: tests/app/bundle_cases.py makes cases with its verdicts. */
class ManifestCasesTest {
    @get:Rule val temporary = TemporaryFolder()

    private val cases: File
        get() {
            val path = System.getProperty("shakti.bundle_cases")
            return File(checkNotNull(path) { "-Dshakti.bundle_cases: what bundle_cases.py made" })
        }

    @Test
    fun every_verdict_and_every_field_is_the_hosts() {
        val counts = HashMap<String, Int>()
        val differing = ArrayList<String>()
        File(cases, "manifests.jsonl").forEachLine { line ->
            val case = Json.parseToJsonElement(line).jsonObject
            fun text(name: String) = case.getValue(name).jsonPrimitive.content
            val verdict = text("verdict")
            counts.merge(verdict, 1, Int::plus)
            val difference = difference(
                // What only the app's 32 bits refuse.
                expected = if (verdict == "too_large") "refused" else verdict,
                says = case["says"],
                data = Base64.getDecoder().decode(text("data")),
            )
            if (difference != null) differing += "${text("name")}: $difference; ${case["why"]}"
        }
        println("manifests: $counts")
        assertEquals("", differing.take(10).joinToString("\n"))
        val least = mapOf("accepted" to 400, "refused" to 2000, "newer" to 2, "too_large" to 4)
        least.forEach { (verdict, count) -> assertTrue("$counts", (counts[verdict] ?: 0) >= count) }
    }

    @Test
    fun zips_that_the_sdk_writes_are_taken_in() {
        val zips = File(cases, "zips").listFiles().orEmpty()
        val names = setOf("megabyte.zip", "tiny.zip", "tiny-64.zip")
        assertEquals(names, zips.map { it.name }.toSet())
        val store = FileBundleStore(
            temporary.newFolder("imported"),
            emptyList(),
            emptyList(),
            SmallDisk(1L shl 40),
        )
        for (zip in zips) {
            val taken = zip.inputStream().use { store.import(it, zip.length(), {}, { false }) }
            val original = File(cases, "bundles/${zip.nameWithoutExtension.removeSuffix("-64")}")
            val files = original.listFiles().orEmpty()
            assertEquals(3, files.size)
            for (file in files) {
                val copy = File(checkNotNull(taken).folder, file.name)
                assertTrue(file.name, file.readBytes().contentEquals(copy.readBytes()))
            }
        }
    }

    private fun difference(expected: String, says: JsonElement?, data: ByteArray): String? = try {
        val said = saidByTheApp(ManifestParser.parse(data))
        when {
            expected != "accepted" -> "accepted, the host: $expected"
            said != says -> "read as $said instead of $says"
            else -> null
        }
    } catch (failure: AppFailure) {
        val found = if (failure.kind == FailureKind.BUNDLE_NEWER) "newer" else "refused"
        when {
            found != expected -> "$found (${failure.message}), the host: $expected"
            '\n' in failure.message -> "more than a line: ${failure.message}"
            else -> null
        }
    }

    private fun saidByTheApp(manifest: Manifest): JsonElement = json(
        with(manifest) {
            mapOf(
                "schemaVersion" to schemaVersion,
                "name" to name,
                "model" to with(model) {
                    listOf(
                        family, architecture, parameters, untrained, layers, vocabSize, licence,
                        kvHeads, headDim, source?.kind, source?.name, source?.weightFormat,
                    )
                },
                "quantization" to with(quantization) {
                    listOf(scheme, bitsPerWeight, kvCache, method, weightsBytes)
                },
                "program" to with(program) {
                    listOf(
                        file, sizeBytes, sha256, contextLength, maxChunk, window,
                        sparse?.run { listOf(block, local, stride, reach) }, sinks, globalEvery,
                        backend, operators,
                    )
                },
                "tokenizer" to with(tokenizer) {
                    listOf(file, kind, sha256, vocabSize, bosId, eosIds, addBos)
                },
                "chat" to chat?.run {
                    listOf(
                        begin, systemPlace.name.lowercase(), systemPrefix, systemSuffix,
                        defaultSystem, userPrefix, userSuffix, assistantPrefix, assistantSuffix,
                        generationPrompt, stripSystem, stripUser, stripAssistant,
                    )
                },
                "generation" to with(generation) { listOf(temperature, topP, maxTokens, stop) },
                "golden" to golden.map {
                    listOf(it.text, it.promptIds.toList(), it.expectedIds.toList())
                },
                "quality" to with(quality) { listOf(perplexity, perplexityRatio, kl, note) },
            )
        },
    )

    private fun json(value: Any?): JsonElement = when (value) {
        null -> JsonNull
        is Map<*, *> -> JsonObject(value.entries.associate { "${it.key}" to json(it.value) })
        is List<*> -> JsonArray(value.map { json(it) })
        is Double -> JsonPrimitive("%016x".format((value + 0.0).toRawBits()))
        is Number -> JsonPrimitive(value)
        is Boolean -> JsonPrimitive(value)
        else -> JsonPrimitive(value as String)
    }
}
