package io.shakti.demo.bench

import io.shakti.demo.AppFailure
import io.shakti.demo.FailureKind
import io.shakti.demo.bundle.Bundle
import io.shakti.demo.engine.GoldenAnswers
import io.shakti.demo.engine.ProgramLoader
import io.shakti.demo.engine.goldenAnswers
import io.shakti.demo.files.sha256Of
import java.io.File

/** What a round needs of its surroundings. */
class RoundTools(
    val loader: () -> ProgramLoader,
    /** The bundle in a folder; throws AppFailure. */
    val openBundle: (File) -> Bundle,
    val conditions: ConditionsReader,
    /** The process's largest resident set so far. */
    val peakMemoryBytes: () -> Long?,
)

/**
 * Measures the cases of a plan, in order, and writes the lines that say so, as
 * sdk_builder/benchmark/worker/round.py does on the host.
 *
 * What goes wrong with the bundle or its program becomes a failure line. What [write] or [pulse]
 * throws ends the round and goes through.
 */
class Round(
    private val plan: RoundPlan,
    private val tools: RoundTools,
    private val pulse: Pulse,
    private val write: (Line) -> Unit,
) {
    private class Stop(val word: String, val failure: AppFailure) : Exception(failure)

    /** A program that was just loaded, and what that took. */
    private class Loaded(val timing: Timing, val before: Conditions, val after: Conditions)

    private val check = plan.program
    private var started = false
    private var case: Case? = null

    /** Why the round failed, for screens; null as long as it did not. */
    var failure: AppFailure? = null
        private set

    /** How the golden prompts were answered; null where they were not asked. */
    var golden: GoldenAnswers? = null
        private set

    /** Measures; returns the last line, which is written as well. */
    fun run(): RoundEnd {
        val end = try {
            measure()
        } catch (stop: Stop) {
            failed(stop.word, stop.failure)
        } catch (error: AppFailure) {
            failed("engine_failed", error)
        } catch (error: RuntimeException) { // a mistake of ours, or the runtime's own kind of error
            failed("engine_failed", AppFailure(FailureKind.RUNTIME_FAILED, error.toString(), error))
        } catch (error: OutOfMemoryError) {
            failed("out_of_memory", AppFailure(FailureKind.OUT_OF_MEMORY, error.toString(), error))
        }
        write(end)
        return end
    }

    private fun measure(): RoundEnd {
        announce(0)
        val bundle = openBundle()
        val loader = tools.loader()
        requireMeasurable(bundle, loader)
        Meter(loader, bundle, pulse::tick).use { meter ->
            val loaded = load(meter, plan.cases.first().threads)
            checkAnswers(bundle, meter)
            return cases(meter, loaded)
        }
    }

    private fun cases(meter: Meter, first: Loaded): RoundEnd {
        var loaded: Loaded? = first
        var threads = plan.cases.first().threads
        var warm = false
        for ((done, case) in plan.cases.withIndex()) {
            this.case = case
            announce(done)
            if (loaded == null && (case.kind == CaseKind.LOAD || case.threads != threads)) {
                loaded = load(meter, case.threads)
                threads = case.threads
                warm = false
            }
            val sample = if (case.kind == CaseKind.LOAD && loaded != null) {
                sample(case, loaded.timing, loaded.before, loaded.after)
            } else {
                if (!warm) meter.warmUp(plan.warmUp)
                warm = true
                timed(meter, case)
            }
            loaded = null
            write(sample)
            plan.gate.closedReason(sample.after, starting = false)?.let {
                return end(EndStatus.LEFT_GATE, it)
            }
        }
        case = null
        announce(plan.cases.size)
        return end(EndStatus.COMPLETE)
    }

    private fun timed(meter: Meter, case: Case): Sample {
        meter.fill(case.depth.toInt())
        val before = tools.conditions.read()
        val timing = meter.run(case)
        return sample(case, timing, before, tools.conditions.read())
    }

    // -- before the first case -------------------------------------------------------------------

    /** The bundle, if it has the plan's program. */
    private fun openBundle(): Bundle {
        val bundle = try {
            tools.openBundle(File(plan.bundleDir))
        } catch (error: AppFailure) {
            throw Stop("bundle_unreadable", error)
        }
        if (bundle.manifest.program.file != check.file) {
            throw damaged(
                "bundle_unreadable",
                "the program of the bundle is ${bundle.manifest.program.file}, not ${check.file}",
            )
        }
        requireFile(bundle.programFile)
        return bundle
    }

    private fun requireFile(program: File) {
        val name = check.file
        if (!program.isFile) throw damaged("bundle_unreadable", "$name is missing")
        val size = program.length()
        if (size != check.sizeBytes) {
            throw damaged("size_mismatch", "$name has $size bytes instead of ${check.sizeBytes}")
        }
        if (!check.thorough) return
        val found = hash(program)
        if (found != check.sha256) {
            start(found)
            throw damaged("hash_mismatch", "$name has the hash ${found.take(16)}...")
        }
    }

    private fun hash(file: File): String = try {
        sha256Of(file) { pulse.tick() }
    } catch (failure: AppFailure) {
        throw Stop("bundle_unreadable", failure)
    }

    private fun requireMeasurable(bundle: Bundle, loader: ProgramLoader) {
        val contextLength = bundle.manifest.program.contextLength
        val tooLong = plan.cases.find { !it.fits(contextLength) }
        if (tooLong != null) {
            throw unfit("${tooLong.name} does not fit the context of $contextLength tokens")
        }
        val threaded = plan.cases.find { it.threads != null } ?: return
        if (!loader.runtime.threadsSettable) {
            throw unfit("${threaded.name}: this runtime does not let its threads be set")
        }
        val tooMany = plan.cases.find { (it.threads ?: 0) > Int.MAX_VALUE }
        if (tooMany != null) throw unfit("${tooMany.name}: no phone has so many threads")
    }

    private fun load(meter: Meter, threads: Long?): Loaded {
        val before = tools.conditions.read()
        val timing = try {
            meter.load(threads)
        } catch (error: AppFailure) {
            throw Stop(if (error.cause is LinkageError) "runtime_missing" else "load_failed", error)
        }
        return Loaded(timing, before, tools.conditions.read())
    }

    /** Asks the golden prompts where the plan wants it, and writes the first line. */
    private fun checkAnswers(bundle: Bundle, meter: Meter) {
        if (!check.thorough) {
            start(null)
            return
        }
        val manifest = bundle.manifest
        golden = goldenAnswers(
            meter.program, manifest.golden, manifest.program.maxChunk, pulse::tick,
        )
        start(check.sha256)
        val problem = golden?.problem(check.exact, check.leastShare) ?: return
        throw Stop("golden_mismatch", AppFailure(FailureKind.GOLDEN_MISMATCH, problem))
    }

    private fun damaged(word: String, message: String) =
        Stop(word, AppFailure(FailureKind.BUNDLE_CORRUPT, message))

    private fun unfit(message: String) =
        Stop("plan_unfit", AppFailure(FailureKind.RUNTIME_FAILED, message))

    // -- lines -----------------------------------------------------------------------------------

    private fun start(sha256: String?) {
        started = true
        write(
            RoundStart(
                plan.runId, plan.round, plan.attempt, utcNow(), sha256, golden,
                tools.conditions.read(),
            ),
        )
    }

    private fun sample(case: Case, timing: Timing, before: Conditions, after: Conditions) = Sample(
        plan.round, plan.attempt, case, utcNow(), timing, tools.peakMemoryBytes(), before, after,
    )

    private fun failed(word: String, failure: AppFailure): RoundEnd {
        this.failure = failure
        if (!started) start(null)
        val message = oneLine(failure.message)
        write(Failure(plan.round, plan.attempt, utcNow(), case, word, message))
        return end(EndStatus.FAILED, message)
    }

    private fun end(status: EndStatus, message: String = "") =
        RoundEnd(plan.round, plan.attempt, utcNow(), status, message)

    private fun announce(done: Int) {
        val now = case ?: if (done == 0) plan.cases.first() else plan.cases.last()
        pulse.say(CasesDone(done, plan.cases.size, now.name))
    }
}

/** [text] without line breaks, as messages in result lines are. */
internal fun oneLine(text: String): String = text.trim().replace(WHITE, " ")

private val WHITE = Regex("\\s+")
