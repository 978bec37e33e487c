package io.shakti.demo.bundle

import io.shakti.demo.AppFailure
import io.shakti.demo.FailureKind
import io.shakti.demo.fakes.FakeChecker
import io.shakti.demo.fakes.ScriptedLoader
import io.shakti.demo.fakes.ScriptedProgram
import io.shakti.demo.fakes.TinyBundle
import io.shakti.demo.tokenizer.TokenStream
import io.shakti.demo.tokenizer.Tokenizer
import kotlinx.serialization.json.JsonArray
import kotlinx.serialization.json.JsonElement
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.JsonPrimitive
import kotlinx.serialization.json.jsonArray
import kotlinx.serialization.json.jsonObject
import org.junit.Assert.assertEquals
import org.junit.Assert.assertNull
import org.junit.Assert.assertTrue
import org.junit.Rule
import org.junit.Test
import org.junit.rules.TemporaryFolder
import java.io.File

class ThoroughBundleCheckerTest {
    @get:Rule val temporary = TemporaryFolder()

    private var answer = "ya"
    private var lacking = emptySet<String>()
    private var tokenizerFailure: AppFailure? = null
    private var vocabSize = TinyBundle.VOCAB_SIZE
    private var shift = 0
    private val tokenizersOpened = ArrayList<File>()

    private val loader by lazy {
        ScriptedLoader(lacking) {
            ScriptedProgram.sure(vocabSize = TinyBundle.VOCAB_SIZE) { ids ->
                if (ids.size < 2) 0 else answer[(ids.size - 2).coerceAtMost(answer.length - 1)].code
            }
        }
    }

    private val checker by lazy {
        ThoroughBundleChecker(loader) { file ->
            tokenizersOpened += file
            tokenizerFailure?.let { throw it }
            Bytes(vocabSize, shift)
        }
    }

    private fun folder() = File(temporary.root, "bundle")

    private fun check(
        tiny: TinyBundle = TinyBundle(),
        bundle: Bundle = tiny.writeTo(folder()),
    ): Map<String, CheckResult> {
        val results = checkNotNull(checker.check(bundle, {}, { false }))
        assertEquals(FakeChecker.NAMES, results.map { it.name })
        return results.associateBy { it.name }
    }

    private fun assertOnly(
        status: CheckStatus,
        names: Set<String>,
        found: Map<String, CheckResult>,
    ) {
        assertEquals("$found", names, found.filter { it.value.status == status }.keys)
    }

    @Test
    fun whole_bundle_passes_everything_and_its_program_is_closed() {
        val found = check()
        assertOnly(CheckStatus.PASS, FakeChecker.NAMES.toSet(), found)
        assertEquals("1 of 1 answers repeated", found.getValue("golden tokens").detail)
        assertEquals("5000 bytes", found.getValue("program size").detail)
        assertTrue(loader.opened.single().program.closed)
        assertEquals(listOf(File(folder(), "tokenizer.json")), tokenizersOpened)
    }

    @Test
    fun changed_program_is_never_opened() {
        val bundle = TinyBundle().writeTo(folder())
        bundle.programFile.writeBytes(ByteArray(5000))
        val found = check(bundle = bundle)
        assertOnly(CheckStatus.FAIL, setOf("program hash"), found)
        assertOnly(CheckStatus.SKIPPED, setOf("golden tokens"), found)
        assertTrue(loader.opened.isEmpty())
    }

    @Test
    fun cut_off_program_is_not_even_hashed() {
        val bundle = TinyBundle().writeTo(folder())
        bundle.programFile.writeBytes(ByteArray(9))
        val found = check(bundle = bundle)
        assertOnly(CheckStatus.FAIL, setOf("program size"), found)
        assertOnly(CheckStatus.SKIPPED, setOf("program hash", "golden tokens"), found)
        assertEquals(
            "model.pte has 9 bytes instead of 5000",
            found.getValue("program size").detail,
        )
    }

