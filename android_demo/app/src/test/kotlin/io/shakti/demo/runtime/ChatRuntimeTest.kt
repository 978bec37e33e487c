package io.shakti.demo.runtime

import io.shakti.demo.AppFailure
import io.shakti.demo.FailureKind
import io.shakti.demo.bundle.Bundle
import io.shakti.demo.engine.Answer
import io.shakti.demo.engine.AnswerListener
import io.shakti.demo.engine.AnswerStats
import io.shakti.demo.engine.ChatOptions
import io.shakti.demo.engine.Finish
import io.shakti.demo.engine.KvCache
import io.shakti.demo.engine.LlmSession
import io.shakti.demo.engine.PromptBuilder
import io.shakti.demo.engine.RingCache
import io.shakti.demo.engine.Role
import io.shakti.demo.engine.RuntimeEngine
import io.shakti.demo.engine.Turn
import io.shakti.demo.engine.bestId
import io.shakti.demo.tokenizer.readTokenizer
import org.junit.AfterClass
import org.junit.Assert.assertArrayEquals
import org.junit.Assert.assertEquals
import org.junit.Assert.assertThrows
import org.junit.Assert.assertTrue
import org.junit.BeforeClass
import org.junit.Test
import kotlin.concurrent.thread

/** The app's engine with SmolLM2 on Android's own library. */
class ChatRuntimeTest {
    private class Heard(private val onText: (Heard) -> Unit = {}) : AnswerListener {
        val prefill = ArrayList<Pair<Int, Int>>()
        val text = StringBuilder()

        override fun onPrefill(done: Int, total: Int) {
            prefill += done to total
        }

        override fun onText(piece: String, stats: AnswerStats) {
            text.append(piece)
            onText(this)
        }
    }

    private val greedy = ChatOptions(temperature = 0f, maxTokens = 40)
    private val capital = "What is the capital of France?"

    private fun user(text: String) = Turn(Role.USER, text)

    private fun assistant(text: String) = Turn(Role.ASSISTANT, text)

    private fun ask(text: String, options: ChatOptions = greedy): Answer =
        fp32.answer(listOf(user(text)), options, Heard())

    @Test
    fun golden_questions_get_the_hosts_answers_to_the_token() {
        val manifest = fp32.bundle.manifest
        for (golden in manifest.golden) {
            val question = golden.text.substringAfter("user\n").substringBefore("<|im_end|>")
            val answer = ask(question, greedy.copy(maxTokens = golden.expectedIds.size))
            val ends = manifest.tokenizer.eosIds
            val expected = golden.expectedIds.takeWhile { it !in ends }.toIntArray()
            assertEquals(golden.promptIds.size, answer.stats.promptTokens)
            assertArrayEquals(question, expected, answer.ids)
        }
    }

    @Test
    fun q4_bundle_knows_the_capital_of_france() {
        open(RuntimeBundles.q4).use { session ->
            val heard = Heard()
            val answer = session.answer(listOf(user(capital)), greedy, heard)
            assertEquals("The capital of France is Paris.", answer.text)
            assertEquals(answer.text, heard.text.toString())
            assertEquals(Finish.END, answer.finish)
            assertTrue(answer.stats.decodeTokensPerS!! > 0)
        }
    }

    @Test
    fun streamed_text_is_the_whole_decoded_in_all_scripts() {
        val questions = listOf("Count from 1 to 20.", "Write 🙂 and 你好.", "नमस्ते का अर्थ क्या है?")
        for (question in questions) {
            val heard = Heard()
            val answer = fp32.answer(listOf(user(question)), greedy, heard)
            assertEquals(tokenizer.decode(answer.ids), answer.text)
            assertEquals(answer.text, heard.text.toString())
        }
    }

