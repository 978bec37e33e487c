package io.shakti.demo.runtime

import io.shakti.demo.bundle.Bundle
import io.shakti.demo.bundle.MANIFEST_NAME
import io.shakti.demo.bundle.ManifestParser
import java.io.File

/** The bundles of SmolLM2 that the tests run on Android's library. */
internal object RuntimeBundles {
    /** int4 weights, int8 activations. */
    val q4: Bundle by lazy { read("shakti.bundle.q4") }

    /** The same weights, and a KV cache in int8. */
    val int8Kv: Bundle by lazy { read("shakti.bundle.int8_kv") }

    /** fp32. */
    val none: Bundle by lazy { read("shakti.bundle.none") }

    /** As [q4], with a sliding window of 320. */
    val chatWindow: Bundle by lazy { read("shakti.bundle.chat_window") }

    /** fp32 with a sliding window of 24. */
    val window: Bundle by lazy { read("shakti.bundle.window") }

    /** fp32 with block-sparse attention over 64 positions. */
    val sparse: Bundle by lazy { read("shakti.bundle.sparse") }

    private fun read(property: String): Bundle {
        val path = checkNotNull(System.getProperty(property)) { "-D$property: a bundle's folder" }
        val folder = File(path)
        return Bundle(folder, ManifestParser.parse(File(folder, MANIFEST_NAME).readBytes()))
    }
}
