package io.shakti.demo.bench

import java.io.File
import java.io.IOException

/** How a run of a plan file ended, for the result bundle; what counts is the file. */
data class BenchResult(val status: EndStatus, val message: String, val error: Throwable? = null)

/**
 * One attempt of the SDK's benchmark: reads its plan file, measures, and writes its JSONL file into
 * [resultsDir]. Whatever goes wrong, the file gets its `round_end` if it can be written at all.
 *
 * [send] gets the progress, at least as often as the plan wants.
 */
class BenchRun(
    private val resultsDir: File,
    private val tools: RoundTools,
    private val send: (CasesDone) -> Unit,
) {
    fun run(planFile: File): BenchResult {
        val data = try {
            readPlanFile(planFile)
        } catch (refused: PlanRefused) {
            return failed(refused.message)
        }
        val plan = try {
            parsePlan(data)
        } catch (refused: PlanRefused) {
            attemptOf(data)?.let { end(it, "plan_refused", refused.message) }
            return failed(refused.message)
        }
        return try {
            measured(plan)
        } catch (error: IOException) {
            failed("cannot write ${File(resultsDir, plan.outputName)}: ${error.message}")
        } catch (error: Throwable) { // the last one who could say why this process ends
            val message = generateSequence(error) { it.cause }.joinToString(", because of ")
            end(Attempt(plan.runId, plan.round, plan.attempt), "app_failed", message)
            failed(message, error)
        }
    }

    private fun measured(plan: RoundPlan): BenchResult =
        LineFile(File(resultsDir, plan.outputName)).use { file ->
            val end = Heartbeat(beatMs(plan.heartbeatS), send = send).use { pulse ->
                Round(plan, tools, pulse, file::write).run()
            }
            BenchResult(end.status, end.message)
        }

    /** A little more often than [heartbeatS] seconds, for saying it takes time as well. */
    private fun beatMs(heartbeatS: Long): Long = minOf(heartbeatS, LONGEST_BEAT_S) * 800

    /** Ends an attempt's file with a failure. */
    private fun end(attempt: Attempt, cause: String, message: String) {
        val (runId, round, number) = attempt
        try {
            LineFile(File(resultsDir, outputName(runId, round, number))).use { file ->
                file.write(Failure(round, number, utcNow(), null, cause, oneLine(message)))
                file.write(RoundEnd(round, number, utcNow(), EndStatus.FAILED, oneLine(message)))
            }
        } catch (_: IOException) {
            return // the result bundle has the message; the SDK says that the file lacks its end
        }
    }

    private fun failed(message: String, error: Throwable? = null) =
        BenchResult(EndStatus.FAILED, oneLine(message), error)

    private companion object {
        const val LONGEST_BEAT_S = 3600L
    }
}
