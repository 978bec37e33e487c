package io.shakti.demo.engine

import io.shakti.demo.AppFailure
import io.shakti.demo.FailureKind
import io.shakti.demo.bundle.Bundle
import io.shakti.demo.fakes.ByteTokenizer
import io.shakti.demo.fakes.ScriptedLoader
import io.shakti.demo.fakes.scriptedBundle
import org.junit.Assert.assertEquals
import org.junit.Assert.assertThrows
import org.junit.Assert.assertTrue
import org.junit.Test

/** What has to hold before a bundle is opened. */
internal class OpenBundleTest : EngineTestBase() {
    private val loader = ScriptedLoader(lacking = setOf("torchao::linear_5bit.out")) { replying { it } }
    private val engine = RuntimeEngine(loader) { ByteTokenizer() }

    private fun refused(kind: FailureKind, bundle: Bundle, engine: LlmEngine = this.engine): String {
        val failure = assertThrows(AppFailure::class.java) { engine.open(bundle) }
        assertEquals(kind, failure.kind)
        assertTrue(loader.opened.isEmpty())
        return failure.message
    }

    @Test
    fun threads_asked_for_reach_the_runtime() {
        engine.open(bundleFiles(scriptedBundle()), threads = 3).close()
        engine.open(bundleFiles(scriptedBundle())).close()
        assertEquals(listOf(3, null), loader.opened.map { it.threads })
        assertTrue(loader.opened.all { it.program.closed })
        assertEquals("scripted", engine.runtime.flavour)
    }

    @Test
    fun bundle_that_needs_what_the_runtime_lacks_is_refused_by_name() {
        val operators = listOf("aten::mul.out", "torchao::linear_5bit.out")
        val detail = refused(
            FailureKind.OPERATOR_MISSING, bundleFiles(scriptedBundle(operators = operators)),
        )
        assertEquals("Scripted runtime 1.0 lacks torchao::linear_5bit.out", detail)
    }

    @Test
    fun program_of_another_size_is_not_opened() {
        val bundle = bundleFiles(scriptedBundle())
        bundle.programFile.appendBytes(byteArrayOf(1))
        assertEquals("model.pte has 1000001 bytes, not 1000000", refused(FailureKind.BUNDLE_CORRUPT, bundle))
        bundle.programFile.delete()
        refused(FailureKind.BUNDLE_CORRUPT, bundle)
    }

    @Test
    fun tokenizer_that_cannot_be_used_comes_before_the_program() {
        val strict = RuntimeEngine(loader) {
            throw AppFailure(FailureKind.TOKENIZER_UNSUPPORTED, "Unigram")
        }
        assertEquals(
            "Unigram",
            refused(FailureKind.TOKENIZER_UNSUPPORTED, bundleFiles(scriptedBundle()), strict),
        )
    }

    @Test
    fun failure_to_open_comes_out_as_it_is_and_the_next_try_can_work() {
        val bundle = bundleFiles(scriptedBundle())
        loader.fail(FailureKind.OUT_OF_MEMORY)
        refused(FailureKind.OUT_OF_MEMORY, bundle)
        engine.open(bundle).close()
    }
}
