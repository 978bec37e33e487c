package io.shakti.demo.engine

import io.shakti.demo.bundle.ProgramInfo
import io.shakti.demo.bundle.SparseBlocks

/**
 * How the cache of a sliding window or of block-sparse attention is laid out; the rules of the SDK's
 * `sdk_builder/attention.py`.
 *
 * A token looks at everything from [back] positions before its block of [step] positions on, and at
 * some blocks [farther] back. No call may go across a multiple of [chunk].
 */
internal class RingCache private constructor(
    private val chunk: Int,
    private val step: Int,
    private val back: Long,
    private val farther: Long,
    private val ring: Long,
    private val stridedSpan: Long,
    stride: Int,
    sinks: Int,
) {
    /** Positions that the cache has room for. */
    val slots: Long = sinks + 1 + ring + stridedSpan / stride

    /** How many ids from position [start] on one call may take, [most] at the most. */
    fun room(start: Int, most: Int): Int = minOf(most, chunk - start % chunk)

    /**
     * How many of [prefix] kept positions a cache that has held [written] can go on behind: all, or
     * none when what the next token looks at has been written over.
     */
    fun reusable(prefix: Int, written: Int): Int {
        if (written <= ring) return prefix
        val oldest = prefix - prefix % step - back
        val near = oldest >= written - ring
        val far = written <= stridedSpan || oldest - farther >= written - stridedSpan
        return if (near && (stridedSpan == 0L || far)) prefix else 0
    }

    companion object {
        /** The one of [program]; null where every token looks at all before it. */
        fun of(program: ProgramInfo): RingCache? =
            program.window?.let { window(it, program.maxChunk, program.sinks) }
                ?: program.sparse?.let { sparse(it, program.maxChunk, program.sinks) }

        fun window(window: Int, chunk: Int, sinks: Int): RingCache =
            RingCache(chunk, 1, window - 1L, 0, window - 1L + chunk, 0, 1, sinks)

        fun sparse(blocks: SparseBlocks, chunk: Int, sinks: Int): RingCache {
            val (block, local, stride, reach) = blocks
            val more = maxOf(1, chunk / block) - 1L
            val group = stride.toLong() * block
            val span = ceilDiv((reach + more) * block, group) * group
            val whole = span / block
            val needed = (local - 1L) + maxOf(1L, chunk / block.toLong())
            val ring = (needed..whole).first { whole % it == 0L }
            val farther = (reach - local).toLong() * block
            val back = (local - 1L) * block
            return RingCache(chunk, block, back, farther, ring * block, span, stride, sinks)
        }

        private fun ceilDiv(a: Long, b: Long): Long = (a + b - 1) / b
    }
}
