package io.shakti.demo.engine

import org.junit.Assert.assertEquals
import org.junit.Assert.assertTrue
import org.junit.Rule
import org.junit.Test
import org.junit.rules.TemporaryFolder
import java.io.File

class MemoryTest {
    @get:Rule
    val folder = TemporaryFolder()

    @Test
    fun figures_are_read_from_the_status_and_given_in_bytes() {
        val status = folder.newFile()
        status.writeText("Name:\tdemo\nVmHWM:\t  204800 kB\nVmRSS:\t  102400 kB\nThreads:\t12\n")
        val memory = Memory.read(status) { 51200 }
        assertEquals(Memory(104_857_600, peak = 209_715_200, proportional = 52_428_800), memory)
    }

    @Test
    fun what_the_system_does_not_tell_is_null() {
        assertEquals(Memory(null, null, null), Memory.read(File(folder.root, "nothing")) { 0 })
    }

    @Test
    fun this_process_has_some() {
        val memory = Memory.read { 0 }
        assertTrue(memory.resident!! > 10_000_000)
        assertTrue(memory.peak!! >= memory.resident!!)
    }

    private fun Memory.Companion.read(pssKb: () -> Long) = read(File("/proc/self/status"), pssKb)
}