    @Test
    fun next_turn_retry_and_edit_answer_as_a_fresh_session_would() {
        val first = ask(capital)
        val chat = listOf(user(capital), assistant(first.text), user("And of Italy?"))
        val next = fp32.answer(chat, greedy, Heard())
        assertEquals(first.stats.promptTokens + first.ids.size, next.stats.reusedTokens)
        val retry = fp32.answer(chat, greedy, Heard())
        assertEquals(next.text, retry.text)
        assertEquals(retry.stats.promptTokens - 1, retry.stats.reusedTokens)
        val edited = chat.dropLast(1) + user("And of Spain?")
        val edit = fp32.answer(edited, greedy, Heard())
        assertTrue(edit.stats.reusedTokens > first.stats.promptTokens)
        open(RuntimeBundles.none).use { fresh ->
            assertEquals(next.text, fresh.answer(chat, greedy, Heard()).text)
            assertEquals(edit.text, fresh.answer(edited, greedy, Heard()).text)
        }
    }

    @Test
    fun same_seed_gives_the_same_answer_and_other_seeds_others() {
        val warm = ChatOptions(temperature = 1f, topP = 0.95f, maxTokens = 12)
        fun story(seed: Long) = ask("Tell me a story.", warm.copy(seed = seed)).text
        val answers = listOf<Long>(1, 1, 2, 3).map(::story)
        assertEquals(answers[0], answers[1])
        assertTrue(answers.toSet().size > 1)
    }

    @Test
    fun stop_from_another_thread_ends_a_long_answer() {
        val long = greedy.copy(maxTokens = 400)
        val heard = Heard { if (it.text.length > 20) thread { fp32.stop() }.join() }
        val answer = fp32.answer(listOf(user("Count from 1 to 200.")), long, heard)
        assertEquals(Finish.STOPPED, answer.finish)
        assertTrue(answer.text, answer.text.length in 21..60)
        assertEquals("The capital of France is Paris.", ask(capital).text)
    }

    @Test
    fun stop_in_prefill_keeps_the_chunks_done() {
        val question = "word ".repeat(500)
        val stopped = fp32.answer(
            listOf(user(question)),
            greedy,
            object : AnswerListener {
                override fun onPrefill(done: Int, total: Int) {
                    if (done >= 256) fp32.stop()
                }

                override fun onText(piece: String, stats: AnswerStats) = error("a word after stop")
            },
        )
        assertEquals(Finish.STOPPED, stopped.finish)
        assertTrue("${fp32.usedTokens}", fp32.usedTokens in 256..383)
        val used = fp32.usedTokens
        val next = fp32.answer(listOf(user(question)), greedy.copy(maxTokens = 1), Heard())
        assertEquals(used, next.stats.reusedTokens)
    }

    @Test
    fun two_hundred_turns_stay_in_the_context_and_keep_to_the_system_message() {
        open(RuntimeBundles.q4).use { session ->
            val options = greedy.copy(maxTokens = 6, contextTokens = 300, system = named("Luna"))
            var chat = emptyList<Turn>()
            var droppedMost = 0
            repeat(200) { turn ->
                val asked = chat + user("Name the number after $turn.")
                val answer = session.answer(asked, options, Heard())
                assertTrue("turn $turn", answer.ids.isNotEmpty())
                assertTrue(session.usedTokens <= 300)
                // Within the context, a turn adds its question and the marks around it.
                if (answer.droppedTurns == droppedMost && turn > 0) {
                    assertTrue(answer.stats.promptTokens - answer.stats.reusedTokens < 40)
                }
                droppedMost = answer.droppedTurns
                chat = asked + assistant(answer.text)
            }
            assertTrue("$droppedMost", droppedMost > 300)
            assertKeepsToItsName(session.bundle, chat.drop(droppedMost))
        }
    }

