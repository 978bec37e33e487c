package io.shakti.demo.ui.models

import io.shakti.demo.FailureKind
import java.io.IOException
import java.io.InputStream
import kotlin.time.Duration.Companion.seconds
import kotlinx.coroutines.ExperimentalCoroutinesApi
import kotlinx.coroutines.test.runCurrent
import kotlinx.coroutines.test.runTest
import org.junit.Assert.assertEquals
import org.junit.Assert.assertFalse
import org.junit.Assert.assertNull
import org.junit.Assert.assertTrue
import org.junit.Test

@OptIn(ExperimentalCoroutinesApi::class)
class ModelsImportTest {
    @Test
    fun an_import_shows_bytes_speed_and_time_left_and_ends_in_the_list() = runTest {
        val bed = bed(smol, used = smol)
        val seen = mutableListOf<ImportState>()
        bed.store.beforeBuffer = {
            bed.time += 1.seconds
            seen += bed.import.state.value
        }
        bed.model.import { Zip() }
        runCurrent()
        val third = seen[3] as ImportState.Running
        assertEquals(3000L, third.doneBytes)
        assertEquals(0.6, third.share!!, 1e-9)
        assertEquals(1000.0, third.bytesPerS!!, 1e-9)
        assertEquals(2.seconds, third.remaining)
        val done = bed.state.import as ImportState.Done
        assertEquals("imported", done.bundle.bundle.manifest.name)
        assertFalse(done.nowUsed)
        assertEquals(2, bed.items().size)
        assertEquals(smol.folder.path, bed.settings.settings.value.bundleFolder)
    }

    @Test
    fun without_a_size_there_are_bytes_but_no_share_and_no_end() = runTest {
        val bed = bed()
        var last: ImportState? = null
        bed.store.beforeBuffer = {
            bed.time += 1.seconds
            last = bed.import.state.value
        }
        bed.model.import { Zip(sizeBytes = null) }
        runCurrent()
        val running = last as ImportState.Running
        assertEquals(5000L, running.doneBytes)
        assertNull(running.share)
        assertNull(running.remaining)
    }

    @Test
    fun the_first_bundle_that_comes_in_is_used() = runTest {
        val bed = bed()
        bed.model.import { Zip() }
        runCurrent()
        assertTrue((bed.state.import as ImportState.Done).nowUsed)
        assertTrue(bed.usable("imported").inUse)
    }

    @Test
    fun a_bundle_that_comes_in_replaces_one_in_use_that_is_gone() = runTest {
        val bed = bed(pushed, used = smol)
        bed.model.import { Zip() }
        runCurrent()
        assertTrue(bed.usable("imported").inUse)
    }

    @Test
    fun while_none_is_chosen_the_first_is_used_and_stays_so_when_another_comes_in() = runTest {
        val bed = bed(pushed)
        assertTrue(bed.usable("shakti-100m-q4").inUse)
        bed.model.import { Zip() }
        runCurrent()
        assertFalse((bed.state.import as ImportState.Done).nowUsed)
        assertTrue(bed.usable("shakti-100m-q4").inUse)
        assertFalse(bed.usable("imported").inUse)
    }

    @Test
    fun the_one_in_use_imported_again_is_still_the_one() = runTest {
        val bed = bed(smol, pushed, used = smol)
        bed.store.willImport(smol)
        bed.model.import { Zip() }
        runCurrent()
        assertTrue((bed.state.import as ImportState.Done).nowUsed)
        assertTrue(bed.usable("smollm2-135m-q4").inUse)
        assertEquals(1, bed.putAway)
    }

    @Test
    fun a_cancelled_import_leaves_nothing_and_another_can_start() = runTest {
        val bed = bed()
        val seen = mutableListOf<ImportState>()
        bed.store.beforeBuffer = { done ->
            if (done == 2000L) bed.model.cancelImport()
            seen += bed.import.state.value
        }
        bed.model.import { Zip(name = "a.zip") }
        runCurrent()
        assertEquals(ImportState.Cancelling("a.zip"), seen.last())
        assertEquals(ImportState.Idle, bed.state.import)
        assertEquals(ModelList.Empty, bed.state.list)
        bed.store.beforeBuffer = {}
        bed.model.import { Zip() }
        runCurrent()
        assertTrue(bed.state.import is ImportState.Done)
    }

    @Test
    fun a_second_import_does_not_disturb_the_first() = runTest {
        val bed = bed()
        bed.store.beforeBuffer = { done ->
            if (done == 1000L) bed.import.start(Zip("b.zip")) { error("must not start") }
        }
        bed.model.import { Zip("a.zip") }
        runCurrent()
        assertTrue(bed.state.import is ImportState.Done)
        assertEquals(1, bed.items().size)
    }

    @Test
    fun each_failure_of_an_import_reaches_the_screen_until_it_is_put_away() = runTest {
        val kinds =
            listOf(
                FailureKind.BUNDLE_CORRUPT,
                FailureKind.BUNDLE_NEWER,
                FailureKind.STORAGE_FULL,
                FailureKind.FILE_UNREADABLE,
            )
        val bed = bed()
        for (kind in kinds) {
            bed.store.willFail(kind)
            bed.model.import { Zip("a.zip") }
            runCurrent()
            val failed = bed.state.import as ImportState.Failed
            assertEquals(kind, failed.failure.kind)
            assertEquals("a.zip", failed.name)
            bed.model.dismissImport()
            runCurrent()
            assertEquals(ImportState.Idle, bed.state.import)
        }
    }

    @Test
    fun full_storage_says_how_much_is_missing_where_the_size_is_known() = runTest {
        val bed = bed()
        bed.freeBytes = 1200
        bed.store.willFail(FailureKind.STORAGE_FULL)
        bed.model.import { Zip() }
        runCurrent()
        assertEquals(3800L, (bed.state.import as ImportState.Failed).missingBytes)
        bed.store.willFail(FailureKind.STORAGE_FULL)
        bed.model.import { Zip(sizeBytes = null) }
        runCurrent()
        assertNull((bed.state.import as ImportState.Failed).missingBytes)
    }

    @Test
    fun a_stream_that_breaks_is_an_unreadable_file() = runTest {
        val bed = bed()
        val torn =
            object : InputStream() {
                override fun read(): Int = throw IOException("the card was taken out")
            }
        bed.model.import { Zip("a.zip", stream = torn) }
        runCurrent()
        val failure = (bed.state.import as ImportState.Failed).failure
        assertEquals(FailureKind.FILE_UNREADABLE, failure.kind)
        assertEquals("a.zip: the card was taken out", failure.message)
    }
}
