package io.shakti.demo.bundle

import org.junit.Assert.assertEquals
import org.junit.Assert.assertNull
import org.junit.Assert.assertTrue
import org.junit.Test
import java.io.File

/** The manifests of bundles that the SDK made of SmolLM2. */
class RealBundlesTest {
    @Test
    fun q4_bundle_says_what_it_is() {
        val manifest = read("shakti.bundle.q4")
        assertEquals("q4", manifest.quantization.scheme)
        assertTrue(manifest.quantization.bitsPerWeight in 4.0..6.0)
        assertEquals(30, manifest.model.layers)
        assertEquals(List(30) { 3 }, manifest.model.kvHeads)
        assertEquals(64, manifest.model.headDim)
        assertEquals(49152, manifest.model.vocabSize)
        assertEquals(SystemPlace.TURN, manifest.chat?.systemPlace)
        assertEquals("<|im_start|>user\n", manifest.chat?.userPrefix)
        assertEquals(5, manifest.golden.size)
        assertTrue(manifest.golden.all { it.expectedIds.size == 16 })
        assertTrue(manifest.golden.last().text.contains("नमस्ते! 你好! 🙂"))
    }

    @Test
    fun unquantized_bundle_names_the_size_of_its_program() {
        val folder = folder("shakti.bundle.none")
        val manifest = read("shakti.bundle.none")
        assertEquals("none", manifest.quantization.scheme)
        assertEquals(File(folder, manifest.program.file).length(), manifest.program.sizeBytes)
        assertNull(manifest.program.window)
    }

    private fun read(property: String): Manifest =
        ManifestParser.parse(File(folder(property), MANIFEST_NAME).readBytes())

    private fun folder(property: String): File =
        File(checkNotNull(System.getProperty(property)) { "-D$property: a bundle's folder" })
}
