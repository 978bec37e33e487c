package io.shakti.demo.tokenizer

import org.junit.Assert.assertEquals
import org.junit.Assert.assertTrue
import org.junit.Test

/** Equality with Hugging Face's `tokenizers`, whose results lie in `shakti.tokenizers`. */
class TokenizerParityTest {
    private val cases = TokenizerCases(input("shakti.tokenizers"))

    @Test
    fun every_text_of_every_tokenizer_gives_the_library_s_ids_text_and_pieces() {
        val problems = ArrayList<String>()
        var compared = 0
        for (folder in cases.tokenizers()) {
            val tokenizer = readTokenizer(folder.resolve("tokenizer.json"))
            var wrong = 0
            val count = cases.forEachCase(folder) { stream, case ->
                val problem = compare(tokenizer, stream, case) ?: return@forEachCase
                if (wrong++ == 0) problems += "${folder.name}: $problem"
            }
            if (wrong > 0) problems += "${folder.name}: $wrong of $count cases differ"
            compared += count
        }
        assertTrue(problems.joinToString("\n"), problems.isEmpty())
        println("tokenizer parity: $compared cases, ${cases.texts.size} texts")
    }

    @Test
    fun the_cases_are_100_000_texts_and_all_kinds_of_tokenizers() {
        assertTrue(cases.texts.toSet().size >= 100_000)
        val names = cases.tokenizers().map { it.name }
        val kinds = listOf(
            "gemma", "gpt2", "llama.cpp", "llama2", "llama2-metaspace", "llama3", "qwen2",
            "smollm2",
        )
        assertEquals(kinds, kinds.filter { it in names })
        assertTrue(names.count { it.startsWith("chance-") } >= 40)
    }

    private fun compare(tokenizer: Tokenizer, stream: String, case: Case): String? {
        if (case.text != null) {
            val ids = tokenizer.encode(case.text)
            if (!ids.contentEquals(case.ids)) {
                return "${shown(case.text)} gives ${shown(ids, tokenizer)}" +
                    " instead of ${shown(case.ids, tokenizer)}"
            }
        }
        val decoded = tokenizer.decode(case.ids)
        if (decoded != case.decoded) {
            return "${shown(case.ids, tokenizer)} gives ${shown(decoded)}" +
                " instead of ${shown(case.decoded)}"
        }
        if (case.withSpecial == null) return null
        val whole = tokenizer.decode(case.ids, skipSpecial = false)
        if (whole != case.withSpecial) {
            return "with special tokens ${shown(case.ids, tokenizer)} gives ${shown(whole)}" +
                " instead of ${shown(case.withSpecial)}"
        }
        return compareStream(tokenizer, stream, case)
    }

    private fun compareStream(tokenizer: Tokenizer, stream: String, case: Case): String? {
        val open = tokenizer.stream()
        val pieces = case.ids.map(open::push)
        val all = pieces.joinToString("") + open.flush()
        if (all != case.decoded) {
            return "the stream of ${shown(case.ids, tokenizer)} gives ${shown(all)}" +
                " instead of ${shown(case.decoded)}"
        }
        val expected = case.pieces ?: return null
        val equal = if (stream == "rows") pieces == expected else keepsUp(pieces, expected)
        return if (equal) null else "the pieces of ${shown(case.ids, tokenizer)} are " +
            "${pieces.map(::shown)} instead of ${expected.map(::shown)}"
    }

    /**
     * The library's stream gives all there is or, after an unfinished character, nothing; this one
     * gives what is finished. So they are equal wherever the library gives something.
     */
    private fun keepsUp(pieces: List<String>, expected: List<String>): Boolean {
        val ours = StringBuilder()
        val theirs = StringBuilder()
        return pieces.indices.all { at ->
            ours.append(pieces[at])
            theirs.append(expected[at])
            ours.startsWith(theirs) && (expected[at].isEmpty() || ours.length == theirs.length)
        }
    }

    private fun shown(ids: IntArray, tokenizer: Tokenizer): String =
        ids.joinToString(" ") { "$it${shown(tokenizer.decode(intArrayOf(it), false))}" }

    private fun shown(text: String): String = text.map {
        if (it in '!'..'~' || it == ' ') it.toString() else "\\u%04x".format(it.code)
    }.joinToString("", "\"", "\"")
}
