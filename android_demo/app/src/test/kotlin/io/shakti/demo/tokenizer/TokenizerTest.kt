package io.shakti.demo.tokenizer

import org.junit.Assert.assertArrayEquals
import org.junit.Assert.assertEquals
import org.junit.Rule
import org.junit.Test
import org.junit.rules.TemporaryFolder

/** Each part of a tokenizer.json on a vocabulary that one can take in at a glance. */
class TokenizerTest {
    @get:Rule
    val folder = TemporaryFolder()

    private val letters = listOf("<unk>", "a", "b", "c", "ab", "bc", "abc", "▁", "▁a", "<s>")

    private fun Tokenizer.tokens(text: String, names: List<String> = letters): List<String> =
        encode(text).map(names::get)

    private fun assertTokens(tokenizer: Tokenizer, text: String, vararg expected: String) =
        assertEquals(expected.toList(), tokenizer.tokens(text))

    private fun streamed(tokenizer: Tokenizer, vararg ids: Int): List<String> {
        val stream = tokenizer.stream()
        return ids.map(stream::push) + stream.flush()
    }

    @Test
    fun the_merge_of_the_lowest_rank_goes_first_wherever_it_is() {
        val merges = "[['b', 'c'], ['a', 'b'], ['a', 'bc']]"
        val tokenizer = folder.tokenizer(tokenizerJson(letters, merges))
        assertTokens(tokenizer, "abcab", "abc", "ab")
    }

    @Test
    fun merges_in_the_older_spelling_are_the_same_and_its_version_line_is_none() {
        val merges = "['#version: 0.2', 'b c', 'a b', 'a bc']"
        val tokenizer = folder.tokenizer(tokenizerJson(letters, merges))
        assertTokens(tokenizer, "abcab", "abc", "ab")
    }

    @Test
    fun a_vocabulary_that_comes_after_the_merges_is_read_as_well() {
        val merges = "[['a', 'b']]"
        val normal = tokenizerJson(letters, merges)
        val model = """"model":{"type":"BPE","""
        val moved = normal.replace(model, """$model"merges":[["a","b"]],""")
            .replace(""","merges":[["a","b"]]}""", "}")
        assertTokens(folder.tokenizer(moved), "abc", "ab", "c")
    }

    @Test
    fun ignore_merges_takes_a_word_of_the_vocabulary_whole() {
        val plain = folder.tokenizer(tokenizerJson(letters))
        val whole = folder.tokenizer(tokenizerJson(letters, model = "{'ignore_merges': true}"))
        assertTokens(plain, "abc", "a", "b", "c")
        assertTokens(whole, "abc", "abc")
    }

    @Test
    fun unknown_characters_are_dropped_or_one_token_each_or_fused() {
        assertTokens(folder.tokenizer(tokenizerJson(letters)), "axyb", "a", "b")
        val each = tokenizerJson(letters, model = "{'unk_token': '<unk>'}")
        assertTokens(folder.tokenizer(each), "axyb", "a", "<unk>", "<unk>", "b")
        val fused = tokenizerJson(letters, model = "{'unk_token': '<unk>', 'fuse_unk': true}")
        assertTokens(folder.tokenizer(fused), "axyb", "a", "<unk>", "b")
    }

    @Test
    fun byte_fallback_writes_unknown_characters_in_bytes_and_reads_them_back() {
        val names = letters + (0..255).map { "<0x%02X>".format(it) }
        val decoder = "{'type': 'Sequence', 'decoders': [{'type': 'ByteFallback'}," +
            " {'type': 'Fuse'}]}"
        val tokenizer = folder.tokenizer(
            tokenizerJson(names, decoder = decoder, model = "{'byte_fallback': true}"),
        )
        assertEquals(listOf("a", "<0xC3>", "<0xA9>", "b"), tokenizer.tokens("aéb", names))
        assertEquals("aéb", tokenizer.decode(tokenizer.encode("aéb")))
    }

