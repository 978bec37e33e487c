package io.shakti.demo.bench

import java.time.Instant
import java.time.ZoneOffset
import java.time.format.DateTimeFormatter
import java.util.Locale

/**
 * One look at what the processor goes through. Null, or empty, means "not known", never "nothing".
 *
 * [batteryCurrentUa] keeps the sign and the unit that the phone gave: makers differ in both.
 */
data class Conditions(
    val at: String,
    val thermalStatus: Int? = null,
    val temperaturesC: Map<String, Double> = emptyMap(),
    val batteryPercent: Double? = null,
    val batteryTemperatureC: Double? = null,
    /** A source of power is attached: the battery then tells nothing about the phone's use. */
    val charging: Boolean? = null,
    val batteryCurrentUa: Long? = null,
    val batteryVoltageMv: Long? = null,
    val chargeCounterUah: Long? = null,
    val energyCounterNwh: Long? = null,
    val clocksMhz: List<Double> = emptyList(),
    val availableMemoryBytes: Long? = null,
    val loadAverage: Double? = null,
)

/** Looks at the conditions now. A look takes milliseconds, and none is within a timed span. */
fun interface ConditionsReader {
    fun read(): Conditions
}

private val THERMAL_STATUS =
    listOf("none", "light", "moderate", "severe", "critical", "emergency", "shutdown")

/**
 * What keeps the gate closed, in words, or null if it is open. [starting]: at the temperature at
 * which a round may start, too. Worded as in sdk_builder/benchmark/gates.py.
 */
fun Gate.closedReason(conditions: Conditions, starting: Boolean): String? =
    thermalReason(conditions.thermalStatus)
        ?: temperatureReason(conditions.batteryTemperatureC, starting)
        ?: chargeReason(conditions.batteryPercent)

private fun Gate.thermalReason(status: Int?): String? {
    if (status == null || maxThermalStatus == null || status <= maxThermalStatus) return null
    val allowed = named(maxThermalStatus)
    return "thermal status is ${named(status.toLong())}, at most $allowed is allowed"
}

private fun named(status: Long): String =
    "$status (${THERMAL_STATUS.getOrElse(status.coerceAtMost(99).toInt()) { "unknown" }})"

private fun Gate.temperatureReason(temperatureC: Double?, starting: Boolean): String? {
    val limits = listOfNotNull(
        maxBatteryTemperatureC,
        startBatteryTemperatureC.takeIf { starting },
    )
    val limitC = limits.minOrNull()
    if (temperatureC == null || limitC == null || temperatureC <= limitC) return null
    val what = if (starting) "to start" else "is allowed"
    val words = "battery is at %.1f °C, at most %.1f °C $what"
    return String.format(Locale.ROOT, words, temperatureC, limitC)
}

private fun Gate.chargeReason(percent: Double?): String? {
    if (percent == null || minBatteryPercent == null || percent >= minBatteryPercent) return null
    val words = "battery is at %.0f %%, at least %.0f %% is needed"
    return String.format(Locale.ROOT, words, percent, minBatteryPercent)
}

private val UTC = DateTimeFormatter.ofPattern("yyyy-MM-dd'T'HH:mm:ss.SSS'Z'", Locale.ROOT)
    .withZone(ZoneOffset.UTC)

/** The time as result lines hold it: `2026-11-24T03:06:41.123Z`. */
fun utcNow(): String = UTC.format(Instant.now())
