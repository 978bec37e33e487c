package io.shakti.demo.host

import android.content.BroadcastReceiver
import android.content.Context
import android.content.ContextWrapper
import android.content.Intent
import android.content.IntentFilter
import android.content.pm.ApplicationInfo
import android.os.BatteryManager
import android.os.BatteryProperty
import android.os.IBatteryPropertiesRegistrar
import android.os.IThermalService
import android.os.PowerManager
import java.io.File
import java.lang.reflect.Proxy
import kotlin.math.roundToInt
import kotlinx.serialization.json.Json
import kotlinx.serialization.json.JsonElement
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.jsonObject
import kotlinx.serialization.json.jsonPrimitive

/** A stand-in phone as tests/phones/shims/state.py keeps it: a file that is read anew each time. */
class PhoneState(private val file: File) {
    val appVersion: String get() = field("app", "version")

    val properties: Map<String, String>
        get() = state().getValue("properties").jsonObject
            .mapValues { it.value.jsonPrimitive.content }

    val thermalStatus: Int
        get() {
            val hot = System.currentTimeMillis() / 1000.0 < field("hot_until").toDouble()
            return field(if (hot) "hot_status" else "thermal_status").toInt()
        }

    /** A field of its battery. */
    fun battery(name: String): String = field("battery", name)

    private fun field(vararg path: String): String =
        path.fold<String, JsonElement>(state()) { at, name -> at.jsonObject.getValue(name) }
            .jsonPrimitive.content

    private fun state(): JsonObject = Json.parseToJsonElement(file.readText()).jsonObject
}

/**
 * The context that an app has on a stand-in phone: Android's own clients of the services, and
 * behind them services that answer with the phone's [state].
 */
class PhoneContext(private val state: PhoneState) : ContextWrapper(null) {
    override fun getApplicationContext(): Context = this

    override fun getPackageName(): String = PACKAGE

    override fun getApplicationInfo() = ApplicationInfo().apply { targetSdkVersion = 35 }

    override fun getExternalFilesDir(type: String?): File =
        File("/sdcard/Android/data/$PACKAGE/files", type.orEmpty()).apply { mkdirs() }

    override fun registerReceiver(receiver: BroadcastReceiver?, filter: IntentFilter): Intent? {
        check(receiver == null) { "only sticky broadcasts are known" }
        return battery().takeIf { filter.hasAction(Intent.ACTION_BATTERY_CHANGED) }
    }

    override fun getSystemService(name: String): Any? =
        when (name) {
            POWER_SERVICE -> PowerManager(this, null, thermalService(), null)
            BATTERY_SERVICE -> BatteryManager(this, null, batteryRegistrar())
            else -> null
        }

    private fun battery() = Intent(Intent.ACTION_BATTERY_CHANGED)
        .putExtra(BatteryManager.EXTRA_LEVEL, state.battery("percent").toInt())
        .putExtra(BatteryManager.EXTRA_SCALE, 100)
        .putExtra(
            BatteryManager.EXTRA_TEMPERATURE,
            (state.battery("temperature_c").toDouble() * 10).roundToInt(),
        )
        .putExtra(BatteryManager.EXTRA_VOLTAGE, state.battery("voltage_mv").toInt())
        .putExtra(
            BatteryManager.EXTRA_PLUGGED,
            if (state.battery("charging").toBoolean()) BatteryManager.BATTERY_PLUGGED_USB else 0,
        )

    private fun thermalService(): IThermalService = service { method, _ ->
        check(method == "getCurrentThermalStatus") { "no $method" }
        state.thermalStatus
    }

    private fun batteryRegistrar(): IBatteryPropertiesRegistrar = service { method, arguments ->
        check(method == "getProperty") { "no $method" }
        val name = when (arguments[0]) {
            BatteryManager.BATTERY_PROPERTY_CURRENT_NOW -> "current_ua"
            BatteryManager.BATTERY_PROPERTY_CHARGE_COUNTER -> "charge_counter_uah"
            else -> null
        }
        val value = name?.let { state.battery(it).toLong() }
        if (value != null) (arguments[1] as BatteryProperty).long = value
        if (value == null) UNSUPPORTED else 0
    }

    private inline fun <reified T> service(crossinline answer: (String, Array<Any?>) -> Any?): T {
        val type = T::class.java
        return Proxy.newProxyInstance(type.classLoader, arrayOf(type)) { _, method, given ->
            answer(method.name, given ?: emptyArray())
        } as T
    }

    private companion object {
        const val PACKAGE = "io.shakti.demo"
        const val UNSUPPORTED = -1
    }
}
