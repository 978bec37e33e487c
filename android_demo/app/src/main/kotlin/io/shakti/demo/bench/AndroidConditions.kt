package io.shakti.demo.bench

import android.app.ActivityManager
import android.content.Context
import android.content.Intent
import android.content.IntentFilter
import android.os.BatteryManager
import android.os.Build
import android.os.PowerManager
import java.io.File

/**
 * The phone's conditions as an app may read them. What a maker does not tell, or keeps from apps
 * (the thermal zones and the load on most phones), is not known.
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
            clocksMhz = coreClocksMhz(root, "scaling_cur_freq"),
            availableMemoryBytes = availableMemoryBytes(),
            loadAverage = firstWord(File(root, "proc/loadavg"))?.toDoubleOrNull()
                ?.takeIf { it.isFinite() && it >= 0 },
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
        val zones = File(root, "sys/class/thermal")
        val names = zones.list().orEmpty().filter { ZONE.matches(it) }
        for (zone in names.sortedBy { it.removePrefix("thermal_zone").toInt() }) {
            val type = firstWord(File(zones, "$zone/type")) ?: continue
            val temperature = celsius(firstWord(File(zones, "$zone/temp"))) ?: continue
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

    /** The kernel's estimate, which the SDK reads over adb too; the system's where that is kept. */
    private fun availableMemoryBytes(): Long? {
        val kernel = AVAILABLE.find(textOrNull(File(root, "proc/meminfo")).orEmpty())
        if (kernel != null) return kernel.groupValues[1].toLong() * 1024
        val manager = context.getSystemService(Context.ACTIVITY_SERVICE) as ActivityManager?
        val memory = ActivityManager.MemoryInfo()
        manager?.getMemoryInfo(memory) ?: return null
        return memory.availMem.takeIf { it > 0 }
    }

    private companion object {
        const val COLDEST_C = -40.0 // sensors that are off read far below what a phone survives
        const val HOTTEST_C = 200.0
        const val MOST_VOLTS = 100 // some makers give volts instead of millivolts
        const val MOST_MILLIVOLTS = 100_000L
        val AVAILABLE = Regex("^MemAvailable:\\s*([0-9]{1,15}) kB", RegexOption.MULTILINE)
        val ZONE = Regex("thermal_zone[0-9]{1,4}")

        /** A zone's reading, which is in thousandths on most phones; 0 is a sensor that is off. */
        fun celsius(reading: String?): Double? {
            val number = reading?.toLongOrNull()?.takeIf { it != 0L } ?: return null
            val degrees = if (number in -999..999) number.toDouble() else number / 1000.0
            return degrees.takeIf { it > COLDEST_C && it < HOTTEST_C }
        }
    }
}
