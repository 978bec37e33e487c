package io.shakti.demo.tokenizer

import io.shakti.demo.AppFailure
import io.shakti.demo.FailureKind
import java.io.File
import org.junit.Assert.assertEquals
import org.junit.Assert.assertThrows
import org.junit.Assert.assertTrue
import org.junit.Rule
import org.junit.Test
import org.junit.rules.TemporaryFolder

/** What cannot be done is named; what cannot be read is the bundle's fault. */
class TokenizerRefusalTest {
    @get:Rule
    val folder = TemporaryFolder()

    private val letters = listOf("a", "b", "ab")

    private fun assertRefused(json: String, name: String) {
        val failure = folder.failure(json)
        assertEquals(failure.message, FailureKind.TOKENIZER_UNSUPPORTED, failure.kind)
        assertTrue("${failure.message} does not name $name", name in failure.message)
        assertEquals(1, failure.message.lines().size)
    }

    private fun assertCorrupt(json: String) {
        val failure = folder.failure(json)
        assertEquals(failure.message, FailureKind.BUNDLE_CORRUPT, failure.kind)
        assertEquals(1, failure.message.lines().size)
    }

    @Test
    fun models_of_other_types_are_refused_by_name() {
        assertRefused("{'model': {'type': 'Unigram', 'vocab': [['a', 0]]}}".quoted(), "Unigram")
        assertRefused(tokenizerJson(letters, model = "{'type': 'WordPiece'}"), "WordPiece")
    }

    @Test
    fun unknown_steps_are_refused_by_name() {
        val step = "{'type': 'Sequence', 'KEY': [{'type': 'Strange'}]}"
        fun at(key: String) = step.replace("KEY", key)
        assertRefused(tokenizerJson(letters, normalizer = at("normalizers")), "Strange")
        assertRefused(tokenizerJson(letters, preTokenizer = at("pretokenizers")), "Strange")
        assertRefused(tokenizerJson(letters, decoder = at("decoders")), "Strange")
        val post = "{'post_processor': ${at("processors")}}"
        assertRefused(tokenizerJson(letters, top = post), "Strange")
    }

    @Test
    fun unknown_patterns_are_refused_with_their_text() {
        val split = "{'type': 'Split', 'pattern': {'Regex': '[xyz]+'}, 'behavior': 'Isolated'," +
            " 'invert': false}"
        assertRefused(tokenizerJson(letters, preTokenizer = split), "[xyz]+")
        val replace = "{'type': 'Replace', 'pattern': {'Regex': ' {2,}'}, 'content': ' '}"
        assertRefused(tokenizerJson(letters, normalizer = replace), " {2,}")
        assertRefused(tokenizerJson(letters, decoder = replace), " {2,}")
    }

    @Test
    fun settings_that_change_ids_are_refused() {
        for (key in listOf("continuing_subword_prefix", "end_of_word_suffix")) {
            assertRefused(tokenizerJson(letters, model = "{'$key': '##'}"), key)
        }
        assertRefused(tokenizerJson(letters, model = "{'dropout': 0.1}"), "dropout")
        assertRefused(tokenizerJson(letters, top = "{'version': '2.0'}"), "2.0")
        for (key in listOf("truncation", "padding")) {
            assertRefused(tokenizerJson(letters, top = "{'$key': {'max_length': 5}}"), key)
        }
    }

    @Test
    fun merges_and_unknown_tokens_outside_of_the_vocabulary_are_refused() {
        assertRefused(tokenizerJson(letters, "[['a', 'x']]"), "\"x\"")
        assertRefused(tokenizerJson(letters, "[['b', 'a']]"), "\"ba\"")
        assertRefused(tokenizerJson(letters, "['a b', 'a']"), "merges[1]")
        assertRefused(tokenizerJson(letters, "['a b', ['a', 'b', 'a']]"), "merges[1]")
        assertRefused(tokenizerJson(letters, "[7]"), "merges[0]")
        assertRefused(tokenizerJson(letters, model = "{'unk_token': '<unk>'}"), "<unk>")
    }

    @Test
    fun ids_beyond_any_model_s_are_refused() {
        val huge = tokenizerJson(letters).replace("\"ab\":2", "\"ab\":2000000000")
        assertRefused(huge, "2000000000")
        assertRefused(tokenizerJson(letters).replace("\"ab\":2", "\"ab\":-1"), "-1")
    }

    @Test
    fun added_tokens_that_cannot_be_told_apart_are_refused() {
        val twice = "[${addedToken("X", "normalized" to true)}, " +
            "${addedToken("x", "normalized" to true)}]"
        val lower = "{'type': 'Lowercase'}"
        assertRefused(tokenizerJson(letters, normalizer = lower, added = twice), "\"x\"")
        val strip = "{'type': 'Strip', 'strip_left': true, 'strip_right': true}"
        val blank = "[${addedToken("  ", "normalized" to true)}]"
        assertRefused(tokenizerJson(letters, normalizer = strip, added = blank), "nothing")
    }

    @Test
    fun settings_of_the_wrong_kind_are_named() {
        val digits = "{'type': 'Digits', 'individual_digits': 'yes'}"
        assertRefused(tokenizerJson(letters, preTokenizer = digits), "individual_digits")
        val prepend = "{'type': 'Prepend'}"
        assertRefused(tokenizerJson(letters, normalizer = prepend), "prepend")
        assertRefused(tokenizerJson(letters, decoder = "'Fuse'"), "decoder")
        assertRefused(tokenizerJson(letters, added = "{}"), "added_tokens")
        assertRefused(tokenizerJson(letters, added = "[{'content': 'x'}]"), "added_tokens[0]")
    }

    @Test
    fun sequences_nested_without_end_are_refused() {
        val deep = (1..40).fold("{'type': 'NFC'}") { inner, _ ->
            "{'type': 'Sequence', 'normalizers': [$inner]}"
        }
        assertRefused(tokenizerJson(letters, normalizer = deep), "nested")
    }

    @Test
    fun a_file_that_is_cut_off_or_not_JSON_is_corrupt() {
        val whole = tokenizerJson(letters, "[['a', 'b']]")
        for (length in listOf(0, 1, whole.length / 2, whole.length - 1)) {
            assertCorrupt(whole.take(length))
        }
        assertCorrupt("$whole}")
        assertCorrupt("[".repeat(200_000))
        assertCorrupt("{\"decoder\":" + "[".repeat(200_000))
    }

    @Test
    fun a_file_without_a_model_or_vocabulary_is_refused() {
        assertRefused("{}", "model")
        assertRefused("{'model': {'type': 'BPE', 'merges': []}}".quoted(), "vocabulary")
    }

    @Test
    fun a_missing_file_is_a_corrupt_bundle() {
        val failure = assertThrows(AppFailure::class.java) {
            readTokenizer(File(folder.root, "tokenizer.json"))
        }
        assertEquals(FailureKind.BUNDLE_CORRUPT, failure.kind)
    }

    private fun String.quoted() = replace('\'', '"')
}
