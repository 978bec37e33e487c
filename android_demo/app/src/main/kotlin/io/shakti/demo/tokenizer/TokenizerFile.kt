package io.shakti.demo.tokenizer

import io.shakti.demo.AppFailure
import io.shakti.demo.FailureKind
import java.io.FileNotFoundException
import java.io.IOException
import java.io.InputStream
import kotlinx.serialization.DeserializationStrategy
import kotlinx.serialization.ExperimentalSerializationApi
import kotlinx.serialization.builtins.MapSerializer
import kotlinx.serialization.builtins.serializer
import kotlinx.serialization.descriptors.SerialDescriptor
import kotlinx.serialization.descriptors.buildClassSerialDescriptor
import kotlinx.serialization.descriptors.listSerialDescriptor
import kotlinx.serialization.encoding.CompositeDecoder
import kotlinx.serialization.encoding.Decoder
import kotlinx.serialization.json.Json
import kotlinx.serialization.json.JsonArray
import kotlinx.serialization.json.JsonElement
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.JsonPrimitive
import kotlinx.serialization.json.decodeFromStream

/** A tokenizer.json: the model read in full, the small parts as they are written. */
internal class TokenizerFile(val model: BpeFile, private val parts: Map<String, JsonElement>) {
    /** Null where the file has null or nothing. */
    fun part(name: String): Spec? = Spec.ofNullable(parts[name], name)

    /** Null where the file has none. */
    val version: String? get() = (parts["version"] as? JsonPrimitive)?.content

    fun addedTokens(): List<AddedToken> {
        val list = parts["added_tokens"] ?: return emptyList()
        if (list !is JsonArray) throw unsupported("added_tokens is not a list")
        return list.mapIndexed { at, token -> AddedToken(Spec.of(token, "added_tokens[$at]")) }
    }

    companion object {
        /**
         * Reads what [open] gives without holding its text or a tree of it: vocabularies have up to
         * 260,000 tokens and twice as many merges. [name] is for messages.
         */
        @OptIn(ExperimentalSerializationApi::class)
        fun read(name: String, open: () -> InputStream): TokenizerFile = try {
            open().buffered().use { JSON.decodeFromStream(FileReader, it) }
        } catch (missing: FileNotFoundException) {
            throw failure(FailureKind.BUNDLE_CORRUPT, name, missing)
        } catch (unreadable: IOException) {
            throw failure(FailureKind.FILE_UNREADABLE, name, unreadable)
        } catch (unknown: IllegalArgumentException) { // SerializationException is one
            throw failure(FailureKind.BUNDLE_CORRUPT, name, unknown)
        } catch (endless: StackOverflowError) {
            // The parser goes down into lists by recursion, and has no limit of its own.
            throw AppFailure(FailureKind.BUNDLE_CORRUPT, "$name: nested too deeply", endless)
        }

        private fun failure(kind: FailureKind, name: String, cause: Exception): AppFailure {
            val why = cause.message.orEmpty().lineSequence().first()
            return AppFailure(kind, "$name: ${quoted(why)}", cause)
        }

        private val JSON = Json { ignoreUnknownKeys = true }
    }
}

/** The model of a tokenizer.json, which is BPE. Ids count from 0. */
internal class BpeFile(
    val vocabulary: Map<String, Int>,
    val merges: MergeTable,
    val unknownToken: String?,
    val fuseUnknown: Boolean,
    val byteFallback: Boolean,
    val ignoreMerges: Boolean,
)

private object FileReader : DeserializationStrategy<TokenizerFile> {
    private val parts = listOf(
        "version", "truncation", "padding", "added_tokens", "normalizer", "pre_tokenizer",
        "post_processor", "decoder",
    )
    override val descriptor: SerialDescriptor = objectDescriptor("tokenizer.json", parts + "model")

    override fun deserialize(decoder: Decoder): TokenizerFile {
        var model: BpeFile? = null
        val found = HashMap<String, JsonElement>()
        decoder.readObject(descriptor) { name, index ->
            if (name == "model") {
                model = decodeSerializableElement(descriptor, index, ModelReader)
            } else {
                found[name] = element(descriptor, index)
            }
        }
        return TokenizerFile(model ?: throw unsupported("there is no model"), found)
    }
}

private object ModelReader : DeserializationStrategy<BpeFile> {
    private val settings = listOf(
        "type", "dropout", "unk_token", "continuing_subword_prefix", "end_of_word_suffix",
        "fuse_unk", "byte_fallback", "ignore_merges",
    )
    override val descriptor: SerialDescriptor =
        objectDescriptor("model", settings + "vocab" + "merges")