    @Test
    fun window_goes_on_for_two_hundred_turns_and_keeps_to_the_system_message() {
        open(RuntimeBundles.chatWindow).use { session ->
            val options = greedy.copy(maxTokens = 6, system = named("Luna"))
            var chat = emptyList<Turn>()
            repeat(200) { turn ->
                val asked = chat + user("Name the number after $turn.")
                val answer = session.answer(asked, options, Heard())
                assertTrue("turn $turn", answer.ids.isNotEmpty())
                assertEquals("turn $turn", 0, answer.droppedTurns)
                if (turn > 0) {
                    assertTrue(answer.stats.promptTokens - answer.stats.reusedTokens < 40)
                }
                chat = asked + assistant(answer.text)
            }
            val slots = checkNotNull(RingCache.of(session.bundle.manifest.program)).slots
            assertTrue("${session.usedTokens}", session.usedTokens > 5 * slots)
            assertKeepsToItsName(session.bundle, chat)
        }
    }

    private fun named(name: String) = "Your name is $name."

    /**
     * Behind [chat], the model finds the name that its system message gives it likelier than
     * another, whichever of two it is. (So small a model does not always say it.)
     */
    private fun assertKeepsToItsName(bundle: Bundle, chat: List<Turn>) {
        val asked = chat + user("What is your name?")
        RuntimeFlavour.loader().open(bundle.programFile, null).use { program ->
            fun preference(name: String): Float {
                val context = bundle.manifest.program.contextLength
                val prompt = PromptBuilder(bundle.manifest, tokenizer)
                    .build(asked, named(name), context, 8)
                assertEquals(0, prompt.droppedTurns)
                val cache = KvCache(program, context, RingCache.of(bundle.manifest.program))
                val ids = prompt.ids + tokenizer.encode("My name is")
                var logits = FloatArray(0)
                while (cache.size < ids.size) {
                    val end = cache.size + cache.room(bundle.manifest.program.maxChunk)
                    logits = cache.append(ids.copyOfRange(cache.size, minOf(end, ids.size)))
                }
                val (luna, max) = listOf(" Luna", " Max").map { tokenizer.encode(it).first() }
                return logits[luna] - logits[max]
            }
            val (luna, max) = listOf("Luna", "Max").map(::preference)
            assertTrue("$luna, $max", luna > 0 && max < 0 && luna - max > LIKELIER)
        }
    }

    @Test
    fun context_that_runs_out_ends_the_answer_and_a_question_too_long_is_refused() {
        val small = greedy.copy(contextTokens = 60, maxTokens = 100)
        val cut = ask("Count from 1 to 200.", small)
        assertEquals(Finish.CONTEXT_FULL, cut.finish)
        assertEquals(60, fp32.usedTokens)
        val failure = assertThrows(AppFailure::class.java) { ask("word ".repeat(5000)) }
        assertEquals(FailureKind.PROMPT_TOO_LONG, failure.kind)
        assertEquals("The capital of France is Paris.", ask(capital).text)
    }

    @Test
    fun greedy_choice_is_the_highest_logit_of_the_program() {
        val golden = fp32.bundle.manifest.golden.first()
        val logits = RuntimeFlavour.loader().open(RuntimeBundles.none.programFile, null).use {
            it.forward(golden.promptIds, 0)
        }
        assertEquals(golden.expectedIds.first(), bestId(logits))
        assertEquals(logits.indices.maxByOrNull { logits[it] }, bestId(logits))
    }

    companion object {
        /** In nats, of two names: a system message out of sight makes no difference at all. */
        private const val LIKELIER = 3f

        private lateinit var fp32: LlmSession
        private val tokenizer by lazy { readTokenizer(RuntimeBundles.none.tokenizerFile) }

        private val engine by lazy {
            RuntimeEngine(RuntimeFlavour.loader(), openTokenizer = ::readTokenizer)
        }

        private fun open(bundle: Bundle): LlmSession = engine.open(bundle)

        @JvmStatic
        @BeforeClass
        fun openFp32() {
            fp32 = open(RuntimeBundles.none)
        }

        @JvmStatic
        @AfterClass
        fun closeFp32() = fp32.close()
    }
}
