package io.shakti.demo.tokenizer

/** A list of ids that grows. */
internal class IdList(capacity: Int = 64) {
    private var ids = IntArray(capacity)
    var size = 0
        private set

    fun add(id: Int) {
        if (size == ids.size) ids = ids.copyOf(maxOf(16, size * 2))
        ids[size++] = id
    }

    fun addAll(more: IntArray) {
        if (size + more.size > ids.size) ids = ids.copyOf(maxOf(size + more.size, size * 2))
        more.copyInto(ids, size)
        size += more.size
    }

    operator fun get(index: Int): Int = ids[index]

    fun toArray(): IntArray = ids.copyOf(size)
}

/**
 * The pairs of tokens that merge, by rank (lower ones first), and what they become.
 *
 * Open addressing over primitive arrays: about 20 bytes a merge, of which there are up to half a
 * million.
 */
internal class MergeTable private constructor(
    private val pairs: LongArray,
    private val ranks: IntArray,
    private val merged: IntArray,
) {
    private val mask = pairs.size - 1

    /** -1: [left] and [right] do not merge. */
    fun rank(left: Int, right: Int): Int {
        val pair = pack(left, right)
        var at = slot(pair, mask)
        while (ranks[at] >= 0) {
            if (pairs[at] == pair) return ranks[at]
            at = (at + 1) and mask
        }
        return -1
    }

    /** The token that the merge of [rank] makes. */
    fun result(rank: Int): Int = merged[rank]

    /** Collects merges in the order of their ranks. */
    class Builder(private val vocabulary: Map<String, Int>) {
        private val lefts = IdList()
        private val rights = IdList()
        private val results = IdList()

        fun add(left: String, right: String) {
            lefts.add(id(left))
            rights.add(id(right))
            results.add(id(left + right))
        }

        private fun id(token: String): Int = vocabulary[token]
            ?: throw unsupported("a merge has ${quoted(token)}, which is not in the vocabulary")

        fun build(): MergeTable {
            var capacity = 16
            while (capacity < results.size * 3 / 2) capacity *= 2
            val pairs = LongArray(capacity)
            val ranks = IntArray(capacity) { -1 }
            for (rank in 0 until results.size) {
                val pair = pack(lefts[rank], rights[rank])
                var at = slot(pair, capacity - 1)
                while (ranks[at] >= 0 && pairs[at] != pair) at = (at + 1) and (capacity - 1)
                pairs[at] = pair
                ranks[at] = rank // of a pair that comes twice the last one counts
            }
            return MergeTable(pairs, ranks, results.toArray())
        }
    }

    private companion object {
        fun pack(left: Int, right: Int): Long = (left.toLong() shl 32) or right.toLong()

        fun slot(pair: Long, mask: Int): Int {
            val mixed = pair * -0x61c8864680b583ebL // 2^64 / golden ratio, spreads neighbours
            return (mixed ushr 32).toInt() and mask
        }
    }
}

/** Longs from the smallest on: a binary heap without boxes. */
internal class LongHeap(capacity: Int) {
    private var heap = LongArray(maxOf(4, capacity))
    private var size = 0

    fun isEmpty(): Boolean = size == 0

    fun push(value: Long) {
        if (size == heap.size) heap = heap.copyOf(size * 2)
        var at = size++
        while (at > 0) {
            val parent = (at - 1) / 2
            if (heap[parent] <= value) break
            heap[at] = heap[parent]
            at = parent
        }
        heap[at] = value
    }

    fun pop(): Long {
        val top = heap[0]
        val last = heap[--size]
        var at = 0
        while (true) {
            var child = 2 * at + 1
            if (child >= size) break
            if (child + 1 < size && heap[child + 1] < heap[child]) child++
            if (last <= heap[child]) break
            heap[at] = heap[child]
            at = child
        }
        heap[at] = last
        return top
    }
}
