package io.shakti.demo.tokenizer

/** Text to token ids and back, as Hugging Face's `tokenizers` does it with the same tokenizer.json. */
interface Tokenizer {
    /** Ids with added tokens; every id is below it. */
    val vocabSize: Int

    /**
     * Ids of [text]; special tokens written in it become their ids, nothing is added.
     * A lone surrogate counts as U+FFFD.
     */
    fun encode(text: String): IntArray

    /** Text of [ids]; ids that are out of range are skipped, and special tokens if [skipSpecial]. */
    fun decode(ids: IntArray, skipSpecial: Boolean = true): String

    /** Decodes an answer as it comes; special tokens give nothing. */
    fun stream(): TokenStream
}

/** All pieces together are `decode` of all ids; no piece ends within a character. */
interface TokenStream {
    fun push(id: Int): String

    /** What was held back. */
    fun flush(): String
}
