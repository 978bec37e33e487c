package io.shakti.demo.bench

import android.app.ActivityManager
import android.content.Context
import android.content.Intent
import android.content.IntentFilter
import android.os.BatteryManager
import android.os.Build
import android.os.PowerManager
import java.io.File
import java.io.IOException

/**
 * The phone's conditions as an app may read them. What a maker does not tell, or keeps from apps (the
 * thermal zones and the load on most phones), is not known.
 *
 * [root]: where /sys and /proc are.
 */
class AndroidConditions(private val context: Context, private val root: File = File("/")) :
    ConditionsReader {

    override fun read(): Conditions {
        val battery = context.registerReceiver(null, IntentFilter(Intent.ACTION_BATTERY_CHANGED))
        return Conditions(
            at = utcNow(),
            thermalStatus = thermalStatus(),
            temperaturesC = temperaturesC(),
            batteryPercent = battery?.let(::percent),
            batteryTemperatureC = battery?.let(::temperatureC),
            charging = battery?.let(::plugged),
            batteryCurrentUa = counter(BatteryManager.BATTERY_PROPERTY_CURRENT_NOW),
            batteryVoltageMv = battery?.let(::voltageMv),
            chargeCounterUah = counter(BatteryManager.BATTERY_PROPERTY_CHARGE_COUNTER),
            energyCounterNwh = energyCounterNwh(),
            clocksMhz = clocksMhz(),
            availableMemoryBytes = availableMemoryBytes(),
            loadAverage = firstWord("proc/loadavg")?.toDoubleOrNull()?.takeIf { it.isFinite() },
        )
    }

    private fun thermalStatus(): Int? {
        if (Build.VERSION.SDK_INT < Build.VERSION_CODES.Q) return null
        val power = context.getSystemService(Context.POWER_SERVICE) as PowerManager?
        return power?.currentThermalStatus?.takeIf { it in 0..PowerManager.THERMAL_STATUS_SHUTDOWN }
    }

    /** Zone -> °C; a second zone of one type gets a number. */
    private fun temperaturesC(): Map<String, Double> {
        val found = sortedMapOf<String, Double>()
        val zones = File(root, "sys/class/thermal").list().orEmpty().filter { ZONE.matches(it) }
        for (zone in zones.sortedBy { it.removePrefix("thermal_zone").toInt() }) {
            val type = firstWord("sys/class/thermal/$zone/type") ?: continue
            val temperature = celsius(firstWord("sys/class/thermal/$zone/temp")) ?: continue
            val name = generateSequence(1) { it + 1 }
                .map { if (it == 1) type else "$type $it" }
                .first { it !in found }
            found[name] = temperature
        }
        return found
    }

    private fun percent(battery: Intent): Double? {
        val level = battery.getIntExtra(BatteryManager.EXTRA_LEVEL, -1)
        val scale = battery.getIntExtra(BatteryManager.EXTRA_SCALE, -1)
        return (100.0 * level / scale).takeIf { scale > 0 && it in 0.0..100.0 }
    }

    private fun temperatureC(battery: Intent): Double? {
        val tenths = battery.getIntExtra(BatteryManager.EXTRA_TEMPERATURE, Int.MIN_VALUE)
        return (tenths / 10.0).takeIf { it > COLDEST_C && it < HOTTEST_C }
    }

    private fun plugged(battery: Intent): Boolean? =
        battery.getIntExtra(BatteryManager.EXTRA_PLUGGED, -1).takeIf { it >= 0 }?.let { it != 0 }

    private fun voltageMv(battery: Intent): Long? {
        val voltage = battery.getIntExtra(BatteryManager.EXTRA_VOLTAGE, 0)
        val millivolts = if (voltage in 1 until MOST_VOLTS) voltage * 1000 else voltage
        return millivolts.toLong().takeIf { it in 1 until MOST_MILLIVOLTS }
    }

    /** A counter of BatteryManager, null where the phone has none. */
    private fun counter(property: Int): Long? {
        val battery = context.getSystemService(Context.BATTERY_SERVICE) as BatteryManager?
        return battery?.getIntProperty(property)?.takeIf { it != Int.MIN_VALUE }?.toLong()
    }

    private fun energyCounterNwh(): Long? {
        val battery = context.getSystemService(Context.BATTERY_SERVICE) as BatteryManager?
        return battery?.getLongProperty(BatteryManager.BATTERY_PROPERTY_ENERGY_COUNTER)
            ?.takeIf { it != Long.MIN_VALUE }
    }

    /** Of each core, by number; empty if any is missing: a list with holes would name other cores. */
    private fun clocksMhz(): List<Double> {
        val cores = File(root, CPUS).list().orEmpty().filter { CORE.matches(it) }
            .map { it.removePrefix("cpu").toInt() }
            .sorted()
        if (cores != cores.indices.toList()) return emptyList()
        val clocks = cores.mapNotNull { core ->
            firstWord("$CPUS/cpu$core/cpufreq/scaling_cur_freq")?.toLongOrNull()
                ?.takeIf { it in 1 until MOST_KHZ }
                ?.let { it / 1000.0 }
        }
        return if (clocks.size == cores.size) clocks else emptyList()
    }

    private fun availableMemoryBytes(): Long? {
        val manager = context.getSystemService(Context.ACTIVITY_SERVICE) as ActivityManager?
        val memory = ActivityManager.MemoryInfo()
        manager?.getMemoryInfo(memory) ?: return null
        return memory.availMem.takeIf { it > 0 }
    }

    private fun firstWord(path: String): String? = readOrNull(File(root, path))
        ?.trim()?.split(' ', '\n')?.first()?.takeIf { it.isNotEmpty() }

    private companion object {
        const val CPUS = "sys/devices/system/cpu"
        const val COLDEST_C = -40.0 // sensors that are off read far below what a phone survives
        const val HOTTEST_C = 200.0
        const val MOST_VOLTS = 100 // some makers give volts instead of millivolts
        const val MOST_MILLIVOLTS = 100_000L
        const val MOST_KHZ = 100_000_000L
        val ZONE = Regex("thermal_zone[0-9]{1,4}")
        val CORE = Regex("cpu[0-9]{1,4}")

        /** A zone's reading, which is in thousandths on most phones; 0 is a sensor that is off. */
        fun celsius(reading: String?): Double? {
            val number = reading?.toLongOrNull()?.takeIf { it != 0L } ?: return null
            val degrees = if (number in -999..999) number.toDouble() else number / 1000.0
            return degrees.takeIf { it > COLDEST_C && it < HOTTEST_C }
        }
    }
}

/** The largest resident set that this process has had so far, or null where nobody tells. */
fun peakMemoryBytes(status: File = File("/proc/self/status")): Long? {
    val found = PEAK.find(readOrNull(status).orEmpty()) ?: return null
    return found.groupValues[1].toLong() * 1024
}

private val PEAK = Regex("^VmHWM:\\s*([0-9]{1,15}) kB", RegexOption.MULTILINE)

/** A small file's text; null where it is missing, or kept from apps. */
private fun readOrNull(file: File): String? =
    try {
        file.readText()
    } catch (_: IOException) {
        null
    }
