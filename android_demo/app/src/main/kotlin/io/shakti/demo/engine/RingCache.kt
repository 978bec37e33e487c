package io.shakti.demo.engine

/**
 * How a sliding window's cache is laid out; the rules of the SDK's `sdk_builder/attention.py`.
 *
 * A token looks at the last [window] positions, its own included, and at the first [SINKS]. No call
 * may go across a multiple of [block]: the sinks move there.
 */
internal class RingCache(window: Int, private val block: Int) {
    private val ring = window - 1 + block

    /** How many ids from position [start] on one call may take, [most] at the most. */
    fun room(start: Int, most: Int): Int = minOf(most, block - start % block)

    /**
     * How many of [prefix] kept positions a cache that has held [written] can go on behind: all, or
     * none when the ring has forgotten what lies before them.
     */
    fun reusable(prefix: Int, written: Int): Int {
        val lost = written > SINKS + ring
        return if (!lost || prefix >= written - block) prefix else 0
    }

    private companion object {
        const val SINKS = 4
    }
}
