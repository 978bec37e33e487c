package io.shakti.demo.bench

import io.shakti.demo.AppFailure
import io.shakti.demo.FailureKind
import io.shakti.demo.bundle.Bundle
import io.shakti.demo.engine.GoldenAnswers
import java.io.IOException

/**
 * The benchmark that the app runs by itself: the protocol's rounds, the program opened anew for
 * each, but in one process. `shakti-sdk bench` starts a process a round and waits for the phone to
 * cool down.
 */
class LocalBench(
    private val tools: RoundTools,
    private val phone: () -> PhoneFacts,
    private val appVersion: String,
) : InAppBench {

    override fun run(
        bundle: Bundle,
        quick: Boolean,
        progress: (BenchProgress) -> Unit,
        cancelled: () -> Boolean,
    ): BenchOutcome? =
        try {
            val plan = LocalPlan.of(bundle.manifest.program.contextLength, quick)
            Run(bundle, plan, progress, cancelled).go()
        } catch (_: Cancelled) {
            null
        }

    private class Cancelled : Exception()

    private inner class Run(
        private val bundle: Bundle,
        private val plan: LocalPlan,
        private val progress: (BenchProgress) -> Unit,
        private val cancelled: () -> Boolean,
    ) : Pulse {
        private val runId = newRunId()
        private val samples = ArrayList<Sample>()
        private val remarks = ArrayList<String>()
        private val jsonl = StringBuilder()
        private var golden: GoldenAnswers? = null
        private var round = 0

        fun go(): BenchOutcome {
            write(firstLine())
            val closed = plan.gate.closedReason(tools.conditions.read(), starting = true)
            if (closed != null) remarks += "Not measured: $closed."
            while (closed == null && round < plan.rounds && measured()) round++
            if (closed == null) remarks += "The phone measured itself, in one process."
            return BenchOutcome(
                rowsOf(plan.cases, samples), tools.peakMemoryBytes(),
                goldenConfirmed = golden != null, remarks, jsonl.toString(),
            )
        }

        /** Measures a round; false where the phone left its gate. */
        private fun measured(): Boolean {
            val measuring = Round(roundPlan(), tools, this, ::write)
            val end = measuring.run()
            measuring.failure?.let { throw it }
            golden = golden ?: measuring.golden
            if (end.status == EndStatus.LEFT_GATE) {
                remarks += "Ended in round ${round + 1} of ${plan.rounds}: ${end.message}."
            }
            return end.status == EndStatus.COMPLETE
        }

        private fun roundPlan(): RoundPlan {
            val program = bundle.manifest.program
            return RoundPlan(
                runId, round.toLong(), attempt = round.toLong(), bundle.folder.path,
                ProgramCheck(
                    program.file, program.sizeBytes, program.sha256, thorough = round == 0,
                    exact = bundle.manifest.quantization.exact,
                    leastShare = GoldenAnswers.LEAST_SHARE,
                ),
                plan.warmUp, plan.gate, plan.casesOf(round),
            )
        }

        override fun say(progress: CasesDone) {
            tick()
            val done = round * plan.cases.size + progress.done
            val total = plan.rounds * plan.cases.size
            val rows = rowsOf(plan.cases, samples)
            this.progress(BenchProgress(done, total, progress.now, rows))
        }

        override fun tick() {
            if (cancelled()) throw Cancelled()
        }

        private fun write(line: Line) {
            val judged = if (line is Sample) judged(line).also(samples::add) else line
            jsonl.append(encodeLine(judged))
        }

        private fun judged(sample: Sample): Sample =
            sample.copy(
                invalidReason = reason("before", sample.before) ?: reason("after", sample.after),
            )

        private fun reason(look: String, conditions: Conditions): String? =
            plan.gate.closedReason(conditions, starting = false)?.let { "$look: $it" }

        private fun firstLine(): RunLine =
            try {
                runLine(runId, bundle, plan, phone(), tools.loader().runtime, appVersion)
            } catch (error: IOException) {
                throw AppFailure(FailureKind.FILE_UNREADABLE, error.toString(), error)
            }
    }
}
