package io.shakti.demo.ui.models

import io.shakti.demo.bundle.Manifest

/** Memory of the KV cache at the full context; null where the manifest does not say enough. */
val Manifest.kvBytes: Long?
    get() {
        val heads = model.kvHeads.sumOf { it.toLong() }
        val numbers = 2L * heads * model.headDim * program.contextLength
        val bytesEach = if (quantization.kvCache == "int8") 1 else 4
        return (numbers * bytesEach).takeIf { it > 0 }
    }
