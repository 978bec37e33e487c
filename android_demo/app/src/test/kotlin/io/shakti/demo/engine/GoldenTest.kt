package io.shakti.demo.engine

import io.shakti.demo.bundle.GoldenPrompt
import io.shakti.demo.fakes.ScriptedProgram
import org.junit.Assert.assertEquals
import org.junit.Assert.assertNull
import org.junit.Test

class GoldenTest {
    /** What follows is the sum of the last two ids, within 100. */
    private fun program(maxChunk: Int = 4) = ScriptedProgram.sure(100, 64, maxChunk) { ids ->
        (ids.last() + (ids.getOrNull(ids.size - 2) ?: 0)) % 100
    }

    private fun golden(prompt: List<Int>, vararg wrong: Int): GoldenPrompt {
        val expected = ArrayList<Int>()
        repeat(8) { at ->
            val ids = prompt + expected
            expected += (ids.last() + ids[ids.size - 2]) % 100 + if (at in wrong) 1 else 0
        }
        return GoldenPrompt("", prompt.toIntArray(), expected.toIntArray())
    }

    @Test
    fun program_that_made_the_answers_repeats_all_of_them() {
        val prompts = listOf(golden(listOf(1, 2)), golden(listOf(3, 5, 7, 11, 13, 17, 19, 23, 29)))
        val answers = goldenAnswers(program(), prompts, maxChunk = 4)
        assertEquals(GoldenAnswers(2, 2, 1.0), answers)
        assertNull(answers!!.problem(exact = true))
        assertNull(answers.problem(exact = false))
    }

    @Test
    fun token_that_differs_counts_once_for_the_recorded_answer_is_fed() {
        val prompts = listOf(golden(listOf(1, 2)), golden(listOf(4, 5), 3))
        val answers = goldenAnswers(program(), prompts, maxChunk = 4)!!
        assertEquals(GoldenAnswers(2, 1, (1 + 7.0 / 8) / 2), answers)
        assertNull(answers.problem(exact = false))
        assertEquals("1 of 2 golden answers repeated", answers.problem(exact = true))
    }

    @Test
    fun program_of_another_model_is_told_with_its_share() {
        val prompts = listOf(golden(listOf(1, 2), 1, 2, 4, 6))
        val answers = goldenAnswers(program(), prompts, maxChunk = 4)!!
        assertEquals(
            "0 of 1 golden answers repeated, 50% of their tokens ranked first",
            answers.problem(exact = false),
        )
        assertNull(answers.problem(exact = false, leastShare = 0.5))
    }

    @Test
    fun prompt_goes_in_chunks_and_every_call_ticks() {
        val program = program()
        var ticks = 0
        goldenAnswers(program, listOf(golden(List(9) { it })), maxChunk = 4) { ticks++ }
        assertEquals(listOf(0, 4, 8) + (9..15), program.calls.map { it.start })
        assertEquals(program.calls.size, ticks)
    }

    @Test
    fun bundle_without_golden_prompts_has_no_answers() {
        val empty = GoldenPrompt("", IntArray(0), intArrayOf(1))
        assertNull(goldenAnswers(program(), emptyList(), maxChunk = 4))
        assertNull(goldenAnswers(program(), listOf(empty), maxChunk = 4))
    }
}
