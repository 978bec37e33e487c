package io.shakti.demo.fakes

import io.shakti.demo.tokenizer.TokenStream
import io.shakti.demo.tokenizer.Tokenizer
import java.io.ByteArrayOutputStream

/**
 * A tokenizer without a file: ids 0 to 255 are the bytes of UTF-8, [START] and [END] special, and
 * [THE] is "the", which `encode` prefers to its three bytes. So two rows of ids can be one text,
 * and characters can be split over ids, as with real tokenizers.
 */
class ByteTokenizer : Tokenizer {
    override val vocabSize: Int = VOCAB_SIZE

    override fun encode(text: String): IntArray {
        val ids = ArrayList<Int>()
        var at = 0
        while (at < text.length) {
            val named = NAMED.entries.firstOrNull { text.startsWith(it.value, at) }
            if (named != null) {
                ids += named.key
                at += named.value.length
            } else {
                val character = String(Character.toChars(text.codePointAt(at)))
                character.toByteArray().forEach { ids += it.toInt() and 0xff }
                at += character.length
            }
        }
        return ids.toIntArray()
    }

    override fun decode(ids: IntArray, skipSpecial: Boolean): String {
        val bytes = ByteArrayOutputStream()
        ids.forEach { bytes.write(bytesOf(it, skipSpecial)) }
        return bytes.toString("UTF-8")
    }

    override fun stream(): TokenStream = object : TokenStream {
        private val held = ArrayList<Int>()

        override fun push(id: Int): String {
            held += id
            val text = decode(held.toIntArray())
            return if (text.endsWith('\uFFFD')) "" else text.also { held.clear() }
        }

        override fun flush(): String = decode(held.toIntArray()).also { held.clear() }
    }

    private fun bytesOf(id: Int, skipSpecial: Boolean): ByteArray = when (id) {
        in 0..255 -> byteArrayOf(id.toByte())
        THE -> NAMED.getValue(id).toByteArray()
        START, END -> if (skipSpecial) ByteArray(0) else NAMED.getValue(id).toByteArray()
        else -> ByteArray(0)
    }

    companion object {
        const val START = 256
        const val END = 257
        const val THE = 258
        const val VOCAB_SIZE = 259

        private val NAMED = mapOf(START to "<|start|>", END to "<|end|>", THE to "the")
    }
}
