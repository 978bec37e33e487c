package io.shakti.demo.tokenizer

import io.shakti.demo.AppFailure
import java.io.File
import kotlinx.serialization.json.Json
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.JsonPrimitive
import kotlinx.serialization.json.buildJsonObject
import kotlinx.serialization.json.put
import org.junit.Assert.assertThrows
import org.junit.rules.TemporaryFolder

/**
 * A tokenizer.json for tests. Ids are the places in [vocabulary]; the other parts are JSON with
 * single quotes, [model] holds further settings of the model and [top] of the file.
 */
internal fun tokenizerJson(
    vocabulary: List<String>,
    merges: String = "[]",
    normalizer: String = "null",
    preTokenizer: String = "null",
    decoder: String = "{'type': 'Fuse'}",
    added: String = "[]",
    model: String = "{}",
    top: String = "{}",
): String {
    val bpe = buildJsonObject {
        put("type", "BPE")
        put("vocab", buildJsonObject { vocabulary.forEachIndexed { id, token -> put(token, id) } })
        put("merges", json(merges))
        (json(model) as JsonObject).forEach(::put)
    }
    return buildJsonObject {
        put("version", JsonPrimitive("1.0"))
        put("added_tokens", json(added))
        put("normalizer", json(normalizer))
        put("pre_tokenizer", json(preTokenizer))
        put("decoder", json(decoder))
        put("model", bpe)
        (json(top) as JsonObject).forEach(::put)
    }.toString()
}

/** An added token as tokenizer.json has it, special unless [settings] say otherwise. */
internal fun addedToken(content: String, vararg settings: Pair<String, Boolean>): String {
    val flags = listOf("single_word", "lstrip", "rstrip", "normalized").associateWith { false } +
        ("special" to true) + settings
    return "{'content': '$content', " + flags.entries.joinToString { "'${it.key}': ${it.value}" } +
        "}"
}

/** The characters of byte-level tokens, one for each byte. */
internal val BYTE_ALPHABET: List<String> = (0..255).map { ByteCharacters.character(it).toString() }

private fun json(text: String) = Json.parseToJsonElement(text.replace('\'', '"'))

internal fun TemporaryFolder.tokenizer(json: String): Tokenizer = readTokenizer(file(json))

internal fun TemporaryFolder.file(json: String): File =
    newFile().apply { writeText(json) }

internal fun TemporaryFolder.failure(json: String): AppFailure =
    assertThrows(AppFailure::class.java) { tokenizer(json) }