    @Test
    fun a_row_of_bytes_comes_when_it_is_over_as_its_last_byte_may_spoil_it() {
        val names = letters + (0..255).map { "<0x%02X>".format(it) }
        val decoder = "{'type': 'Sequence', 'decoders': [{'type': 'ByteFallback'}," +
            " {'type': 'Fuse'}]}"
        val tokenizer = folder.tokenizer(tokenizerJson(names, decoder = decoder))
        val first = letters.size
        assertEquals(
            listOf("", "", "éa", ""),
            streamed(tokenizer, first + 0xC3, first + 0xA9, 1),
        )
        assertEquals(
            listOf("", "", "\uFFFD\uFFFDa", ""),
            streamed(tokenizer, first + 0x41, first + 0xFF, 1),
        )
    }

    @Test
    fun added_tokens_are_found_first_and_the_longest_of_them() {
        val added = "[${addedToken("<s>")}, ${addedToken("ab")}, ${addedToken("abc")}]"
        val tokenizer = folder.tokenizer(tokenizerJson(letters, added = added))
        assertTokens(tokenizer, "a<s>abcabb", "a", "<s>", "abc", "ab", "b")
    }

    @Test
    fun an_added_token_outside_of_the_vocabulary_follows_it() {
        val added = "[${addedToken("new")}, ${addedToken("<s>")}, ${addedToken("newer")}]"
        val tokenizer = folder.tokenizer(tokenizerJson(letters, added = added))
        assertArrayEquals(intArrayOf(11, 10, 9), tokenizer.encode("newernew<s>"))
        assertEquals(12, tokenizer.vocabSize)
    }

    @Test
    fun added_tokens_strip_spaces_and_stand_alone_as_they_say() {
        val strip = addedToken("<s>", "lstrip" to true, "rstrip" to true)
        val stripped = folder.tokenizer(tokenizerJson(letters + " ", added = "[$strip]"))
        assertTokens(stripped, "a \n<s>\t b", "a", "<s>", "b")
        val alone = "[${addedToken("ab", "single_word" to true)}]"
        val single = folder.tokenizer(tokenizerJson(letters + "-", added = alone))
        assertEquals(listOf(1, 2, 3), single.encode("abc").toList())
        assertEquals(listOf(10, 4, 10), single.encode("-ab-").toList())
    }

    @Test
    fun normalized_added_tokens_match_what_the_normalizer_makes() {
        val added = "[${addedToken("AB", "normalized" to true, "special" to false)}]"
        val json = tokenizerJson(letters, normalizer = "{'type': 'Lowercase'}", added = added)
        assertArrayEquals(intArrayOf(3, 10, 3), folder.tokenizer(json).encode("CaBc"))
    }

    @Test
    fun metaspace_marks_the_first_word_or_every_piece_or_none() {
        fun json(scheme: String) = tokenizerJson(
            letters,
            "[['▁', 'a']]",
            preTokenizer = "{'type': 'Metaspace', 'replacement': '▁', 'split': false," +
                " 'prepend_scheme': '$scheme'}",
            added = "[${addedToken("<s>")}]",
        )
        assertTokens(folder.tokenizer(json("first")), "a<s>a", "▁a", "<s>", "a")
        assertTokens(folder.tokenizer(json("always")), "a<s>a", "▁a", "<s>", "▁a")
        assertTokens(folder.tokenizer(json("never")), "a<s>a", "a", "<s>", "a")
    }

