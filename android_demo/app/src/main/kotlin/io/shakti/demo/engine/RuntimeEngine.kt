package io.shakti.demo.engine

import io.shakti.demo.AppFailure
import io.shakti.demo.FailureKind
import io.shakti.demo.bundle.Bundle
import io.shakti.demo.tokenizer.Tokenizer
import java.io.File

/**
 * Chats on a program: tokenizer, chat turns, sampling, positions and stops are the app's own, so
 * the same ids come out here and on the machine that exported the bundle.
 *
 * [openTokenizer] reads tokenizer.json and throws AppFailure (TOKENIZER_UNSUPPORTED,
 * BUNDLE_CORRUPT); [nowNs] is a monotonic clock. A program is opened only if its bytes are the
 * exported ones: a damaged one can end the process inside the runtime.
 */
class RuntimeEngine(
    private val loader: ProgramLoader,
    private val nowNs: () -> Long = System::nanoTime,
    private val openTokenizer: (File) -> Tokenizer,
) : LlmEngine {
    override val runtime: RuntimeInfo get() = loader.runtime

    private val intact = IntactPrograms()

    override fun open(bundle: Bundle, threads: Int?): LlmSession {
        val missing = loader.missing(bundle.manifest.program.operators)
        if (missing.isNotEmpty()) {
            val detail = "${runtime.name} ${runtime.version} lacks ${missing.joinToString()}"
            throw AppFailure(FailureKind.OPERATOR_MISSING, detail)
        }
        intact.require(bundle)
        val tokenizer = openTokenizer(bundle.tokenizerFile)
        val program = loader.open(bundle.programFile, threads)
        return RuntimeSession(bundle, program, tokenizer, nowNs)
    }
}
