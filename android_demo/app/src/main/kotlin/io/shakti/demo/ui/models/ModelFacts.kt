package io.shakti.demo.ui.models

import io.shakti.demo.bundle.Manifest
import io.shakti.demo.engine.RingCache

/** Memory of the KV cache when it is full; null where the manifest does not say enough. */
val Manifest.kvBytes: Long?
    get() {
        val heads = model.kvHeads.sumOf { it.toLong() }
        if (model.headDim <= 0) return null
        // With int8, each head's vector has a float scale and an int8 zero point.
        val headBytes = if (quantization.kvCache == "int8") model.headDim + 5L else model.headDim * 4L
        val positions = RingCache.of(program)?.slots ?: program.contextLength.toLong()
        return (2L * heads * headBytes * positions).takeIf { it > 0 }
    }