    @Test
    fun changed_or_missing_tokenizer_is_not_opened() {
        val bundle = TinyBundle().writeTo(folder())
        bundle.tokenizerFile.appendText(" ")
        val changed = check(bundle = bundle)
        assertOnly(CheckStatus.FAIL, setOf("tokenizer hash"), changed)
        assertOnly(CheckStatus.SKIPPED, setOf("tokenizer"), changed)
        bundle.tokenizerFile.delete()
        assertOnly(CheckStatus.FAIL, setOf("tokenizer hash"), check(bundle = bundle))
        assertTrue(tokenizersOpened.isEmpty())
    }

    @Test
    fun changed_manifest_fails_its_checksum() {
        val bundle = TinyBundle().writeTo(folder())
        val file = File(folder(), MANIFEST_NAME)
        file.writeText(file.readText().replace("tiny-1m-q4", "tiny-1m-q5"))
        val found = check(bundle = bundle)
        assertOnly(CheckStatus.FAIL, setOf("manifest checksum"), found)
        assertOnly(CheckStatus.SKIPPED, setOf("manifest schema"), found)
    }

    @Test
    fun manifest_of_another_bundle_or_schema_or_none_fails() {
        val bundle = TinyBundle().writeTo(folder())
        val file = File(folder(), MANIFEST_NAME)
        file.writeBytes(TinyBundle(program = ByteArray(5)).manifest)
        assertOnly(CheckStatus.FAIL, setOf("manifest schema"), check(bundle = bundle))
        file.writeBytes(TinyBundle(schemaVersion = "3.0").manifest)
        val newer = check(bundle = bundle)
        assertOnly(CheckStatus.FAIL, setOf("manifest schema"), newer)
        assertTrue("update the app" in newer.getValue("manifest schema").detail)
        file.delete()
        val none = check(bundle = bundle)
        assertOnly(CheckStatus.FAIL, setOf("manifest schema"), none)
        assertOnly(CheckStatus.SKIPPED, setOf("manifest checksum"), none)
    }

    @Test
    fun missing_operator_is_named_and_the_program_is_not_opened() {
        lacking = setOf("aten::add.out")
        val found = check()
        assertOnly(CheckStatus.FAIL, setOf("operators"), found)
        assertEquals("the runtime lacks aten::add.out", found.getValue("operators").detail)
        assertTrue(loader.opened.isEmpty())
    }

    @Test
    fun tokenizer_that_cannot_be_used_fails_with_its_reason() {
        tokenizerFailure = AppFailure(FailureKind.TOKENIZER_UNSUPPORTED, "Unigram is unknown")
        val found = check()
        assertOnly(CheckStatus.FAIL, setOf("tokenizer"), found)
        assertEquals("Unigram is unknown", found.getValue("tokenizer").detail)
    }

    @Test
    fun tokenizer_with_other_ids_or_too_many_fails() {
        shift = 1
        val found = check()
        assertOnly(CheckStatus.FAIL, setOf("tokenizer"), found)
        vocabSize = TinyBundle.VOCAB_SIZE + 1
        assertTrue("259 ids" in check().getValue("tokenizer").detail)
    }

    @Test
    fun other_answer_fails_an_exact_bundle_and_a_rounded_one_below_the_share() {
        answer = "yo"
        assertOnly(CheckStatus.FAIL, setOf("golden tokens"), check(TinyBundle(scheme = "none")))
        // Half of the recorded tokens rank first, and 60 % must.
        assertOnly(CheckStatus.FAIL, setOf("golden tokens"), check(TinyBundle(scheme = "q4")))
        val long = TinyBundle(scheme = "q4", edit = expecting("yayo"))
        answer = "yaya"
        assertOnly(CheckStatus.FAIL, emptySet(), check(long))
        val exact = TinyBundle(scheme = "none", edit = expecting("yayo"))
        assertOnly(CheckStatus.FAIL, setOf("golden tokens"), check(exact))
        assertTrue(loader.opened.all { it.program.closed })
    }

