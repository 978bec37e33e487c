package io.shakti.demo.ui.models

import io.shakti.demo.bundle.Manifest
import io.shakti.demo.engine.RingCache

/** Memory of the KV cache when it is full; null where the manifest does not say enough. */
val Manifest.kvBytes: Long?
    get() {
        if (model.headDim <= 0) return null
        // With int8, each head's vector has a float scale and an int8 zero point.
        val headBytes = if (quantization.kvCache == "int8") model.headDim + 5L else model.headDim * 4L
        val ring = RingCache.of(program)
        val headPositions = model.kvHeads.withIndex().sumOf { (layer, heads) ->
            val everything = ring == null || program.isGlobal(layer)
            heads * (if (everything) program.contextLength.toLong() else ring.slots)
        }
        return (2L * headBytes * headPositions).takeIf { it > 0 }
    }
