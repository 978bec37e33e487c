/*
 * Text to token ids and back on the phone, from the tokenizer.json of a bundle.
 *
 * What is read: BPE models (byte-level, and byte-fallback as in conversions from SentencePiece)
 * with the normalizers NFC, NFD, NFKC, NFKD, Lowercase, Prepend, Replace, Strip; the pre-tokenizers
 * ByteLevel, Split, Digits, Metaspace, Whitespace, WhitespaceSplit; the decoders ByteLevel,
 * ByteFallback, Fuse, Metaspace, Replace, Strip; Sequences of all these; and added tokens with all
 * their settings. Post-processors are not applied: the turns of a chat bring their special tokens
 * as text. Whatever else a file asks for is refused by name, so that no model gets other ids than
 * those it was exported with.
 *
 * Splits by pattern are known by their exact text (Scanners.kt): GPT-2, Llama 3, Qwen 2, SmolLM and
 * llama.cpp's default. A new one needs a scanner there.
 *
 * Ids are equal to those of Hugging Face's `tokenizers`; TokenizerParityTest compares them on over
 * 100,000 texts. What depends on versions of Unicode:
 * - letters, marks, numbers, punctuation and word characters are the library's own sets
 *   (UnicodeRanges.kt, Unicode 16; in Digits Unicode 17, as Rust has it), the same on every phone;
 * - white space is written out, it has not changed for years;
 * - normalizers use the platform's tables (Android 9: Unicode 10, Android 14: 15), the library
 *   those of Unicode 9. Results differ only for characters that one of the two does not know: some
 *   100 combining marks and 70 compatibility characters of later versions, which the parity test
 *   leaves out. The same goes for Lowercase, which the library does by Unicode 17.
 *
 * Streams give all that later tokens cannot change. That is what the library's DecodeStream gives,
 * sometimes a token earlier; a row of byte tokens, though, comes when it is over, because one bad
 * byte at its end would turn all of it into U+FFFD.
 */
package io.shakti.demo.tokenizer

/**
 * Text to token ids and back, as Hugging Face's `tokenizers` does it with the same tokenizer.json.
 * Nothing here throws, whatever text or ids come. Thread-safe, but for streams.
 */
interface Tokenizer {
    /** The highest id + 1, added tokens included. */
    val vocabSize: Int

    /**
     * Ids of [text]; special tokens written in it become their ids, nothing is added.
     * A lone surrogate counts as U+FFFD.
     */
    fun encode(text: String): IntArray

    /** Text of [ids]; ids without a token are skipped, and special tokens if [skipSpecial]. */
    fun decode(ids: IntArray, skipSpecial: Boolean = true): String

    /** Decodes an answer as it comes; special tokens give nothing. */
    fun stream(): TokenStream
}

/**
 * All pieces together are `decode` of all ids; no piece ends within a character, and none holds
 * what a later id would change.
 */
interface TokenStream {
    fun push(id: Int): String

    /** What was held back; the stream is over then. */
    fun flush(): String
}
