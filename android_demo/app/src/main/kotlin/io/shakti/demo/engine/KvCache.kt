package io.shakti.demo.engine

/** A program and the ids that its KV cache holds, at positions 0 until [size]. */
internal class KvCache(
    private val program: Program,
    contextLength: Int,
    private val ring: RingCache? = null,
) {
    private val ids = IntArray(contextLength)

    /** Positions that the program's cache has held since it was empty. */
    private var written = 0

    /** Written by the worker thread, read by any. */
    @Volatile
    var size = 0
        private set

    /**
     * Gives up what does not begin [prompt] and returns how much is left. The last id of the prompt
     * is always given up, for its logits are needed.
     */
    fun rewindTo(prompt: IntArray): Int {
        val most = minOf(size, prompt.size - 1)
        val same = (0 until most).firstOrNull { ids[it] != prompt[it] } ?: most
        size = ring?.reusable(same, written) ?: same
        if (size == 0) written = 0
        return size
    }

    /** How many ids the next [append] may take, [most] at the most. */
    fun room(most: Int): Int = ring?.room(size, most) ?: most

    /** Writes [chunk] behind what is there; the logits after its last id, `[V]`. */
    fun append(chunk: IntArray): FloatArray {
        val logits = program.forward(chunk, size)
        chunk.copyInto(ids, destinationOffset = size)
        size += chunk.size
        written = maxOf(written, size)
        return logits
    }
}