    @Test
    fun llama2_s_spaces_go_and_come_back() {
        val decoders = "{'type': 'Sequence', 'decoders': [{'type': 'Replace', 'pattern':" +
            " {'String': '▁'}, 'content': ' '}, {'type': 'ByteFallback'}, {'type': 'Fuse'}," +
            " {'type': 'Strip', 'content': ' ', 'start': 1, 'stop': 0}]}"
        val normalizers = "{'type': 'Sequence', 'normalizers': [{'type': 'Prepend', 'prepend':" +
            " '▁'}, {'type': 'Replace', 'pattern': {'String': ' '}, 'content': '▁'}]}"
        val tokenizer = folder.tokenizer(
            tokenizerJson(letters, "[['▁', 'a']]", normalizers, decoder = decoders),
        )
        assertTokens(tokenizer, "a  a", "▁a", "▁", "▁a")
        assertEquals("a  a", tokenizer.decode(tokenizer.encode("a  a")))
        assertEquals(listOf("a", " ", " a", ""), streamed(tokenizer, 8, 7, 8))
    }

    @Test
    fun strip_cuts_both_ends_of_the_text_and_holds_its_end_back() {
        val decoders = "{'type': 'Sequence', 'decoders': [{'type': 'Fuse'}, {'type': 'Strip'," +
            " 'content': 'a', 'start': 1, 'stop': 2}]}"
        val tokenizer = folder.tokenizer(tokenizerJson(letters, decoder = decoders))
        assertEquals("abab", tokenizer.decode(intArrayOf(1, 1, 2, 1, 2, 1, 1)))
        assertEquals(
            listOf("", "", "ab", "", "ab", "", "", "a", ""),
            streamed(tokenizer, 1, 1, 2, 1, 2, 1, 1, 1),
        )
    }

    @Test
    fun a_replacement_over_several_tokens_waits_for_what_could_complete_it() {
        val decoders = "{'type': 'Sequence', 'decoders': [{'type': 'Fuse'}, {'type': 'Replace'," +
            " 'pattern': {'String': 'abc'}, 'content': '!'}]}"
        val tokenizer = folder.tokenizer(tokenizerJson(letters, decoder = decoders))
        assertEquals(listOf("", "ab", "!", "", "b", "ab"), streamed(tokenizer, 4, 4, 3, 1, 2)
            .let { it.take(3) + listOf(it[3], "b", it[4] + it[5]) })
        assertEquals("ab!b", tokenizer.decode(intArrayOf(4, 4, 3, 2)))
    }

    @Test
    fun without_a_decoder_tokens_stand_apart() {
        val tokenizer = folder.tokenizer(tokenizerJson(letters, decoder = "null"))
        assertEquals("a ab c", tokenizer.decode(intArrayOf(1, 4, 3)))
        assertEquals(listOf("a", " ab", " c", ""), streamed(tokenizer, 1, 4, 3))
    }

    @Test
    fun ids_without_a_token_are_skipped() {
        val tokenizer = folder.tokenizer(tokenizerJson(letters))
        assertEquals("ab", tokenizer.decode(intArrayOf(1, -1, 99, Int.MAX_VALUE, Int.MIN_VALUE, 2)))
    }

    @Test
    fun a_word_of_100_000_letters_is_one_word() {
        val merges = "[['a', 'b'], ['ab', 'c']]"
        val tokenizer = folder.tokenizer(tokenizerJson(letters, merges))
        val ids = tokenizer.encode("abc".repeat(33_333) + "ab")
        assertEquals(List(33_333) { 6 } + 4, ids.toList())
    }

    @Test
    fun bytes_that_are_no_text_become_replacement_characters() {
        val decoder = "{'type': 'ByteLevel'}"
        val tokenizer = folder.tokenizer(tokenizerJson(BYTE_ALPHABET, decoder = decoder))
        assertEquals(
            listOf("", "\uFFFDa", "\uFFFD", "", "\uFFFD"),
            streamed(tokenizer, 0xE6, 0x61, 0xFF, 0xF0),
        )
    }

    @Test
    fun post_processors_add_nothing() {
        val template = "{'post_processor': {'type': 'TemplateProcessing', 'single': []," +
            " 'pair': [], 'special_tokens': {}}}"
        assertTokens(folder.tokenizer(tokenizerJson(letters, top = template)), "a", "a")
    }
}
