package io.shakti.demo.tokenizer

import org.junit.Assert.assertArrayEquals
import org.junit.Assert.assertEquals
import org.junit.Test

/** The tokenizer that ships with the model, in numbers that anyone can look up. */
class SmolLm2TokenizerTest {
    private val tokenizer = readTokenizer(input("shakti.bundle.q4").resolve("tokenizer.json"))

    @Test
    fun the_turns_of_a_chat_are_special_tokens_and_words() {
        val prompt = "<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by" +
            " Hugging Face<|im_end|>\n<|im_start|>user\nHello!<|im_end|>\n<|im_start|>assistant\n"
        val ids = intArrayOf(
            1, 9690, 198, 2683, 359, 253, 5356, 5646, 11173, 3365, 3511, 308, 34519, 28, 7018, 411,
            407, 19712, 8182, 2, 198, 1, 4093, 198, 19556, 17, 2, 198, 1, 520, 9531, 198,
        )
        assertArrayEquals(ids, tokenizer.encode(prompt))
        assertEquals(prompt, tokenizer.decode(ids, skipSpecial = false))
    }

    @Test
    fun special_tokens_are_left_out_of_what_people_read() {
        assertEquals("\nHello!\n", tokenizer.decode(intArrayOf(1, 198, 19556, 17, 2, 198)))
    }

    @Test
    fun digits_stand_alone() {
        assertArrayEquals(
            intArrayOf(788, 216, 34, 32, 34, 36, 28, 216, 35, 30, 33, 36),
            tokenizer.encode("In 2024, 3.14"),
        )
    }

    @Test
    fun the_last_space_of_several_belongs_to_the_next_word() {
        assertArrayEquals(
            intArrayOf(216, 827, 216, 5600, 1116, 197, 104),
            tokenizer.encode("  two  spaces\n\n\tx"),
        )
    }

    @Test
    fun an_emoji_of_several_characters_comes_in_whole_ones() {
        val ids = intArrayOf(10813, 235, 119, 10813, 233, 138, 321, 231, 10813, 236, 136, 10907)
        assertArrayEquals(ids, tokenizer.encode("👩🏽‍💻 ok"))
        val stream = tokenizer.stream()
        val pieces = ids.map(stream::push)
        assertEquals(
            listOf("", "", "👩", "", "", "🏽", "", "\u200D", "", "", "💻", " ok"),
            pieces,
        )
        assertEquals("", stream.flush())
    }

    @Test
    fun an_answer_cut_off_within_a_character_ends_in_one_replacement() {
        val stream = tokenizer.stream()
        assertEquals("", stream.push(10813))
        assertEquals("", stream.push(235))
        assertEquals("\uFFFD", stream.flush())
    }

    @Test
    fun all_ids_are_below_vocabSize() {
        assertEquals(49152, tokenizer.vocabSize)
    }

    @Test
    fun a_lone_surrogate_counts_as_a_replacement_character() {
        for (text in listOf("a\uD83D", "\uDE00b", "x\uD83D\uD83D\uDE00y\uDE00")) {
            val replaced = text.replace(LONE_SURROGATE, "\uFFFD")
            assertArrayEquals(text, tokenizer.encode(replaced), tokenizer.encode(text))
        }
    }

    private companion object {
        val LONE_SURROGATE =
            Regex("[\uD800-\uDBFF](?![\uDC00-\uDFFF])|(?<![\uD800-\uDBFF])[\uDC00-\uDFFF]")
    }
}
