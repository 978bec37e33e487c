package io.shakti.demo.runtime

import io.shakti.demo.bundle.Bundle
import io.shakti.demo.bundle.CheckResult
import io.shakti.demo.bundle.CheckStatus
import io.shakti.demo.bundle.MANIFEST_NAME
import io.shakti.demo.bundle.ManifestParser
import io.shakti.demo.bundle.ThoroughBundleChecker
import io.shakti.demo.fakes.FakeChecker
import io.shakti.demo.fakes.TinyBundle
import io.shakti.demo.tokenizer.TokenStream
import io.shakti.demo.tokenizer.Tokenizer
import kotlinx.serialization.json.Json
import kotlinx.serialization.json.JsonArray
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.JsonPrimitive
import kotlinx.serialization.json.int
import kotlinx.serialization.json.jsonArray
import kotlinx.serialization.json.jsonObject
import kotlinx.serialization.json.jsonPrimitive
import org.junit.Assert.assertEquals
import org.junit.Assert.assertNull
import org.junit.Assert.assertTrue
import org.junit.Rule
import org.junit.Test
import org.junit.rules.TemporaryFolder
import java.io.File
import java.nio.file.Files

/** The check of whole bundles, SmolLM2 on Android's own library. */
class BundleCheckRuntimeTest {
    @get:Rule val temporary = TemporaryFolder()

    private fun checker(bundle: Bundle) =
        ThoroughBundleChecker(RuntimeFlavour.loader()) { Recorded(bundle) }

    private fun check(bundle: Bundle): List<CheckResult> =
        checkNotNull(checker(bundle).check(bundle, {}, { false }))

    @Test
    fun quantized_bundle_passes_every_check() {
        assertPasses(RuntimeBundles.q4)
    }

    @Test
    fun unquantized_bundle_repeats_its_answers_to_the_token() {
        val golden = assertPasses(RuntimeBundles.none).last()
        assertEquals("5 of 5 answers repeated", golden.detail)
    }

    @Test
    fun program_that_answers_otherwise_fails_the_golden_tokens_alone() {
        val bundle = withOtherAnswers(RuntimeBundles.q4)
        val failed = check(bundle).filter { it.status != CheckStatus.PASS }
        assertEquals(listOf("golden tokens"), failed.map { it.name })
        val detail = failed.single().detail
        assertTrue(detail, detail.startsWith("0 of 5 golden answers repeated"))
    }

    @Test
    fun check_is_cancelled_between_two_tokens() {
        var share = 0.0
        val bundle = RuntimeBundles.q4
        val found = checker(bundle).check(bundle, { share = it }, { share > 0.5 })
        assertNull(found)
        assertTrue("$share", share in 0.5..0.6)
    }

    private fun assertPasses(bundle: Bundle): List<CheckResult> {
        val found = check(bundle)
        assertEquals(FakeChecker.NAMES, found.map { it.name })
        assertTrue("$found", found.all { it.status == CheckStatus.PASS })
        return found
    }

    /** The same program with a manifest that was written for another one's answers. */
    private fun withOtherAnswers(original: Bundle): Bundle {
        val folder = temporary.newFolder()
        for (file in listOf(original.programFile, original.tokenizerFile)) {
            Files.createSymbolicLink(File(folder, file.name).toPath(), file.toPath())
        }
        val written = File(original.folder, MANIFEST_NAME).readText()
        val fields = Json.parseToJsonElement(written).jsonObject
        val golden = fields.getValue("golden").jsonArray.map { prompt ->
            val ids = prompt.jsonObject.getValue("expected_ids").jsonArray
            val others = ids.map { JsonPrimitive(it.jsonPrimitive.int + 1) }
            JsonObject(prompt.jsonObject + ("expected_ids" to JsonArray(others)))
        }
        val manifest = TinyBundle.withChecksum(JsonObject(fields + ("golden" to JsonArray(golden))))
        File(folder, MANIFEST_NAME).writeBytes(manifest)
        return Bundle(folder, ManifestParser.parse(manifest))
    }

    /** Knows the golden prompts and nothing else; the real tokenizer has tests of its own. */
    private class Recorded(bundle: Bundle) : Tokenizer {
        override val vocabSize = bundle.manifest.tokenizer.vocabSize
        private val golden = bundle.manifest.golden.associate { it.text to it.promptIds }

        override fun encode(text: String): IntArray = golden.getValue(text)

        override fun decode(ids: IntArray, skipSpecial: Boolean) = error("a check decodes nothing")

        override fun stream(): TokenStream = error("a check decodes nothing")
    }
}
