package io.shakti.demo.tokenizer

import org.junit.Assert.assertEquals
import org.junit.Assert.assertFalse
import org.junit.Assert.assertTrue
import org.junit.Test

/** What the patterns cut, as regex101 and the library's Split show it. */
class ScannersTest {
    private val contractions = "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
    private val llama3 = """$contractions|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}""" +
        """| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"""
    private val qwen2 = llama3.replace("{1,3}", "")
    private val gpt2 =
        """'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"""

    private fun cut(pattern: String, text: String): List<String> {
        val words = ArrayList<String>()
        Splitter(KNOWN_PATTERNS.getValue(pattern), Behavior.ISOLATED)
            .split(Piece.whole(text)) { words += it.text }
        return words
    }

    @Test
    fun gpt2_keeps_one_space_with_the_word_after_it() {
        assertEquals(listOf("Hi", ",", " you", "  ", " there"), cut(gpt2, "Hi, you   there"))
    }

    @Test
    fun gpt2_keeps_numbers_whole_and_small_contractions_only() {
        assertEquals(listOf("it", "'s", " 12345", "!?"), cut(gpt2, "it's 12345!?"))
        assertEquals(listOf("IT", "'", "S"), cut(gpt2, "IT'S"))
    }

    @Test
    fun white_space_at_the_end_is_one_word() {
        assertEquals(listOf("a", " \n\t "), cut(gpt2, "a \n\t "))
        assertEquals(listOf("a", " \n", "\t "), cut(llama3, "a \n\t "))
    }

    @Test
    fun llama3_takes_three_digits_at_a_time_and_qwen2_one() {
        assertEquals(listOf("123", "456", "7"), cut(llama3, "1234567"))
        assertEquals(listOf("1", "2", "x"), cut(qwen2, "12x"))
    }

    @Test
    fun llama3_lets_any_sign_lead_a_word_but_not_a_line_break() {
        assertEquals(listOf("(a", "\tb", "\n", "c"), cut(llama3, "(a\tb\nc"))
    }

    @Test
    fun llama3_keeps_line_breaks_with_the_signs_before_them() {
        assertEquals(listOf("x", " {}\r\n\n", "  ", " y"), cut(llama3, "x {}\r\n\n   y"))
    }

    @Test
    fun contractions_are_of_any_case_the_long_s_included() {
        assertEquals(listOf("I", "'LL", " go", "'\u017F"), cut(llama3, "I'LL go'\u017F"))
    }

    @Test
    fun a_kind_of_letter_newer_than_the_platform_is_a_letter() {
        val garay = String(Character.toChars(0x10D50)) // Unicode 16
        assertEquals(listOf("a$garay"), cut(gpt2, "a$garay"))
    }

    @Test
    fun a_digit_newer_than_Oniguruma_is_one_for_Digits_only() {
        val tolongSiki = 0x11DE5 // Unicode 17
        assertTrue(Characters.isDigit(tolongSiki))
        assertFalse(Characters.isNumber(tolongSiki))
    }

    @Test
    fun llama_cpp_s_second_pattern_leaves_single_spaces_between_matches() {
        assertEquals(listOf("a", "\t", "b"), cut(gpt2.removeSuffix("""|\s+"""), "a\tb"))
    }

    @Test
    fun an_unknown_pattern_has_no_scanner() {
        assertTrue(gpt2.drop(1) !in KNOWN_PATTERNS)
    }
}