    @Test
    fun program_that_does_not_open_or_fails_while_it_runs_fails_the_golden_tokens() {
        loader.fail(FailureKind.PROGRAM_CORRUPT)
        assertOnly(CheckStatus.FAIL, setOf("golden tokens"), check())
        val broken = ThoroughBundleChecker(
            ScriptedLoader {
                ScriptedProgram.sure(vocabSize = TinyBundle.VOCAB_SIZE) { 0 }.also {
                    it.beforeForward = {
                        throw AppFailure(FailureKind.RUNTIME_FAILED, "error 18")
                    }
                    programs += it
                }
            },
        ) { Bytes(vocabSize, shift) }
        val found = checkNotNull(broken.check(TinyBundle().bundle(folder()), {}, { false }))
        assertEquals(CheckResult("golden tokens", CheckStatus.FAIL, "error 18"), found.last())
        assertTrue(programs.single().closed)
    }

    @Test
    fun golden_prompt_beyond_the_context_is_refused_before_it_runs() {
        val found = check(TinyBundle(contextLength = 16, edit = expecting("y".repeat(40))))
        assertOnly(CheckStatus.FAIL, setOf("golden tokens"), found)
        assertTrue(loader.opened.isEmpty())
    }

    @Test
    fun bundle_without_golden_prompts_skips_them() {
        val none = TinyBundle(edit = { JsonObject(it + ("golden" to JsonArray(emptyList()))) })
        assertOnly(CheckStatus.SKIPPED, setOf("golden tokens"), check(none))
        val empty = check(TinyBundle(edit = expecting("")))
        assertOnly(CheckStatus.SKIPPED, setOf("golden tokens"), empty)
        assertTrue(loader.opened.all { it.program.closed })
    }

    @Test
    fun progress_rises_to_the_whole() {
        val seen = ArrayList<Double>()
        checker.check(TinyBundle().writeTo(folder()), { seen += it }, { false })
        assertEquals(seen.sorted(), seen)
        assertEquals(1.0, seen.last(), 0.0)
        assertTrue("$seen", seen.count { it < 0.31 } >= 2 && seen.count { it in 0.4..0.99 } >= 1)
    }

    @Test
    fun cancelling_at_any_step_gives_nothing_and_closes_the_program() {
        val bundle = TinyBundle().writeTo(folder())
        var steps = 0
        checker.check(bundle, {}, { steps++ < 0 })
        assertTrue("$steps", steps >= 6)
        for (last in 0 until steps) {
            var asked = 0
            assertNull(checker.check(bundle, {}, { asked++ >= last }))
            assertEquals(last + 1, asked)
        }
        assertTrue(loader.opened.size > 1 && loader.opened.all { it.program.closed })
    }

    private val programs = ArrayList<ScriptedProgram>()

    /** Changes the answer that is recorded for the golden prompt. */
    private fun expecting(answer: String): (JsonObject) -> JsonObject = { fields ->
        val golden = fields.getValue("golden").jsonArray.single().jsonObject
        val ids: List<JsonElement> = answer.map { JsonPrimitive(it.code) }
        val changed = JsonObject(golden + ("expected_ids" to JsonArray(ids)))
        JsonObject(fields + ("golden" to JsonArray(listOf(changed))))
    }

    /** Bytes as ids, each [shift] too high. */
    private class Bytes(override val vocabSize: Int, private val shift: Int) : Tokenizer {
        override fun encode(text: String): IntArray =
            text.toByteArray().map { (it.toInt() and 0xff) + shift }.toIntArray()

        override fun decode(ids: IntArray, skipSpecial: Boolean): String =
            String(ids.map { (it - shift).toByte() }.toByteArray())

        override fun stream(): TokenStream = error("a check decodes nothing")
    }
}
