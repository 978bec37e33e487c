package io.shakti.demo.engine

import android.os.Debug
import java.io.File

/**
 * Memory of this process in bytes. [resident]: in RAM, with what is shared; [peak]: the most so
 * far; [proportional]: what is shared divided among its users. Null where the system does not tell.
 */
data class Memory(val resident: Long?, val peak: Long?, val proportional: Long?) {
    companion object {
        /** Takes milliseconds, for [pssKb] is summed over all mappings; 0 where it is unknown. */
        fun read(
            status: File = File("/proc/self/status"),
            pssKb: () -> Long = Debug::getPss,
        ): Memory {
            val kilobytes = kilobytes(status)
            return Memory(
                resident = kilobytes["VmRSS"]?.times(BYTES_PER_KB),
                peak = kilobytes["VmHWM"]?.times(BYTES_PER_KB),
                proportional = pssKb().takeIf { it > 0 }?.times(BYTES_PER_KB),
            )
        }

        private const val BYTES_PER_KB = 1024L
        private val LINE = Regex("""(\w+):\s+(\d+) kB""")

        private fun kilobytes(status: File): Map<String, Long> {
            if (!status.canRead()) return emptyMap()
            return status.readLines().mapNotNull { LINE.matchEntire(it) }
                .associate { it.groupValues[1] to it.groupValues[2].toLong() }
        }
    }
}
