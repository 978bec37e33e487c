package io.shakti.demo.bench

import io.shakti.demo.bundle.BUNDLE_FILE_NAME
import io.shakti.demo.files.JsonNode
import io.shakti.demo.files.JsonRecord
import io.shakti.demo.files.JsonRefused
import io.shakti.demo.files.parseStrictObject
import java.io.File
import java.io.IOException

/** No plan is anywhere near; a larger file is something else. */
private const val MAX_PLAN_BYTES = 1L shl 20

/** A plan cannot be followed; the message is one line that says why, and what to update. */
class PlanRefused(message: String, cause: Throwable? = null) : Exception(message, cause) {
    override val message: String get() = super.message.orEmpty()
}

/** Which attempt a plan is for: known of most plans that are refused. */
data class Attempt(val runId: String, val round: Long, val attempt: Long)

/** The bytes of a plan file. Throws PlanRefused. */
fun readPlanFile(file: File): ByteArray {
    if (file.length() > MAX_PLAN_BYTES) throw PlanRefused("$file is too large for a plan")
    return try {
        file.readBytes()
    } catch (error: IOException) {
        throw PlanRefused("cannot read $file: ${oneLine(error.message.orEmpty())}", error)
    }
}

/**
 * The plan that [data] is. What the SDK's own reader accepts is accepted, but for fields that are
 * given twice. Throws PlanRefused.
 */
fun parsePlan(data: ByteArray): RoundPlan = planNode(data) { node ->
    node.record {
        requireOurProtocol(this)
        RoundPlan(
            runId = this["run_id"].runId(),
            round = this["round"].whole(COUNT),
            attempt = this["attempt"].whole(COUNT),
            bundleDir = this["bundle_dir"].text(),
            program = this["program"].programCheck(),
            warmUp = this["warm_up"].warmUp(),
            gate = this["gate"].gate(),
            cases = this["cases"].cases(),
            heartbeatS = optional("heartbeat_s")?.whole(POSITIVE) ?: 5,
        )
    }
}

/** What a plan says of its attempt, whatever else is wrong with it; null if it does not. */
fun attemptOf(data: ByteArray): Attempt? =
    try {
        planNode(data) { node ->
            val fields = node.map()
            val runId = fields["run_id"]?.runId()
            val round = fields["round"]?.whole(COUNT)
            val attempt = fields["attempt"]?.whole(COUNT)
            if (runId == null || round == null || attempt == null) null
            else Attempt(runId, round, attempt)
        }
    } catch (_: PlanRefused) {
        null
    }

private fun <T> planNode(data: ByteArray, read: (JsonNode) -> T): T =
    try {
        read(JsonNode(parseStrictObject(data), unknownRefused = true))
    } catch (error: JsonRefused) {
        throw PlanRefused("the plan cannot be followed: ${error.message}", error)
    }

private fun requireOurProtocol(fields: JsonRecord) {
    val spoken = fields.optional("protocol")?.integer()?.toBigInteger() ?: return
    if (spoken == PROTOCOL.toBigInteger()) return
    val fix =
        if (spoken > PROTOCOL.toBigInteger()) "update the app (shakti-sdk demo install)"
        else "update shakti-sdk"
    throw PlanRefused(
        "this app speaks benchmark protocol $PROTOCOL and the plan is of protocol $spoken: $fix",
    )
}

private fun JsonNode.programCheck() = record {
    ProgramCheck(
        file = this["file"].textOf(BUNDLE_FILE_NAME, "a plain file name"),
        sizeBytes = this["size_bytes"].whole(POSITIVE),
        sha256 = this["sha256"].textOf(SHA256, "a SHA-256 in hexadecimal digits"),
        thorough = this["thorough"].bool(),
        exact = this["exact"].bool(),
        leastShare = this["least_share"].number("from 0 to 1") { it in 0.0..1.0 },
    )
}

private fun JsonNode.warmUp() = record {
    val usual = WarmUp()
    WarmUp(
        optional("prefill_tokens")?.whole(COUNT) ?: usual.prefillTokens,
        optional("decode_tokens")?.whole(COUNT) ?: usual.decodeTokens,
    )
}

private fun JsonNode.gate() = record {
    val usual = Gate()
    Gate(
        limit("max_thermal_status", usual.maxThermalStatus) { it.whole(COUNT) },
        limit("max_battery_temperature_c", usual.maxBatteryTemperatureC) { it.number() },
        limit("start_battery_temperature_c", usual.startBatteryTemperatureC) { it.number() },
        limit("min_battery_percent", usual.minBatteryPercent) { node ->
            node.number("a number of at least 0") { it >= 0.0 }
        },
    )
}

/** A limit that is absent is the [usual] one; null is none. */
private fun <T> JsonRecord.limit(name: String, usual: T?, read: (JsonNode) -> T): T? {
    val given = optional(name) ?: return usual
    return given.orNull()?.let(read)
}

private fun JsonNode.cases(): List<Case> {
    val cases = list().map { it.case() }
    if (cases.isEmpty()) fail("must hold a case")
    return cases
}

private fun JsonNode.case() = record {
    val kind = this["kind"].oneOf(KINDS)
    val tokens = optional("tokens")?.whole(COUNT) ?: 0
    val depth = optional("depth")?.whole(COUNT) ?: 0
    if (kind == CaseKind.LOAD && (tokens > 0 || depth > 0)) {
        fail("a load case has no tokens and no depth")
    }
    if (kind != CaseKind.LOAD && tokens == 0L) fail("a ${kind.word} case needs tokens")
    Case(kind, tokens, depth, nullable("threads")?.whole(POSITIVE))
}

private fun JsonNode.runId(): String = textOf(RUN_ID, "16 hexadecimal digits")

private val KINDS = CaseKind.entries.associateBy { it.word }
private val COUNT = 0..Long.MAX_VALUE
private val POSITIVE = 1..Long.MAX_VALUE
private val RUN_ID = Regex("[0-9a-f]{16}")
private val SHA256 = Regex("[0-9a-f]{64}")
