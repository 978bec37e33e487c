package io.shakti.demo.bench

import io.shakti.demo.engine.GoldenAnswers
import kotlinx.serialization.json.JsonElement
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.JsonPrimitive
import kotlinx.serialization.json.buildJsonArray
import kotlinx.serialization.json.buildJsonObject

/** A line of a result file; docs/benchmark-protocol.md. What is null is left out. */
sealed interface Line

/** A process began to measure. [programSha256]: as hashed here; null: only its size was checked. */
data class RoundStart(
    val runId: String,
    val round: Long,
    val attempt: Long,
    val at: String,
    val programSha256: String?,
    val golden: GoldenAnswers?,
    val conditions: Conditions,
) : Line

/** One timed execution of a case. [tokenMs]: of a decode case, each token's own share. */
data class Sample(
    val round: Long,
    val attempt: Long,
    val case: Case,
    val at: String,
    val timing: Timing,
    val peakMemoryBytes: Long?,
    val before: Conditions,
    val after: Conditions,
    /** Only for files that the app shares itself: the SDK judges what it collects. */
    val invalidReason: String? = null,
) : Line

/** Something went wrong; the samples before it stand. [cause] is for programs. */
data class Failure(
    val round: Long,
    val attempt: Long,
    val at: String,
    val case: Case?,
    val cause: String,
    val message: String,
) : Line

enum class EndStatus(val word: String) {
    COMPLETE("complete"),
    LEFT_GATE("left_gate"),
    FAILED("failed"),
}

/** A process has nothing more to say. */
data class RoundEnd(
    val round: Long,
    val attempt: Long,
    val at: String,
    val status: EndStatus,
    val message: String = "",
) : Line

/** The first line of a file that the app shares itself; built by RunLine. */
data class RunLine(val fields: JsonObject) : Line

/**
 * The line as one line of JSON, newline included. Throws IllegalArgumentException for a number that
 * is not finite, which JSON cannot hold.
 */
fun encodeLine(line: Line): String = toJson(line).toString() + "\n"

private fun toJson(line: Line): JsonObject =
    when (line) {
        is RoundStart -> roundStart(line)
        is Sample -> sample(line)
        is Failure -> json(
            "type" to text("failure"),
            "round" to whole(line.round),
            "attempt" to whole(line.attempt),
            "at" to text(line.at),
            "case" to line.case?.let(::case),
            "cause" to text(line.cause),
            "message" to text(line.message),
        )
        is RoundEnd -> json(
            "type" to text("round_end"),
            "round" to whole(line.round),
            "attempt" to whole(line.attempt),
            "at" to text(line.at),
            "status" to text(line.status.word),
            "message" to text(line.message),
        )
        is RunLine -> line.fields
    }

private fun roundStart(line: RoundStart): JsonObject = json(
    "type" to text("round"),
    "protocol" to whole(PROTOCOL),
    "run_id" to text(line.runId),
    "round" to whole(line.round),
    "attempt" to whole(line.attempt),
    "at" to text(line.at),
    "program_sha256" to text(line.programSha256),
    "golden" to line.golden?.let {
        json(
            "prompts" to whole(it.prompts.toLong()),
            "repeated" to whole(it.repeated.toLong()),
            "ranked_first" to number(it.rankedFirst),
        )
    },
    "conditions" to conditions(line.conditions),
)

private fun sample(line: Sample): JsonObject = json(
    "type" to text("sample"),
    "round" to whole(line.round),
    "attempt" to whole(line.attempt),
    "case" to case(line.case),
    "at" to text(line.at),
    "duration_ms" to number(line.timing.durationMs),
    "token_ms" to numbers(line.timing.tokenMs),
    "peak_memory_bytes" to whole(line.peakMemoryBytes),
    "before" to conditions(line.before),
    "after" to conditions(line.after),
    "invalid_reason" to text(line.invalidReason),
)

private fun conditions(look: Conditions): JsonObject = json(
    "at" to text(look.at),
    "thermal_status" to whole(look.thermalStatus?.toLong()),
    "temperatures_c" to
        JsonObject(look.temperaturesC.mapValues { JsonPrimitive(finite(it.value)) }),
    "battery_percent" to number(look.batteryPercent),
    "battery_temperature_c" to number(look.batteryTemperatureC),
    "charging" to look.charging?.let(::JsonPrimitive),
    "battery_current_ua" to whole(look.batteryCurrentUa),
    "battery_voltage_mv" to whole(look.batteryVoltageMv),
    "charge_counter_uah" to whole(look.chargeCounterUah),
    "energy_counter_nwh" to whole(look.energyCounterNwh),
    "clocks_mhz" to numbers(look.clocksMhz),
    "available_memory_bytes" to whole(look.availableMemoryBytes),
    "load_average" to number(look.loadAverage),
)

internal fun case(case: Case): JsonObject = json(
    "kind" to text(case.kind.word),
    "tokens" to whole(case.tokens),
    "depth" to whole(case.depth),
    "threads" to whole(case.threads),
)

internal fun json(vararg fields: Pair<String, JsonElement?>): JsonObject = buildJsonObject {
    for ((name, value) in fields) if (value != null) put(name, value)
}

internal fun text(value: String?): JsonElement? = value?.let(::JsonPrimitive)

internal fun whole(value: Long?): JsonElement? = value?.let(::JsonPrimitive)

internal fun number(value: Double?): JsonElement? = value?.let { JsonPrimitive(finite(it)) }

internal fun numbers(values: List<Double>): JsonElement = buildJsonArray {
    values.forEach { add(JsonPrimitive(finite(it))) }
}

private fun finite(value: Double): Double {
    require(value.isFinite()) { "a result line cannot hold $value" }
    return value
}
