package io.shakti.demo.ui.models

import io.shakti.demo.bundle.Manifest

/** Memory of the KV cache at the full context; null where the manifest does not say enough. */
val Manifest.kvBytes: Long?
    get() {
        val heads = model.kvHeads.sumOf { it.toLong() }
        if (model.headDim <= 0) return null
        // With int8, each head's vector has a float scale and an int8 zero point.
        val headBytes = if (quantization.kvCache == "int8") model.headDim + 5L else model.headDim * 4L
        return (2L * heads * headBytes * program.contextLength).takeIf { it > 0 }
    }
