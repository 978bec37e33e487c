package io.shakti.demo.host

import io.shakti.demo.bench.Case
import io.shakti.demo.bench.CaseKind
import io.shakti.demo.bench.Conditions
import io.shakti.demo.bench.EndStatus
import io.shakti.demo.bench.Failure
import io.shakti.demo.bench.Gate
import io.shakti.demo.bench.Line
import io.shakti.demo.bench.LocalPlan
import io.shakti.demo.bench.PhoneFacts
import io.shakti.demo.bench.PlanRefused
import io.shakti.demo.bench.RoundEnd
import io.shakti.demo.bench.RoundPlan
import io.shakti.demo.bench.RoundStart
import io.shakti.demo.bench.Sample
import io.shakti.demo.bench.Timing
import io.shakti.demo.bench.benchToken
import io.shakti.demo.bench.encodeLine
import io.shakti.demo.bench.newRunId
import io.shakti.demo.bench.parsePlan
import io.shakti.demo.bench.readBundle
import io.shakti.demo.bench.readPlanFile
import io.shakti.demo.bench.runLine
import io.shakti.demo.engine.GoldenAnswers
import io.shakti.demo.engine.RuntimeInfo
import java.io.File
import kotlinx.serialization.json.JsonElement
import kotlinx.serialization.json.JsonNull
import kotlinx.serialization.json.JsonPrimitive
import kotlinx.serialization.json.addJsonObject
import kotlinx.serialization.json.buildJsonObject
import kotlinx.serialization.json.put
import kotlinx.serialization.json.putJsonArray
import kotlinx.serialization.json.putJsonObject

/**
 * The app's side of the benchmark protocol, for tests/app/test_bench_contract.py:
 *
 *     java ... io.shakti.demo.host.ContractHost FOLDER BUNDLE...
 *
 * Reads each of FOLDER/plans and writes, under its name, into FOLDER/understood what it took it
 * for, or into FOLDER/refused why it did not take it. Writes FOLDER/lines.jsonl, lines of every
 * type; FOLDER/tokens.txt, prompt tokens; and FOLDER/run-N.jsonl, a result file's first line for
 * each BUNDLE.
 */
object ContractHost {
    @JvmStatic
    fun main(arguments: Array<String>) {
        val folder = File(arguments[0])
        val understood = File(folder, "understood").apply { mkdirs() }
        val refused = File(folder, "refused").apply { mkdirs() }
        for (file in File(folder, "plans").listFiles().orEmpty()) {
            try {
                val plan = parsePlan(readPlanFile(file))
                File(understood, file.name).writeText(toJson(plan).toString())
            } catch (error: PlanRefused) {
                File(refused, file.name).writeText(error.message)
            }
        }
        File(folder, "lines.jsonl").writeText(lines().joinToString("") { encodeLine(it) })
        val tokens = listOf(2, 50, 49152, Int.MAX_VALUE).flatMap { vocabSize ->
            (0 until 5000).map { benchToken(it, vocabSize) }
        }
        File(folder, "tokens.txt").writeText(tokens.joinToString("\n"))
        arguments.drop(1).forEachIndexed { number, bundle ->
            File(folder, "run-$number.jsonl").writeText(encodeLine(run(File(bundle))))
        }
    }

    private fun toJson(plan: RoundPlan): JsonElement = buildJsonObject {
        put("protocol", 1)
        put("run_id", plan.runId)
        put("round", plan.round)
        put("attempt", plan.attempt)
        put("bundle_dir", plan.bundleDir)
        putJsonObject("program") {
            put("file", plan.program.file)
            put("size_bytes", plan.program.sizeBytes)
            put("sha256", plan.program.sha256)
            put("thorough", plan.program.thorough)
            put("exact", plan.program.exact)
            put("least_share", plan.program.leastShare)
        }
        putJsonObject("warm_up") {
            put("prefill_tokens", plan.warmUp.prefillTokens)
            put("decode_tokens", plan.warmUp.decodeTokens)
        }
        put("gate", gate(plan.gate))
        putJsonArray("cases") {
            for (case in plan.cases) {
                addJsonObject {
                    put("kind", case.kind.word)
                    put("tokens", case.tokens)
                    put("depth", case.depth)
                    put("threads", case.threads)
                }
            }
        }
        put("heartbeat_s", plan.heartbeatS)
    }

