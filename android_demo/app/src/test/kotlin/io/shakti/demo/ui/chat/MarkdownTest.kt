package io.shakti.demo.ui.chat

import kotlin.random.Random
import org.junit.Assert.assertEquals
import org.junit.Assert.assertTrue
import org.junit.Test

class MarkdownTest {
    private fun plain(text: String) = listOf(Inline(text))

    @Test
    fun blocks_of_an_answer_are_told_apart() {
        val text = "# Title #\nSome text\nthat goes on\n\n- one\n  * two\n12. twelve\n" +
            "```kotlin\nval a = 1\n\n  b()\n```\nend"
        val expected = listOf(
            Block.Heading(1, plain("Title")),
            Block.Paragraph(plain("Some text\nthat goes on")),
            Block.Item(0, "•", plain("one")),
            Block.Item(1, "•", plain("two")),
            Block.Item(0, "12.", plain("twelve")),
            Block.Code("val a = 1\n\n  b()"),
            Block.Paragraph(plain("end")),
        )
        assertEquals(expected, Markdown.parse(text))
    }

    @Test
    fun emphasis_nests() {
        val expected = listOf(
            Inline("a "),
            Inline("bold ", bold = true),
            Inline("both", bold = true, italic = true),
            Inline(" b "),
            Inline("it", italic = true),
            Inline(" "),
            Inline("x*y*", code = true),
        )
        assertEquals(expected, Markdown.inline("a **bold *both*** b _it_ `x*y*`"))
    }

    @Test
    fun marks_that_mean_nothing_stay_as_written() {
        for (text in listOf("2 * 3 * 4", "snake_case_name", "a ** b", "**open", "*open", "`open", "5*", "_")) {
            assertEquals(text, Markdown.inline(text).joinToString("") { it.text })
            assertTrue(text, Markdown.inline(text).none { it.bold || it.italic || it.code })
        }
    }

    @Test
    fun backslash_takes_a_marks_meaning() {
        assertEquals(plain("*not*"), Markdown.inline("""\*not\*"""))
        assertEquals(plain("""C:\dir"""), Markdown.inline("""C:\dir"""))
    }

    @Test
    fun code_that_is_not_closed_reaches_to_the_end() {
        val blocks = Markdown.parse("see\n```\na\n# b")
        assertEquals(listOf(Block.Paragraph(plain("see")), Block.Code("a\n# b")), blocks)
    }

    @Test
    fun a_fence_within_longer_fences_is_code() {
        assertEquals(listOf(Block.Code("```\nx\n```")), Markdown.parse("````\n```\nx\n```\n````"))
    }

    @Test
    fun every_beginning_of_an_answer_can_be_drawn_and_loses_no_letter() {
        val answer = ChatStates.ANSWER
        for (length in 0..answer.length) {
            val text = answer.take(length)
            val letters = Markdown.parse(text).joinToString("") { it.letters() }
            val expected = text.replace(Regex("```\\w*"), "").filter { it.isLetterOrDigit() }
            assertEquals(expected, letters.filter { it.isLetterOrDigit() })
        }
    }

    @Test
    fun any_text_is_read() {
        val random = Random(5)
        val parts = listOf("*", "**", "_", "`", "```", "\n", " ", "#", "- ", "1. ", "a", "ü", "\\", "\t", "😀", "\r")
        repeat(20_000) {
            val text = (0..random.nextInt(30)).joinToString("") { parts.random(random) }
            val letters = Markdown.parse(text).joinToString("") { it.letters() }
            assertTrue(text, letters.count { it == 'ü' } == text.count { it == 'ü' })
        }
    }

    private fun Block.letters(): String = when (this) {
        is Block.Paragraph -> text.joinToString("") { it.text }
        is Block.Heading -> text.joinToString("") { it.text }
        is Block.Item -> (if (marker == "•") "" else marker) + text.joinToString("") { it.text }
        is Block.Code -> text
    }
}
