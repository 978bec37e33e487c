package io.shakti.demo.bench

import kotlinx.serialization.json.JsonArray
import kotlinx.serialization.json.JsonNull
import kotlinx.serialization.json.JsonObject

/** What the app measures by itself: every case once a round. */
data class LocalPlan(
    val cases: List<Case>,
    val rounds: Int,
    val warmUp: WarmUp,
    val gate: Gate = Gate(),
) {
    /** The cases of a round: each round begins with another one, the load stays first. */
    fun casesOf(round: Int): List<Case> {
        val (loads, rest) = cases.partition { it.kind == CaseKind.LOAD }
        val by = if (rest.isEmpty()) 0 else round % rest.size
        return loads + rest.drop(by) + rest.take(by)
    }

    /** As the SDK writes it, so that its hash is the SDK's. */
    fun toJson(): JsonObject = json(
        "cases" to JsonArray(cases.map { JsonObject(case(it) + withNull(it.threads)) }),
        "rounds" to whole(rounds.toLong()),
        "warm_up" to json(
            "prefill_tokens" to whole(warmUp.prefillTokens),
            "decode_tokens" to whole(warmUp.decodeTokens),
        ),
        "gate" to json(
            "max_thermal_status" to (whole(gate.maxThermalStatus) ?: JsonNull),
            "max_battery_temperature_c" to (number(gate.maxBatteryTemperatureC) ?: JsonNull),
            "start_battery_temperature_c" to (number(gate.startBatteryTemperatureC) ?: JsonNull),
            "min_battery_percent" to (number(gate.minBatteryPercent) ?: JsonNull),
        ),
    )

    private fun withNull(threads: Long?) = mapOf("threads" to (whole(threads) ?: JsonNull))

    companion object {
        /**
         * The protocol's plan as far as it fits [contextLength]; [quick]: a first look with the
         * numbers of `shakti-sdk bench --quick`.
         */
        fun of(contextLength: Int, quick: Boolean): LocalPlan {
            val wanted =
                if (quick) cases(prefill = listOf(64), ttft = 64, decode = 32)
                else cases(prefill = listOf(128, 512), ttft = 128, decode = 128)
            val fitting = wanted.filter { it.fits(contextLength) }
            return if (quick) LocalPlan(fitting, rounds = 2, WarmUp(16, 4))
            else LocalPlan(fitting, rounds = 5, WarmUp())
        }

        private fun cases(prefill: List<Long>, ttft: Long, decode: Long): List<Case> =
            listOf(Case(CaseKind.LOAD)) +
                prefill.map { Case(CaseKind.PREFILL, it) } +
                Case(CaseKind.TTFT, ttft) +
                Case(CaseKind.DECODE, decode)
    }
}