    private fun gate(gate: Gate) = buildJsonObject {
        put("max_thermal_status", gate.maxThermalStatus?.let(::JsonPrimitive) ?: JsonNull)
        put("max_battery_temperature_c", gate.maxBatteryTemperatureC)
        put("start_battery_temperature_c", gate.startBatteryTemperatureC)
        put("min_battery_percent", gate.minBatteryPercent)
    }

    /** Nothing known, everything known with the extremes, and texts that are hard to write. */
    private fun lines(): List<Line> {
        val bare = Conditions(at = "2026-11-24T03:06:41.123Z")
        val full = Conditions(
            at = "2026-11-24T03:06:41.123Z",
            thermalStatus = 6,
            temperaturesC = mapOf(STRANGE to -39.75, "" to 1e-7, "skin" to 1.0 / 3),
            batteryPercent = 100.0,
            batteryTemperatureC = -12.5,
            charging = false,
            batteryCurrentUa = Long.MIN_VALUE,
            batteryVoltageMv = Long.MAX_VALUE,
            chargeCounterUah = -1,
            energyCounterNwh = Long.MAX_VALUE,
            clocksMhz = listOf(0.0, 1803.125, 1e300),
            availableMemoryBytes = 0,
            loadAverage = 0.1 + 0.2,
        )
        val cases = listOf(
            Case(CaseKind.LOAD),
            Case(CaseKind.PREFILL, 512, 3584, 8),
            Case(CaseKind.TTFT, Long.MAX_VALUE, Long.MAX_VALUE, Long.MAX_VALUE),
            Case(CaseKind.DECODE, 2),
        )
        val run = "0123456789abcdef"
        return listOf(
            RoundStart(run, 0, 0, bare.at, null, null, bare),
            RoundStart(run, 1, Long.MAX_VALUE, bare.at, "a".repeat(64), GOLDEN, full),
        ) + cases.map {
            val tokenMs = if (it.kind == CaseKind.DECODE) listOf(0.0, 1.5e-6) else emptyList()
            Sample(0, 0, it, bare.at, Timing(1.5e-6, tokenMs), null, bare, full)
        } + listOf(
            Sample(0, 0, cases[0], bare.at, Timing(1e10), Long.MAX_VALUE, full, bare, "after: hot"),
            Failure(0, 0, bare.at, null, "load_failed", STRANGE),
            Failure(0, 0, bare.at, cases[1], STRANGE, ""),
        ) + EndStatus.entries.map { RoundEnd(0, 0, bare.at, it, STRANGE) }
    }

    private fun run(folder: File): Line {
        val bundle = readBundle(folder)
        val phone = PhoneFacts(
            model = "Pixel \"8\" $STRANGE", maker = "Google", soc = "Tensor G3", abi = "arm64-v8a",
            system = "Android 14 (API 34)", apiLevel = 34, coreMaxMhz = listOf(1704.0, 2914.0),
            memoryBytes = 8_000_000_000, pageSizeBytes = 4096,
        )
        val runtime = RuntimeInfo("ExecuTorch", "1.5.1", "official", threadsSettable = true)
        val plan = LocalPlan.of(bundle.manifest.program.contextLength, quick = false)
        return runLine(newRunId(), bundle, plan, phone, runtime, "1.0.0")
    }

    private val GOLDEN = GoldenAnswers(prompts = 5, repeated = 4, rankedFirst = 2.0 / 3)
    private const val STRANGE = "\u0000\u001f\"\\/\b\u000c\n\r\t\u007f\u0085\u2028\ufeff\uffff" +
        "नमस्ते 你好 🙂 </script>"
}
