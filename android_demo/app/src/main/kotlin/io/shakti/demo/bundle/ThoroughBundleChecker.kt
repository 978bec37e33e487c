package io.shakti.demo.bundle

import io.shakti.demo.AppFailure
import io.shakti.demo.FailureKind
import io.shakti.demo.engine.ProgramLoader
import io.shakti.demo.engine.goldenAnswers
import io.shakti.demo.tokenizer.Tokenizer
import java.io.File
import java.io.IOException

/**
 * Compares every byte of a bundle with its manifest, and then what it computes with what it
 * computed where it was made. The program is opened only if it is the one of the manifest, by the
 * calling thread, and closed before the results are given.
 *
 * [openTokenizer] throws AppFailure.
 */
class ThoroughBundleChecker(
    private val loader: ProgramLoader,
    private val openTokenizer: (File) -> Tokenizer,
) : BundleChecker {
    override fun check(
        bundle: Bundle,
        progress: (Double) -> Unit,
        cancelled: () -> Boolean,
    ): List<CheckResult>? = try {
        Checking(bundle, CheckWork(bundle, progress, cancelled)).run()
    } catch (_: CheckCancelled) {
        null
    }

    private inner class Checking(private val bundle: Bundle, private val work: CheckWork) {
        private val manifest = bundle.manifest

        fun run(): List<CheckResult> {
            val form = checkManifest()
            val size = checkProgramSize()
            val programHash = checkProgramHash(size)
            val tokenizerHash =
                checkHash("tokenizer hash", bundle.tokenizerFile, manifest.tokenizer.sha256)
            val operators = checkOperators()
            val tokenizer = checkTokenizer(tokenizerHash)
            val golden = checkGolden(programHash, operators)
            work.finish()
            return form + listOf(size, programHash, tokenizerHash, operators, tokenizer, golden)
        }

        private fun checkManifest(): List<CheckResult> {
            val data = try {
                File(bundle.folder, MANIFEST_NAME).readBytes()
            } catch (error: IOException) {
                return listOf(
                    fail("manifest schema", "cannot read $MANIFEST_NAME: ${error.message}"),
                    skip("manifest checksum", "$MANIFEST_NAME cannot be read"),
                )
            }
            val intact = ManifestParser.isIntact(data)
            val checksum = if (intact) {
                pass("manifest checksum", "$MANIFEST_NAME is unchanged")
            } else {
                fail("manifest checksum", "$MANIFEST_NAME was changed after it was written")
            }
            return listOf(checkSchema(data, intact), checksum)
        }

        private fun checkSchema(data: ByteArray, intact: Boolean): CheckResult = try {
            val found = ManifestParser.parse(data)
            if (found.program.sha256 == manifest.program.sha256) {
                pass("manifest schema", "version ${found.schemaVersion}")
            } else {
                fail("manifest schema", "another bundle was put in this one's place")
            }
        } catch (failure: AppFailure) {
            // A newer schema may have another way to its checksum.
            if (intact || failure.kind == FailureKind.BUNDLE_NEWER) {
                fail("manifest schema", failure.message)
            } else {
                skip("manifest schema", "$MANIFEST_NAME was changed")
            }
        }

        private fun checkProgramSize(): CheckResult = checking("program size") { name ->
            val found = sizeOf(bundle.programFile)
            val expected = manifest.program.sizeBytes
            if (found == expected) {
                pass(name, "$found bytes")
            } else {
                fail(name, "${manifest.program.file} has $found bytes instead of $expected")
            }
        }

        private fun checkProgramHash(size: CheckResult): CheckResult {
            if (!size.passed) return skip("program hash", "the program's size is wrong")
            return checkHash("program hash", bundle.programFile, manifest.program.sha256)
        }

        private fun checkHash(name: String, file: File, expected: String): CheckResult =
            checking(name) {
                val found = work.sha256Of(file)
                val said = "${file.name} has sha256 ${found.take(SHOWN_DIGITS)}"
                if (found == expected) {
                    pass(name, said)
                } else {
                    fail(name, "$said, the manifest says ${expected.take(SHOWN_DIGITS)}")
                }
            }

        private fun checkOperators(): CheckResult = checking("operators") { name ->
            val operators = manifest.program.operators
            val missing = loader.missing(operators)
            if (missing.isEmpty()) {
                pass(name, "the runtime has all ${operators.size}")
            } else {
                fail(name, "the runtime lacks ${missing.joinToString()}")
            }
        }

        private fun checkTokenizer(hash: CheckResult): CheckResult = checking("tokenizer") { name ->
            if (!hash.passed) return@checking skip(name, "its file is not the manifest's")
            val tokenizer = openTokenizer(bundle.tokenizerFile)
            val vocabSize = manifest.model.vocabSize
            if (tokenizer.vocabSize > vocabSize) {
                val detail = "it has ${tokenizer.vocabSize} ids, the program knows $vocabSize"
                return@checking fail(name, detail)
            }
            val other = manifest.golden.indexOfFirst {
                work.throwIfCancelled()
                !tokenizer.encode(it.text).contentEquals(it.promptIds)
            }
            if (other < 0) {
                pass(name, "${manifest.golden.size} prompts give the recorded ids")
            } else {
                fail(name, "golden prompt ${other + 1} gives other ids than recorded")
            }
        }

        private fun checkGolden(hash: CheckResult, operators: CheckResult): CheckResult {
            val name = "golden tokens"
            val context = manifest.program.contextLength
            return when {
                !hash.passed -> skip(name, "the program is not the manifest's")
                !operators.passed -> skip(name, "the runtime lacks operators")
                manifest.golden.isEmpty() -> skip(name, "the bundle holds none")
                manifest.golden.any { it.promptIds.size + it.expectedIds.size > context } ->
                    fail(name, "a golden prompt does not fit into the context of $context")
                else -> checking(name) { runGolden(name) }
            }
        }

        private fun runGolden(name: String): CheckResult {
            work.throwIfCancelled()
            val answers = loader.open(bundle.programFile, threads = null).use { program ->
                goldenAnswers(program, manifest.golden, manifest.program.maxChunk, work::tick)
            } ?: return skip(name, "the bundle's are empty")
            val problem = answers.problem(exact = manifest.quantization.exact)
            return if (problem == null) {
                pass(name, "${answers.repeated} of ${answers.prompts} answers repeated")
            } else {
                fail(name, problem)
            }
        }
    }

    private companion object {
        const val SHOWN_DIGITS = 12

        val CheckResult.passed: Boolean get() = status == CheckStatus.PASS

        fun pass(name: String, detail: String) = CheckResult(name, CheckStatus.PASS, detail)

        fun fail(name: String, detail: String) = CheckResult(name, CheckStatus.FAIL, detail)

        fun skip(name: String, detail: String) = CheckResult(name, CheckStatus.SKIPPED, detail)

        /** A check that could not do its work has failed. */
        fun checking(name: String, check: (name: String) -> CheckResult): CheckResult = try {
            check(name)
        } catch (failure: AppFailure) {
            fail(name, failure.message)
        }
    }
}
