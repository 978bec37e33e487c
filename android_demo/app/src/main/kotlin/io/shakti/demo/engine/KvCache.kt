package io.shakti.demo.engine

/** A program and the ids that its KV cache holds, at positions 0 until [size]. */
internal class KvCache(private val program: Program, contextLength: Int) {
    private val ids = IntArray(contextLength)

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
        size = (0 until most).firstOrNull { ids[it] != prompt[it] } ?: most
        return size
    }

    /** Writes [chunk] behind what is there; the logits after its last id, `[V]`. */
    fun append(chunk: IntArray): FloatArray {
        val logits = program.forward(chunk, size)
        chunk.copyInto(ids, destinationOffset = size)
        size += chunk.size
        return logits
    }
}
