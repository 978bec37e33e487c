package io.shakti.demo.ui.models

import kotlin.time.ComparableTimeMark
import kotlin.time.Duration
import kotlin.time.Duration.Companion.seconds
import kotlin.time.DurationUnit
import kotlin.time.TimeSource

/** How fast bytes come in, over the last few seconds: a stall shows, a hiccup does not. */
class RateMeter(
    private val time: TimeSource.WithComparableMarks,
    private val span: Duration = 4.seconds,
) {
    private data class Reading(val at: ComparableTimeMark, val bytes: Long)

    private val readings = ArrayDeque<Reading>()

    /** Bytes a second after [doneBytes] in all; null until a second has been seen. */
    fun bytesPerS(doneBytes: Long): Double? {
        val now = time.markNow()
        readings.addLast(Reading(now, doneBytes))
        while (readings.size > 2 && now - readings[1].at >= span) readings.removeFirst()
        val first = readings.first()
        val elapsed = now - first.at
        if (elapsed < LEAST) return null
        return (doneBytes - first.bytes) / elapsed.toDouble(DurationUnit.SECONDS)
    }

    private companion object {
        val LEAST = 1.seconds
    }
}
