package io.shakti.demo.bench

import android.app.ActivityManager
import android.content.Context
import android.os.Build
import android.system.Os
import android.system.OsConstants
import java.io.File
import java.io.IOException

/** What this phone says of itself to an app. [root]: where /sys is. */
fun readPhoneFacts(context: Context, root: File = File("/")): PhoneFacts {
    val memory = ActivityManager.MemoryInfo()
    (context.getSystemService(Context.ACTIVITY_SERVICE) as ActivityManager).getMemoryInfo(memory)
    return PhoneFacts(
        model = Build.MODEL.orEmpty(),
        maker = Build.MANUFACTURER.orEmpty(),
        soc = socName(),
        abi = Build.SUPPORTED_ABIS.firstOrNull().orEmpty(),
        system = "Android ${Build.VERSION.RELEASE} (API ${Build.VERSION.SDK_INT})",
        apiLevel = Build.VERSION.SDK_INT,
        coreMaxMhz = coreClocksMhz(root, "cpuinfo_max_freq"),
        memoryBytes = memory.totalMem,
        pageSizeBytes = Os.sysconf(OsConstants._SC_PAGESIZE).coerceAtLeast(0),
    )
}

private fun socName(): String {
    val model = if (Build.VERSION.SDK_INT >= Build.VERSION_CODES.S) Build.SOC_MODEL else null
    return model?.takeIf { it != Build.UNKNOWN && it.isNotEmpty() } ?: Build.HARDWARE.orEmpty()
}

/** Of each core, by number; empty if any is missing: a list with holes would name other cores. */
internal fun coreClocksMhz(root: File, name: String): List<Double> {
    val folder = File(root, "sys/devices/system/cpu")
    val cores = folder.list().orEmpty().filter { CORE.matches(it) }
        .map { it.removePrefix("cpu").toInt() }
        .sorted()
    if (cores != cores.indices.toList()) return emptyList()
    val clocks = cores.mapNotNull { core ->
        firstWord(File(folder, "cpu$core/cpufreq/$name"))?.toLongOrNull()
            ?.takeIf { it in 1 until MOST_KHZ }
            ?.let { it / 1000.0 }
    }
    return if (clocks.size == cores.size) clocks else emptyList()
}

/** The first word of a small file; null where there is none, or it is kept from apps. */
internal fun firstWord(file: File): String? =
    textOrNull(file)?.trim()?.split(' ', '\n')?.first()?.takeIf { it.isNotEmpty() }

internal fun textOrNull(file: File): String? =
    try {
        file.readText()
    } catch (_: IOException) {
        null
    }

/** The largest resident set that this process has had so far, or null where nobody tells. */
fun peakMemoryBytes(status: File = File("/proc/self/status")): Long? {
    val found = PEAK.find(textOrNull(status).orEmpty()) ?: return null
    return found.groupValues[1].toLong() * 1024
}

private const val MOST_KHZ = 100_000_000L
private val CORE = Regex("cpu[0-9]{1,4}")
private val PEAK = Regex("^VmHWM:\\s*([0-9]{1,15}) kB", RegexOption.MULTILINE)
