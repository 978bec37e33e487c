package io.shakti.demo.bundle

import io.shakti.demo.fakes.FakeBundleStore
import io.shakti.demo.fakes.TinyBundle
import org.junit.Assert.assertArrayEquals
import org.junit.Assert.assertEquals
import org.junit.Assert.assertNull
import org.junit.Rule
import org.junit.Test
import org.junit.rules.TemporaryFolder
import java.util.zip.ZipFile

/** The bundles that other tests stand on. */
class TinyBundleTest {
    @get:Rule val temporary = TemporaryFolder()

    @Test
    fun folder_and_zip_hold_the_files_that_the_manifest_names() {
        val tiny = TinyBundle("one", scheme = "none")
        val bundle = tiny.writeTo(temporary.newFolder("one"))
        assertEquals("none", bundle.manifest.quantization.scheme)
        assertEquals(bundle.manifest.program.sizeBytes, bundle.programFile.length())
        val zip = temporary.newFile("one.zip").apply { writeBytes(tiny.zip(stored = false)) }
        ZipFile(zip).use {
            val entry = it.getEntry("model.pte")
            assertArrayEquals(tiny.program, it.getInputStream(entry).readBytes())
        }
    }

    @Test
    fun fake_store_takes_in_a_stream_and_can_be_cancelled_between_buffers() {
        val store = FakeBundleStore(FakeBundleStore.ready("b"), FakeBundleStore.ready("a"))
        val seen = ArrayList<Long>()
        store.import(ByteArray(2500).inputStream(), null, { seen += it }, { false })
        assertEquals(listOf(1000L, 2000L, 2500L), seen)
        assertEquals(listOf("a", "b", "imported"), store.list().map { it.folder.name })
        assertNull(store.import(ByteArray(9).inputStream(), null, {}, { true }))
        assertEquals(3, store.list().size)
    }
}
