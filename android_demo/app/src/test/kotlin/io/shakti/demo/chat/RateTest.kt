package io.shakti.demo.chat

import java.io.File
import kotlinx.coroutines.ExperimentalCoroutinesApi
import kotlinx.coroutines.delay
import kotlinx.coroutines.flow.flow
import kotlinx.coroutines.flow.toList
import kotlinx.coroutines.test.runTest
import org.junit.Assert.assertEquals
import org.junit.Assert.assertNull
import org.junit.Assert.assertTrue
import org.junit.Test

@OptIn(ExperimentalCoroutinesApi::class)
class RateTest {
    @Test
    fun thousand_values_in_a_second_become_twenty_and_the_last_one_comes() = runTest {
        val fast = flow {
            repeat(1000) {
                emit(it)
                delay(1)
            }
        }
        val seen = fast.atMostEvery(50).toList()
        assertTrue("${seen.size}", seen.size in 19..22)
        assertEquals(999, seen.last())
    }

    @Test
    fun limit_says_yes_once_in_its_period() {
        var now = 0L
        val limit = RateLimit(1000) { now }
        val yes = (0L..5000L step 100).filter {
            now = it
            limit.allows()
        }
        assertEquals(listOf(0L, 1000L, 2000L, 3000L, 4000L, 5000L), yes)
    }

    @Test
    fun resident_memory_is_read_in_bytes() {
        val status = File.createTempFile("status", null)
        status.writeText("Name:\tshakti\nVmHWM:\t  500000 kB\nVmRSS:\t  412345 kB\nThreads:\t9\n")
        assertEquals(412_345L * 1024, ProcessMemory(status).residentBytes())
        status.writeText("Name:\tshakti\n")
        assertNull(ProcessMemory(status).residentBytes())
        status.delete()
        assertNull(ProcessMemory(status).residentBytes())
    }
}
