package io.shakti.demo.bench

import io.shakti.demo.bundle.Bundle
import io.shakti.demo.bundle.GoldenPrompt
import io.shakti.demo.engine.ProgramLoader
import io.shakti.demo.fakes.ScriptedLoader
import io.shakti.demo.fakes.ScriptedProgram
import io.shakti.demo.fakes.scriptedBundle
import io.shakti.demo.files.toHex
import java.io.File
import java.security.MessageDigest

/** A bundle of a few bytes in [folder], whose program counts on: after id n comes n + 1. */
class BenchSetup(private val folder: File, golden: List<GoldenPrompt> = listOf(COUNTING)) {
    private val bytes = "a program of a few bytes".toByteArray()

    val bundle: Bundle
    val loader = ScriptedLoader { countingProgram() }

    /** Looks come from here, the last one for all further ones. */
    var looks = listOf(Conditions(at = "scripted", thermalStatus = 0))

    var peakMemoryBytes: Long? = 12_345_678

    private var looked = 0

    init {
        folder.mkdirs()
        File(folder, "model.pte").writeBytes(bytes)
        val scripted = scriptedBundle(folder, vocabSize = VOCAB, golden = golden)
        val program = scripted.manifest.program.copy(
            sizeBytes = bytes.size.toLong(),
            sha256 = MessageDigest.getInstance("SHA-256").digest(bytes).toHex(),
        )
        bundle = scripted.copy(manifest = scripted.manifest.copy(program = program))
    }

    fun tools(loader: ProgramLoader = this.loader) =
        RoundTools({ loader }, { bundle }, { look() }, { peakMemoryBytes })

    fun plan(
        vararg cases: Case,
        thorough: Boolean = true,
        exact: Boolean = true,
        warmUp: WarmUp = WarmUp(3, 2),
    ): RoundPlan {
        val program = bundle.manifest.program
        return RoundPlan(
            runId = "0123456789abcdef",
            round = 2,
            attempt = 3,
            bundleDir = folder.path,
            program = ProgramCheck(
                program.file, program.sizeBytes, program.sha256, thorough, exact, leastShare = 0.6,
            ),
            warmUp = warmUp,
            gate = Gate(),
            cases = cases.toList(),
        )
    }

    private fun look(): Conditions = looks[minOf(looked++, looks.lastIndex)]

    companion object {
        const val VOCAB = 50

        val COUNTING = GoldenPrompt("text", intArrayOf(1, 2, 3), intArrayOf(4, 5, 6, 7))

        fun countingProgram() = ScriptedProgram.sure(VOCAB) { ids -> (ids.last() + 1) % VOCAB }
    }
}

/** A pulse that only remembers. */
class RecordedPulse : Pulse {
    val said = ArrayList<CasesDone>()
    var ticks = 0

    override fun say(progress: CasesDone) {
        said += progress
    }

    override fun tick() {
        ticks++
    }
}
