package io.shakti.demo.chat

import java.io.File
import java.io.IOException

/** How much memory the process holds, from the kernel's own account of it. */
class ProcessMemory(private val status: File = File("/proc/self/status")) {
    /** Bytes in memory, or null where the kernel does not tell. */
    fun residentBytes(): Long? {
        val lines = try {
            status.readLines()
        } catch (_: IOException) {
            return null
        }
        val line = lines.firstOrNull { it.startsWith(RESIDENT) } ?: return null
        val kilobytes = line.removePrefix(RESIDENT).trim().removeSuffix(" kB").toLongOrNull()
        return kilobytes?.times(1024)
    }

    private companion object {
        const val RESIDENT = "VmRSS:"
    }
}
