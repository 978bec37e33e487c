package io.shakti.demo.fakes

import io.shakti.demo.bundle.Bundle
import io.shakti.demo.bundle.MANIFEST_NAME
import io.shakti.demo.bundle.ManifestParser
import kotlinx.serialization.json.Json
import kotlinx.serialization.json.JsonArray
import kotlinx.serialization.json.JsonNull
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.JsonPrimitive
import kotlinx.serialization.json.buildJsonObject
import kotlinx.serialization.json.put
import kotlinx.serialization.json.putJsonArray
import kotlinx.serialization.json.putJsonObject
import java.io.ByteArrayOutputStream
import java.io.File
import java.security.MessageDigest
import java.util.zip.CRC32
import java.util.zip.ZipEntry
import java.util.zip.ZipOutputStream

/**
 * A small bundle that is whole in form and true to its manifest; only its program is made up, so
 * no runtime opens it.
 *
 * The tokenizer is a real one: ids 0 to 255 are bytes, [START] and [END] are special tokens. The
 * golden prompt is "hi", to be answered by "ya". [edit] changes the manifest before its checksum
 * is taken.
 */
class TinyBundle(
    val name: String = "tiny-1m-q4",
    val scheme: String = "q4",
    val program: ByteArray = ByteArray(5000) { (it * 31 + name.hashCode()).toByte() },
    val tokenizer: ByteArray = TOKENIZER.toByteArray(),
    val schemaVersion: String = "1.0",
    val contextLength: Int = 256,
    val edit: (JsonObject) -> JsonObject = { it },
) {
    /** The bytes of manifest.json. */
    val manifest: ByteArray by lazy { withChecksum(edit(fields())) }

    val files: Map<String, ByteArray>
        get() = mapOf(
            MANIFEST_NAME to manifest,
            "model.pte" to program,
            "tokenizer.json" to tokenizer,
        )

    /** The bundle as it would be in [folder], where nothing is written. */
    fun bundle(folder: File): Bundle = Bundle(folder, ManifestParser.parse(manifest))

    /** Writes the files into [folder], which is made. */
    fun writeTo(folder: File): Bundle {
        folder.mkdirs()
        files.forEach { (name, content) -> File(folder, name).writeBytes(content) }
        return bundle(folder)
    }

    /** The bundle as a zip; [prefix] may be a folder such as "tiny/". */
    fun zip(stored: Boolean = true, prefix: String = ""): ByteArray =
        zipOf(files.mapKeys { prefix + it.key }.toList(), stored)

    private fun fields(): JsonObject = buildJsonObject {
        put("schema_version", schemaVersion)
        put("name", name)
        put("model", model())
        putJsonObject("quantization") {
            put("scheme", scheme)
            put("bits_per_weight", 4.5)
            put("weights_bytes", program.size)
            putJsonObject("linear") { put("description", "int4, symmetric") }
            put("embedding", "int4")
            put("kv_cache", "fp32")
            put("method", "rounding")
        }
        putJsonObject("program") {
            put("file", "model.pte")
            put("size_bytes", program.size)
            put("sha256", sha256(program))
            put("methods", JsonArray(emptyList()))
            put("context_length", contextLength)
            put("max_chunk", 16)
            put("backend", "xnnpack")
            putJsonArray("operators") { add(JsonPrimitive("aten::add.out")) }
            put("delegates", 1)
        }
        putJsonObject("tokenizer") {
            put("file", "tokenizer.json")
            put("kind", "hf")
            put("sha256", sha256(tokenizer))
            put("vocab_size", VOCAB_SIZE)
            put("bos_id", JsonNull)
            putJsonArray("eos_ids") { add(JsonPrimitive(END)) }
            put("add_bos", false)
        }
        put("chat", chat())
        putJsonObject("generation") {
            put("temperature", 0.7)
            put("top_p", 0.9)
            put("max_tokens", 64)
        }
        putJsonArray("golden") {
            add(
                buildJsonObject {
                    put("text", "hi")
                    put("prompt_ids", idsOf("hi"))
                    put("expected_ids", idsOf("ya"))
                },
            )
        }
    }

    private fun model(): JsonObject = buildJsonObject {
        put("family", "tiny")
        put("architecture", "llama")
        put("parameters", 1_000_000)
        put("untrained", true)
        put("layers", 2)
        put("hidden_size", 16)
        put("heads", 4)
        putJsonArray("kv_heads") { listOf(2, 1).forEach { add(JsonPrimitive(it)) } }
        put("head_dim", 4)
        put("intermediate_size", 32)
        put("vocab_size", VOCAB_SIZE)
        put("max_position_embeddings", contextLength)
        put("tied_embedding", true)
        put("attention_bias", false)
        put("rms_norm_eps", 1e-5)
        putJsonObject("rope") { put("theta", 10000.0) }
        put("licence", "Apache-2.0")
        putJsonObject("source") {
            put("kind", "preset")
            put("name", "tiny")
            put("weight_format", "fp32")
            put("seed", 1)
        }
    }

    private fun chat(): JsonObject = buildJsonObject {
        put("begin", "")
        put("system_place", "turn")
        put("system_prefix", "<|start|>system\n")
        put("system_suffix", "<|end|>\n")
        put("default_system", JsonNull)
        put("user_prefix", "<|start|>user\n")
        put("user_suffix", "<|end|>\n")
        put("assistant_prefix", "<|start|>assistant\n")
        put("assistant_suffix", "<|end|>\n")
        put("generation_prompt", "<|start|>assistant\n")
        put("strip_roles", JsonArray(emptyList()))
        put("template", "")
    }

    companion object {
        const val START = 256
        const val END = 257
        const val VOCAB_SIZE = 258

        /** Byte-level BPE without merges. */
        val TOKENIZER: String = tokenizerJson()

        private const val ZEROS = "0000000000000000000000000000000000000000000000000000000000000000"

        fun sha256(data: ByteArray): String =
            MessageDigest.getInstance("SHA-256").digest(data).joinToString("") { "%02x".format(it) }

        /** A manifest of these [fields], with the checksum that belongs to it. */
        fun withChecksum(fields: JsonObject): ByteArray {
            val others = JsonObject(fields - "checksum").toString().removePrefix("{")
            val blank = "{\n  \"checksum\": \"$ZEROS\",\n$others\n"
            return blank.replaceFirst(ZEROS, sha256(blank.toByteArray())).toByteArray()
        }

        /** A zip of [entries], in their order. */
        fun zipOf(entries: List<Pair<String, ByteArray>>, stored: Boolean = true): ByteArray {
            val bytes = ByteArrayOutputStream()
            ZipOutputStream(bytes).use { zip ->
                for ((name, content) in entries) {
                    val entry = ZipEntry(name)
                    if (stored) {
                        entry.method = ZipEntry.STORED
                        entry.size = content.size.toLong()
                        entry.crc = CRC32().apply { update(content) }.value
                    }
                    zip.putNextEntry(entry)
                    zip.write(content)
                    zip.closeEntry()
                }
            }
            return bytes.toByteArray()
        }

        private fun idsOf(text: String) =
            JsonArray(text.toByteArray().map { JsonPrimitive(it.toInt() and 0xff) })

        /** The characters that byte-level tokenizers write for the bytes 0 to 255. */
        private fun byteCharacters(): List<Char> {
            val printable = ('!'..'~') + ('\u00a1'..'\u00ac') + ('\u00ae'..'\u00ff')
            var next = '\u0100'
            return (0..255).map { if (it.toChar() in printable) it.toChar() else next++ }
        }

        private fun tokenizerJson(): String {
            val special = mapOf("<|start|>" to START, "<|end|>" to END)
            val byteLevel = buildJsonObject {
                put("type", "ByteLevel")
                put("add_prefix_space", false)
                put("trim_offsets", true)
                put("use_regex", true)
            }
            return buildJsonObject {
                put("version", "1.0")
                put("truncation", JsonNull)
                put("padding", JsonNull)
                putJsonArray("added_tokens") {
                    special.forEach { (text, id) ->
                        add(
                            buildJsonObject {
                                put("id", id)
                                put("content", text)
                                listOf("single_word", "lstrip", "rstrip", "normalized")
                                    .forEach { put(it, false) }
                                put("special", true)
                            },
                        )
                    }
                }
                put("normalizer", JsonNull)
                put("pre_tokenizer", byteLevel)
                put("post_processor", JsonNull)
                put("decoder", byteLevel)
                putJsonObject("model") {
                    put("type", "BPE")
                    put("dropout", JsonNull)
                    put("unk_token", JsonNull)
                    put("continuing_subword_prefix", JsonNull)
                    put("end_of_word_suffix", JsonNull)
                    listOf("fuse_unk", "byte_fallback", "ignore_merges").forEach { put(it, false) }
                    putJsonObject("vocab") {
                        byteCharacters().forEachIndexed { id, char -> put(char.toString(), id) }
                        special.forEach { (text, id) -> put(text, id) }
                    }
                    put("merges", JsonArray(emptyList()))
                }
            }.let { Json.encodeToString(JsonObject.serializer(), it) }
        }
    }
}
