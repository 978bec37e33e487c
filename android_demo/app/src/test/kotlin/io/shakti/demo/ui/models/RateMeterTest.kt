package io.shakti.demo.ui.models

import kotlin.time.Duration.Companion.milliseconds
import kotlin.time.Duration.Companion.seconds
import kotlin.time.TestTimeSource
import org.junit.Assert.assertEquals
import org.junit.Assert.assertNull
import org.junit.Test

class RateMeterTest {
    private val time = TestTimeSource()
    private val meter = RateMeter(time)

    @Test
    fun within_the_first_second_there_is_no_rate() {
        assertNull(meter.bytesPerS(0))
        time += 999.milliseconds
        assertNull(meter.bytesPerS(1_000_000))
    }

    @Test
    fun a_steady_flow_gives_its_rate() {
        meter.bytesPerS(0)
        time += 2.seconds
        assertEquals(500.0, meter.bytesPerS(1000)!!, 1e-9)
    }

    @Test
    fun after_a_change_the_rate_is_that_of_the_last_seconds() {
        var done = 0L
        meter.bytesPerS(0)
        repeat(10) {
            time += 1.seconds
            done += 1000
            meter.bytesPerS(done)
        }
        repeat(6) {
            time += 1.seconds
            done += 10
            meter.bytesPerS(done)
        }
        assertEquals(10.0, meter.bytesPerS(done)!!, 1e-9)
    }
}
