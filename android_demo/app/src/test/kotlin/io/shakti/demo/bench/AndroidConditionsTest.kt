package io.shakti.demo.bench

import android.content.Context
import android.content.Intent
import android.os.BatteryManager
import android.os.Build
import android.os.PowerManager
import java.io.File
import org.junit.Assert.assertEquals
import org.junit.Assert.assertNull
import org.junit.Assert.assertTrue
import org.junit.Rule
import org.junit.Test
import org.junit.rules.TemporaryFolder
import org.junit.runner.RunWith
import org.robolectric.RobolectricTestRunner
import org.robolectric.RuntimeEnvironment
import org.robolectric.Shadows.shadowOf
import org.robolectric.util.ReflectionHelpers

@RunWith(RobolectricTestRunner::class)
class AndroidConditionsTest {
    @get:Rule val root = TemporaryFolder()

    private val context: Context = RuntimeEnvironment.getApplication()
    private val reader by lazy { AndroidConditions(context, root.root) }

    private fun file(path: String, text: String) =
        File(root.root, path).apply { parentFile!!.mkdirs() }.writeText(text)

    @Suppress("DEPRECATION")
    private fun battery(vararg extras: Pair<String, Int>) {
        val intent = Intent(Intent.ACTION_BATTERY_CHANGED)
        for ((name, value) in extras) intent.putExtra(name, value)
        context.sendStickyBroadcast(intent)
    }

    @Test
    fun battery_is_read_from_its_broadcast() {
        battery(
            BatteryManager.EXTRA_LEVEL to 33, BatteryManager.EXTRA_SCALE to 50,
            BatteryManager.EXTRA_TEMPERATURE to 287, BatteryManager.EXTRA_VOLTAGE to 3987,
            BatteryManager.EXTRA_PLUGGED to BatteryManager.BATTERY_PLUGGED_WIRELESS,
        )
        val look = reader.read()
        assertEquals(66.0, look.batteryPercent!!, 1e-9)
        assertEquals(28.7, look.batteryTemperatureC!!, 1e-9)
        assertEquals(3987L, look.batteryVoltageMv)
        assertEquals(true, look.charging)
    }

    @Test
    fun odd_battery_is_not_known() {
        battery(
            BatteryManager.EXTRA_LEVEL to 33, BatteryManager.EXTRA_SCALE to 0,
            BatteryManager.EXTRA_TEMPERATURE to -2732, BatteryManager.EXTRA_VOLTAGE to 4,
        )
        val look = reader.read()
        assertNull(look.batteryPercent)
        assertNull(look.batteryTemperatureC)
        assertNull(look.charging)
        assertEquals(4000L, look.batteryVoltageMv) // some makers give volts
    }

    @Test
    fun counters_and_thermal_status_come_from_the_system() {
        shadowOf(context.getSystemService(Context.BATTERY_SERVICE) as BatteryManager).apply {
            setIntProperty(BatteryManager.BATTERY_PROPERTY_CURRENT_NOW, -412_000)
            setIntProperty(BatteryManager.BATTERY_PROPERTY_CHARGE_COUNTER, Int.MIN_VALUE)
            setLongProperty(BatteryManager.BATTERY_PROPERTY_ENERGY_COUNTER, 11_111_111_111)
        }
        shadowOf(context.getSystemService(Context.POWER_SERVICE) as PowerManager)
            .setCurrentThermalStatus(PowerManager.THERMAL_STATUS_SEVERE)
        val look = reader.read()
        assertEquals(-412_000L, look.batteryCurrentUa)
        assertNull(look.chargeCounterUah)
        assertEquals(11_111_111_111L, look.energyCounterNwh)
        assertEquals(3, look.thermalStatus)
    }

    @Test
    fun android_9_tells_no_thermal_status() {
        ReflectionHelpers.setStaticField(Build.VERSION::class.java, "SDK_INT", 28)
        try {
            assertNull(reader.read().thermalStatus)
        } finally {
            ReflectionHelpers.setStaticField(Build.VERSION::class.java, "SDK_INT", 34)
        }
        assertEquals(0, reader.read().thermalStatus)
    }

    @Test
    fun zones_are_named_by_type_and_odd_ones_left_out() {
        val zones = listOf(
            "cpu-0" to "45123", "battery" to "31", "cpu-0" to "47000", "modem" to "-274000",
            "off" to "0", "broken" to "x",
        )
        zones.forEachIndexed { number, (type, reading) ->
            file("sys/class/thermal/thermal_zone$number/type", "$type\n")
            file("sys/class/thermal/thermal_zone$number/temp", "$reading\n")
        }
        file("sys/class/thermal/cooling_device0/type", "fan\n")
        assertEquals(
            mapOf("cpu-0" to 45.123, "cpu-0 2" to 47.0, "battery" to 31.0),
            reader.read().temperaturesC,
        )
    }

    @Test
    fun clocks_are_in_order_of_the_cores_or_not_known_at_all() {
        for (core in 0..10) {
            file("sys/devices/system/cpu/cpu$core/cpufreq/scaling_cur_freq", "${1000_500 + core}\n")
        }
        assertEquals((0..10).map { (1000_500 + it) / 1000.0 }, reader.read().clocksMhz)
        assertTrue(File(root.root, "sys/devices/system/cpu/cpu3/cpufreq/scaling_cur_freq").delete())
        assertEquals(emptyList<Double>(), reader.read().clocksMhz)
    }

    @Test
    fun memory_and_load_are_the_kernels() {
        file("proc/meminfo", "MemTotal:  7800000 kB\nMemAvailable:    4100000 kB\n")
        file("proc/loadavg", "1.25 1.00 0.50 2/1234 4321\n")
        val look = reader.read()
        assertEquals(4_100_000L * 1024, look.availableMemoryBytes)
        assertEquals(1.25, look.loadAverage!!, 0.0)
    }

    @Test
    fun phone_that_tells_nothing_is_a_look_all_the_same() {
        val look = reader.read()
        assertTrue(Regex("\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d\\.\\d{3}Z").matches(look.at))
        assertEquals(emptyMap<String, Double>(), look.temperaturesC)
        assertNull(look.loadAverage)
        assertNull(Gate().closedReason(look, starting = true))
    }

    @Test
    fun peak_memory_is_the_kernels_high_water_mark() {
        file("status", "Name:\tx\nVmPeak:\t  99 kB\nVmHWM:\t  187654 kB\nVmRSS:\t 5 kB\n")
        assertEquals(187654L * 1024, peakMemoryBytes(File(root.root, "status")))
        assertNull(peakMemoryBytes(File(root.root, "none")))
    }

    @Test
    fun phone_says_what_it_is() {
        file("sys/devices/system/cpu/cpu0/cpufreq/cpuinfo_max_freq", "2914000\n")
        val facts = readPhoneFacts(context, root.root)
        assertEquals(34, facts.apiLevel)
        assertEquals("Android 14 (API 34)", facts.system)
        assertEquals(listOf(2914.0), facts.coreMaxMhz)
        assertTrue(facts.model.isNotEmpty())
        assertTrue(facts.pageSizeBytes >= 0)
    }
}
