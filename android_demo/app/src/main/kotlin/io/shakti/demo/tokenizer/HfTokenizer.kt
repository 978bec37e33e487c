package io.shakti.demo.tokenizer

import java.io.File
import java.io.InputStream
import java.util.BitSet

/**
 * Reads a tokenizer.json. Blocking, up to a second for large vocabularies.
 *
 * Throws AppFailure: BUNDLE_CORRUPT if it is missing or not JSON, FILE_UNREADABLE, and
 * TOKENIZER_UNSUPPORTED with the name of what this app cannot do.
 */
fun readTokenizer(file: File): Tokenizer = readTokenizer(file.name) { file.inputStream() }

/** The same from a stream, which is closed; [name] is for messages. */
internal fun readTokenizer(name: String, open: () -> InputStream): Tokenizer {
    val parsed = TokenizerFile.read(name, open)
    parsed.checkFrame()
    val normalizer = normalizer(parsed.part("normalizer"))
    return HfTokenizer(
        normalizer = normalizer,
        preTokenizer = preTokenizer(parsed.part("pre_tokenizer")),
        bpe = Bpe(parsed.model),
        added = AddedTokens(parsed.addedTokens(), parsed.model.vocabulary, normalizer),
        decoder = decoder(parsed.part("decoder")),
        vocabulary = parsed.model.vocabulary,
    )
}

/** Post-processors add special tokens around the text: chats do that by their turns. */
private val POST_PROCESSORS =
    setOf("ByteLevel", "TemplateProcessing", "RobertaProcessing", "BertProcessing")

private fun TokenizerFile.checkFrame() {
    version?.let { if (it != "1.0") throw unsupported("version ${quoted(it)}") }
    for (cut in listOf("truncation", "padding")) {
        if (part(cut) != null) throw unsupported("$cut, which changes prompts silently")
    }
    part("post_processor")?.let { Spec.flattened(it, "processors") }.orEmpty().forEach {
        if (it.type !in POST_PROCESSORS) throw it.unknownType()
    }
}

private class HfTokenizer(
    private val normalizer: Normalizer,
    private val preTokenizer: PreTokenizer,
    private val bpe: Bpe,
    private val added: AddedTokens,
    private val decoder: Decoder,
    vocabulary: Map<String, Int>,
) : Tokenizer {
    /** By id, as the decoder gets them; null where no token has the id. */
    private val tokens: Array<String?>
    private val special = BitSet()

    init {
        val highest = (vocabulary.values + added.forms.keys).maxOrNull() ?: -1
        tokens = arrayOfNulls(highest + 1)
        for ((token, id) in vocabulary) tokens[id] = token
        for ((id, form) in added.forms) tokens[id] = form
        for ((id, token) in tokens.withIndex()) special[id] = token in added.specialContents
    }

    override val vocabSize: Int get() = tokens.size

    override fun encode(text: String): IntArray {
        val ids = IdList()
        added.split(wellFormed(text), normalizer, ids::add) { piece ->
            preTokenizer.split(piece) { word -> bpe.encode(word.text, ids) }
        }
        return ids.toArray()
    }

    override fun decode(ids: IntArray, skipSpecial: Boolean): String {
        val text = Text()
        val chain = decoder.chain(text)
        for (id in ids) chain.give(id, skipSpecial)
        chain.end()
        return text.take()
    }

    override fun stream(): TokenStream = object : TokenStream {
        private val text = Text()
        private val chain = decoder.chain(text)

        override fun push(id: Int): String {
            chain.give(id, skipSpecial = true)
            return text.take()
        }

        override fun flush(): String {
            chain.end()
            return text.take()
        }
    }

    private fun TokenSink.give(id: Int, skipSpecial: Boolean) {
        val token = tokens.getOrNull(id) ?: return
        if (skipSpecial && special[id]) return
        text(token)
        endToken()
    }
}

/** Text that was decoded and not taken yet. */
private class Text : TokenSink {
    private val text = StringBuilder()

    override fun text(part: String) {
        text.append(part)
    }

    override fun endToken() = Unit

    override fun end() = Unit

    fun take(): String = text.toString().also { text.setLength(0) }
}
