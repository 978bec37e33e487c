package io.shakti.demo.bench

import java.io.File
import java.io.IOException
import java.nio.ByteBuffer
import java.nio.charset.CharacterCodingException

/** No plan is anywhere near; a larger file is something else. */
private const val MAX_PLAN_BYTES = 1L shl 20

/** Which attempt a plan asks for: known of most plans that are refused. */
data class Attempt(val runId: String, val round: Long, val attempt: Long)

/** The text of a plan file. Throws Refused. */
fun readPlanText(file: File): String {
    try {
        if (file.length() > MAX_PLAN_BYTES) throw Refused("${file.path} is too large for a plan")
        return Charsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(file.readBytes())).toString()
    } catch (error: CharacterCodingException) {
        throw Refused("${file.path} is no UTF-8 text").apply { initCause(error) }
    } catch (error: IOException) {
        throw Refused("cannot read ${file.path}: ${error.message}").apply { initCause(error) }
    }
}

/** The plan that [text] is. Throws Refused, whose message says what to do about it. */
fun parsePlan(text: String): RoundPlan {
    val fields = Fields.of(text)
    requireOurProtocol(fields)
    fields.only(
        "protocol", "run_id", "round", "attempt", "bundle_dir", "program", "warm_up", "gate",
        "cases", "heartbeat_s",
    )
    return RoundPlan(
        runId = fields.text("run_id", RUN_ID),
        round = fields.whole("round", least = 0),
        attempt = fields.whole("attempt", least = 0),
        bundleDir = fields.text("bundle_dir"),
        program = program(fields.fields("program")),
        warmUp = warmUp(fields.fields("warm_up")),
        gate = gate(fields.fields("gate")),
        cases = fields.list("cases", ::case),
        heartbeatS = fields.whole("heartbeat_s", least = 1, absent = 5),
    )
}

/** What a plan says of its attempt, whatever else is wrong with it; null if it does not. */
fun attemptOf(text: String): Attempt? =
    try {
        val fields = Fields.of(text)
        Attempt(
            fields.text("run_id", RUN_ID),
            fields.whole("round", least = 0),
            fields.whole("attempt", least = 0),
        )
    } catch (_: Refused) {
        null
    }

private fun requireOurProtocol(fields: Fields) {
    val spoken = fields.whole("protocol", least = Long.MIN_VALUE, absent = PROTOCOL)
    if (spoken == PROTOCOL) return
    val fix = if (spoken > PROTOCOL) "update the app (shakti-sdk demo install)" else "update shakti-sdk"
    throw Refused("this app speaks benchmark protocol $PROTOCOL, the plan is of protocol $spoken: $fix")
}

private fun program(fields: Fields): ProgramCheck {
    fields.only("file", "size_bytes", "sha256", "thorough", "exact", "least_share")
    return ProgramCheck(
        file = fields.text("file", FILE_NAME),
        sizeBytes = fields.whole("size_bytes", least = 1),
        sha256 = fields.text("sha256", SHA256),
        thorough = fields.boolean("thorough"),
        exact = fields.boolean("exact"),
        leastShare = fields.number("least_share", 0.0..1.0),
    )
}

private fun warmUp(fields: Fields): WarmUp {
    fields.only("prefill_tokens", "decode_tokens")
    val usual = WarmUp()
    return WarmUp(
        fields.whole("prefill_tokens", least = 0, absent = usual.prefillTokens),
        fields.whole("decode_tokens", least = 0, absent = usual.decodeTokens),
    )
}

private fun gate(fields: Fields): Gate {
    fields.only(
        "max_thermal_status", "max_battery_temperature_c", "start_battery_temperature_c",
        "min_battery_percent",
    )
    val usual = Gate()
    val any = -Double.MAX_VALUE..Double.MAX_VALUE
    return Gate(
        fields.orNull("max_thermal_status", usual.maxThermalStatus) { fields.whole(it, least = 0) },
        fields.orNull("max_battery_temperature_c", usual.maxBatteryTemperatureC) {
            fields.number(it, any)
        },
        fields.orNull("start_battery_temperature_c", usual.startBatteryTemperatureC) {
            fields.number(it, any)
        },
        fields.orNull("min_battery_percent", usual.minBatteryPercent) {
            fields.number(it, 0.0..Double.MAX_VALUE)
        },
    )
}

private fun case(fields: Fields): Case {
    fields.only("kind", "tokens", "depth", "threads")
    val word = fields.text("kind")
    val kind = CaseKind.entries.find { it.word == word } ?: fields.refuse("kind", "not a kind of case")
    val tokens = fields.whole("tokens", least = 0, absent = 0)
    val depth = fields.whole("depth", least = 0, absent = 0)
    if (kind == CaseKind.LOAD) {
        if (tokens > 0 || depth > 0) fields.refuse("kind", "a load case has no tokens and no depth")
    } else if (tokens == 0L) {
        fields.refuse("tokens", "a $word case needs tokens")
    }
    val threads = fields.orNull("threads", null) { fields.whole(it, least = 1) }
    return Case(kind, tokens, depth, threads)
}