    override fun deserialize(decoder: Decoder): BpeFile {
        val found = HashMap<String, JsonElement>()
        var vocabulary: Map<String, Int>? = null
        var merges: MergeTable.Builder? = null
        val early = ArrayList<String>()
        decoder.readObject(descriptor) { name, index ->
            when (name) {
                "vocab" -> {
                    if (vocabulary != null) throw unsupported("model.vocab comes twice")
                    checkType(found["type"])
                    vocabulary = decodeSerializableElement(descriptor, index, VOCABULARY)
                        .also(::checkVocabulary)
                    merges = MergeTable.Builder(vocabulary.orEmpty())
                }
                "merges" -> {
                    val take = merges?.let { it::add }
                        ?: { left, right -> early.add(left); early.add(right); Unit }
                    decodeSerializableElement(descriptor, index, MergesReader(take))
                }
                else -> found[name] = element(descriptor, index)
            }
        }
        val complete = merges ?: throw unsupported("the model has no vocabulary")
        for (at in early.indices step 2) complete.add(early[at], early[at + 1])
        val spec = Spec.of(JsonObject(found), "model")
        checkSettings(spec, found)
        return BpeFile(
            vocabulary = vocabulary.orEmpty(),
            merges = complete.build(),
            unknownToken = spec.textOrNull("unk_token"),
            fuseUnknown = spec.flag("fuse_unk", false),
            byteFallback = spec.flag("byte_fallback", false),
            ignoreMerges = spec.flag("ignore_merges", false),
        )
    }

    /** Before the vocabulary, which looks different in models of other types. */
    private fun checkType(type: JsonElement?) {
        if (type != null && (type as? JsonPrimitive)?.content != "BPE") {
            throw unsupported("a model of type ${quoted(type.toString())}")
        }
    }

    private fun checkVocabulary(vocabulary: Map<String, Int>) {
        for ((token, id) in vocabulary) {
            if (id !in 0..HIGHEST_ID) throw unsupported("${quoted(token)} has the id $id")
            if (loneSurrogate(token, 0) >= 0) throw unsupported("token $id is not text")
        }
    }

    private fun checkSettings(spec: Spec, found: Map<String, JsonElement>) {
        checkType(found["type"])
        val dropout = (found["dropout"] as? JsonPrimitive)?.content
        if (found["dropout"] != null && dropout != "null" && dropout?.toDoubleOrNull() != 0.0) {
            throw unsupported("model.dropout, which makes ids random")
        }
        for (key in listOf("continuing_subword_prefix", "end_of_word_suffix")) {
            if (!spec.textOrNull(key).isNullOrEmpty()) throw unsupported("model.$key")
        }
    }

    private val VOCABULARY = MapSerializer(String.serializer(), Int.serializer())

    /** Far above any model's; tables are as long as the highest id. */
    private const val HIGHEST_ID = (1 shl 22) - 1
}

/** Merges in either spelling, "left right" or ["left", "right"], each given to [take]. */
private class MergesReader(private val take: (String, String) -> Unit) :
    DeserializationStrategy<Unit> {
    override val descriptor: SerialDescriptor = LIST

    override fun deserialize(decoder: Decoder) {
        val list = decoder.beginStructure(descriptor)
        while (true) {
            val index = list.decodeElementIndex(descriptor)
            if (index == CompositeDecoder.DECODE_DONE) break
            when (val merge = list.element(descriptor, index)) {
                is JsonArray -> pair(index, merge.map { text(it) })
                else -> text(merge)?.takeUnless { it.startsWith("#version") }
                    ?.let { pair(index, it.split(' ')) } ?: check(index, merge)
            }
        }
        list.endStructure(descriptor)
    }

    private fun pair(index: Int, tokens: List<String?>) {
        val left = tokens.getOrNull(0)
        val right = tokens.getOrNull(1)
        if (tokens.size != 2 || left == null || right == null) throw broken(index)
        take(left, right)
    }

    private fun check(index: Int, merge: JsonElement) {
        if (text(merge) == null) throw broken(index)
    }

    private fun text(element: JsonElement): String? =
        (element as? JsonPrimitive)?.takeIf { it.isString }?.content

    private fun broken(index: Int) = unsupported("model.merges[$index] is not two tokens")

    @OptIn(ExperimentalSerializationApi::class)
    private companion object {
        val LIST = listSerialDescriptor(JsonElement.serializer().descriptor)
    }
}

private fun objectDescriptor(name: String, keys: List<String>): SerialDescriptor =
    buildClassSerialDescriptor(name) {
        for (key in keys) element(key, JsonElement.serializer().descriptor, isOptional = true)
    }

private inline fun Decoder.readObject(
    descriptor: SerialDescriptor,
    read: CompositeDecoder.(name: String, index: Int) -> Unit,
) {
    val json = beginStructure(descriptor)
    while (true) {
        val index = json.decodeElementIndex(descriptor)
        if (index == CompositeDecoder.DECODE_DONE) break
        @OptIn(ExperimentalSerializationApi::class)
        json.read(descriptor.getElementName(index), index)
    }
    json.endStructure(descriptor)
}

private fun CompositeDecoder.element(descriptor: SerialDescriptor, index: Int): JsonElement =
    decodeSerializableElement(descriptor, index, JsonElement.serializer())
