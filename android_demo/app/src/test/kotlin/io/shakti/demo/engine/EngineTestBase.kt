package io.shakti.demo.engine

import io.shakti.demo.bundle.Bundle
import io.shakti.demo.fakes.ByteTokenizer
import io.shakti.demo.fakes.ScriptedLoader
import io.shakti.demo.fakes.ScriptedProgram
import org.junit.After
import java.io.File
import java.math.BigInteger
import java.nio.file.Files
import java.security.MessageDigest

/** A listener that keeps what it heard. [onStep] runs on every call, say to stop the session. */
internal class Heard(private val onStep: (Heard) -> Unit = {}) : AnswerListener {
    val prefill = ArrayList<Pair<Int, Int>>()
    val pieces = ArrayList<String>()
    val stats = ArrayList<AnswerStats>()

    override fun onPrefill(done: Int, total: Int) {
        prefill += done to total
        onStep(this)
    }

    override fun onText(piece: String, stats: AnswerStats) {
        pieces += piece
        this.stats += stats
        onStep(this)
    }
}

internal fun user(text: String) = Turn(Role.USER, text)

internal fun assistant(text: String) = Turn(Role.ASSISTANT, text)

/** Sessions of the real engine on scripted programs; files of the right size, without a content. */
internal abstract class EngineTestBase {
    private val folder: File = Files.createTempDirectory("engine").toFile()

    @After
    fun deleteFolder() {
        folder.deleteRecursively()
    }

    /** [bundle] with a program file of zeros. */
    protected fun bundleFiles(bundle: Bundle): Bundle {
        val zeros = ByteArray(ZEROS)
        val sha256 = MessageDigest.getInstance("SHA-256").digest(zeros)
        val manifest = bundle.manifest.copy(
            program = bundle.manifest.program.copy(
                sizeBytes = ZEROS.toLong(),
                sha256 = BigInteger(1, sha256).toString(16).padStart(64, '0'),
            ),
        )
        return Bundle(folder, manifest).also { it.programFile.writeBytes(zeros) }
    }

    protected fun open(
        bundle: Bundle,
        program: ScriptedProgram,
        nowNs: () -> Long = System::nanoTime,
    ): LlmSession {
        val engine = RuntimeEngine(ScriptedLoader { program }, nowNs) { ByteTokenizer() }
        return engine.open(bundleFiles(bundle))
    }

    companion object {
        val tokenizer = ByteTokenizer()

        /**
         * Answers every question with [answer] of the question's text, byte by byte, and then ends.
         * It finds the question in its cache, as a model would.
         */
        fun replying(
            contextLength: Int = 256,
            maxChunk: Int = 16,
            answer: (question: String) -> String,
        ) = ScriptedProgram.sure(contextLength = contextLength, maxChunk = maxChunk) { ids ->
            val text = tokenizer.decode(ids.toIntArray(), skipSpecial = false)
            val question = text.substringAfterLast(USER).substringBefore(END)
            val bytes = answer(question).toByteArray()
            // Counted in bytes, for the answer may stand in the middle of a character. Within a
            // prompt nothing follows that anyone reads.
            val said = ids.size - (endOfLast(ids, ASSISTANT) ?: ids.size)
            if (said < bytes.size) bytes[said].toInt() and 0xff else ByteTokenizer.END
        }

        private fun endOfLast(ids: List<Int>, text: String): Int? {
            val row = tokenizer.encode(text).toList()
            val ends = (ids.size downTo row.size)
            return ends.firstOrNull { ids.subList(it - row.size, it) == row }
        }

        const val ZEROS = 1000
        const val USER = "<|start|>user\n"
        const val ASSISTANT = "<|start|>assistant\n"
        const val END = "<|end|>"
    }
}
