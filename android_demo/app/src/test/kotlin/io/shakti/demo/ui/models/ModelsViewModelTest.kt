package io.shakti.demo.ui.models

import io.shakti.demo.AppFailure
import io.shakti.demo.FailureKind
import io.shakti.demo.bundle.BundleOrigin
import io.shakti.demo.bundle.StoredBundle
import io.shakti.demo.fakes.FakeBundleStore
import io.shakti.demo.fakes.FakeBundleStore.Companion.broken
import io.shakti.demo.fakes.FakeBundleStore.Companion.ready
import io.shakti.demo.fakes.FakeChecker
import io.shakti.demo.fakes.MemorySettings
import io.shakti.demo.settings.Settings
import io.shakti.demo.ui.BundleChanges
import io.shakti.demo.ui.EngineUse
import io.shakti.demo.ui.EngineUser
import java.io.ByteArrayInputStream
import java.io.IOException
import java.io.InputStream
import kotlin.time.Duration.Companion.seconds
import kotlin.time.TestTimeSource
import kotlinx.coroutines.ExperimentalCoroutinesApi
import kotlinx.coroutines.flow.MutableStateFlow
import kotlinx.coroutines.test.StandardTestDispatcher
import kotlinx.coroutines.test.TestScope
import kotlinx.coroutines.test.runCurrent
import kotlinx.coroutines.test.runTest
import org.junit.Assert.assertEquals
import org.junit.Assert.assertFalse
import org.junit.Assert.assertNull
import org.junit.Assert.assertSame
import org.junit.Assert.assertTrue
import org.junit.Test

@OptIn(ExperimentalCoroutinesApi::class)
class ModelsViewModelTest {
    private val smol = ready("smollm2-135m-q4")
    private val pushed = ready("shakti-100m-q4", BundleOrigin.PUSHED)

    /** The screen's logic over [store], with what it is joined to. */
    private class Bench(
        scope: TestScope,
        val store: FakeBundleStore,
        settings: Settings = Settings(),
        var freeBytes: Long = 1_000_000,
    ) {
        val settings = MemorySettings(settings)
        val checker = FakeChecker()
        val answering = MutableStateFlow(false)
        val time = TestTimeSource()
        private val worker = StandardTestDispatcher(scope.testScheduler)
        private val background = scope.backgroundScope
        var putAway = 0
        val engine = EngineUse(answering, background) { putAway++ }
        val import = ImportJob(store, { freeBytes }, background, worker, time)
        val check = CheckJob(checker, engine, background, worker)
        val model =
            ModelsViewModel(
                store,
                this.settings,
                import,
                check,
                engine,
                BundleChanges(),
                background,
                worker,
            )

        val state: ModelsState get() = model.state.value

        fun items() = (state.list as ModelList.Loaded).items

        fun item(name: String) = items().single { it.name == name }

        fun usable(name: String) = item(name) as ModelItem.Usable
    }

    private fun TestScope.bench(
        vararg stored: StoredBundle,
        used: StoredBundle? = null,
    ): Bench =
        Bench(this, FakeBundleStore(*stored), Settings(bundleFolder = used?.folder?.path)).also {
            it.model.refresh()
            runCurrent()
        }

    private class Zip(
        override val name: String = "model.zip",
        private val bytes: Int = 5000,
        override val sizeBytes: Long? = bytes.toLong(),
        private val stream: InputStream = ByteArrayInputStream(ByteArray(bytes)),
    ) : PickedFile {
        override fun open(): InputStream = stream
    }

    @Test
    fun before_the_folders_were_read_it_loads_and_then_shows_what_is_there() = runTest {
        val bench = Bench(this, FakeBundleStore())
        assertEquals(ModelList.Loading, bench.state.list)
        bench.model.refresh()
        runCurrent()
        assertEquals(ModelList.Empty, bench.state.list)
        bench.store.add(smol)
        bench.model.refresh()
        runCurrent()
        assertEquals(listOf("smollm2-135m-q4"), bench.items().map { it.name })
    }

    @Test
    fun the_list_marks_the_one_in_use_and_keeps_broken_ones_with_their_reason() = runTest {
        val bench = bench(pushed, smol, broken("half", FailureKind.BUNDLE_NEWER), used = pushed)
        assertEquals(listOf("half", "smollm2-135m-q4", "shakti-100m-q4"), bench.items().map { it.name })
        assertEquals(listOf(false, true), bench.items().drop(1).map { (it as ModelItem.Usable).inUse })
        assertEquals(listOf(true, true, false), bench.items().map { it.deletable })
        val half = bench.item("half") as ModelItem.Broken
        assertEquals(FailureKind.BUNDLE_NEWER, half.stored.failure.kind)
    }

    @Test
    fun using_another_changes_the_settings_and_says_so() = runTest {
        val bench = bench(pushed, smol, used = pushed)
        bench.model.use(bench.usable("smollm2-135m-q4"))
        runCurrent()
        assertEquals(smol.folder.path, bench.settings.settings.value.bundleFolder)
        assertTrue(bench.usable("smollm2-135m-q4").inUse)
        assertFalse(bench.usable("shakti-100m-q4").inUse)
        assertEquals(ModelsNotice.Used("smollm2-135m-q4"), bench.state.notice)
    }

    @Test
    fun while_the_chat_answers_another_is_not_used() = runTest {
        val bench = bench(pushed, smol, used = pushed)
        bench.answering.value = true
        runCurrent()
        bench.model.use(bench.usable("smollm2-135m-q4"))
        runCurrent()
        assertEquals(pushed.folder.path, bench.settings.settings.value.bundleFolder)
        assertEquals(ModelsNotice.Busy(EngineUser.CHAT), bench.state.notice)
    }

    @Test
    fun an_import_shows_bytes_speed_and_time_left_and_ends_in_the_list() = runTest {
        val bench = bench(smol, used = smol)
        val seen = mutableListOf<ImportState>()
        bench.store.beforeBuffer = {
            bench.time += 1.seconds
            seen += bench.import.state.value
        }
        bench.model.import { Zip() }
        runCurrent()
        val third = seen[3] as ImportState.Running
        assertEquals(3000L, third.doneBytes)
        assertEquals(0.6, third.share!!, 1e-9)
        assertEquals(1000.0, third.bytesPerS!!, 1e-9)
        assertEquals(2.seconds, third.remaining)
        val done = bench.state.import as ImportState.Done
        assertEquals("imported", done.bundle.bundle.manifest.name)
        assertFalse(done.nowUsed)
        assertEquals(2, bench.items().size)
        assertEquals(smol.folder.path, bench.settings.settings.value.bundleFolder)
    }

    @Test
    fun without_a_size_there_are_bytes_but_no_share_and_no_end() = runTest {
        val bench = bench()
        var last: ImportState? = null
        bench.store.beforeBuffer = {
            bench.time += 1.seconds
            last = bench.import.state.value
        }
        bench.model.import { Zip(sizeBytes = null) }
        runCurrent()
        val running = last as ImportState.Running
        assertEquals(5000L, running.doneBytes)
        assertNull(running.share)
        assertNull(running.remaining)
    }

    @Test
    fun the_first_bundle_that_comes_in_is_used() = runTest {
        val bench = bench()
        bench.model.import { Zip() }
        runCurrent()
        assertTrue((bench.state.import as ImportState.Done).nowUsed)
        assertTrue(bench.usable("imported").inUse)
    }

    @Test
    fun a_bundle_that_comes_in_replaces_one_in_use_that_is_gone() = runTest {
        val bench = bench(pushed, used = smol)
        bench.model.import { Zip() }
        runCurrent()
        assertTrue(bench.usable("imported").inUse)
    }

    @Test
    fun while_none_is_chosen_the_first_is_used_and_stays_so_when_another_comes_in() = runTest {
        val bench = bench(pushed)
        assertTrue(bench.usable("shakti-100m-q4").inUse)
        bench.model.import { Zip() }
        runCurrent()
        assertFalse((bench.state.import as ImportState.Done).nowUsed)
        assertTrue(bench.usable("shakti-100m-q4").inUse)
        assertFalse(bench.usable("imported").inUse)
    }

    @Test
    fun the_one_in_use_imported_again_is_still_the_one() = runTest {
        val bench = bench(smol, pushed, used = smol)
        bench.store.willImport(smol)
        bench.model.import { Zip() }
        runCurrent()
        assertTrue((bench.state.import as ImportState.Done).nowUsed)
        assertTrue(bench.usable("smollm2-135m-q4").inUse)
        assertEquals(1, bench.putAway)
    }

    @Test
    fun a_cancelled_import_leaves_nothing_and_another_can_start() = runTest {
        val bench = bench()
        val seen = mutableListOf<ImportState>()
        bench.store.beforeBuffer = { done ->
            if (done == 2000L) bench.model.cancelImport()
            seen += bench.import.state.value
        }
        bench.model.import { Zip(name = "a.zip") }
        runCurrent()
        assertEquals(ImportState.Cancelling("a.zip"), seen.last())
        assertEquals(ImportState.Idle, bench.state.import)
        assertEquals(ModelList.Empty, bench.state.list)
        bench.store.beforeBuffer = {}
        bench.model.import { Zip() }
        runCurrent()
        assertTrue(bench.state.import is ImportState.Done)
    }

    @Test
    fun a_second_import_does_not_disturb_the_first() = runTest {
        val bench = bench()
        bench.store.beforeBuffer = { done ->
            if (done == 1000L) bench.import.start(Zip("b.zip")) { error("must not start") }
        }
        bench.model.import { Zip("a.zip") }
        runCurrent()
        assertTrue(bench.state.import is ImportState.Done)
        assertEquals(1, bench.items().size)
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
        val bench = bench()
        for (kind in kinds) {
            bench.store.willFail(kind)
            bench.model.import { Zip("a.zip") }
            runCurrent()
            val failed = bench.state.import as ImportState.Failed
            assertEquals(kind, failed.failure.kind)
            assertEquals("a.zip", failed.name)
            bench.model.dismissImport()
            runCurrent()
            assertEquals(ImportState.Idle, bench.state.import)
        }
    }

    @Test
    fun full_storage_says_how_much_is_missing_where_the_size_is_known() = runTest {
        val bench = bench()
        bench.freeBytes = 1200
        bench.store.willFail(FailureKind.STORAGE_FULL)
        bench.model.import { Zip() }
        runCurrent()
        assertEquals(3800L, (bench.state.import as ImportState.Failed).missingBytes)
        bench.store.willFail(FailureKind.STORAGE_FULL)
        bench.model.import { Zip(sizeBytes = null) }
        runCurrent()
        assertNull((bench.state.import as ImportState.Failed).missingBytes)
    }

    @Test
    fun a_stream_that_breaks_is_an_unreadable_file() = runTest {
        val bench = bench()
        val torn =
            object : InputStream() {
                override fun read(): Int = throw IOException("the card was taken out")
            }
        bench.model.import { Zip("a.zip", stream = torn) }
        runCurrent()
        val failure = (bench.state.import as ImportState.Failed).failure
        assertEquals(FailureKind.FILE_UNREADABLE, failure.kind)
        assertEquals("a.zip: the card was taken out", failure.message)
    }

    @Test
    fun a_check_shows_its_progress_and_its_results() = runTest {
        val bench = bench(smol)
        val shares = mutableListOf<Double>()
        bench.checker.beforeResult = {
            shares += (bench.check.state.value as CheckState.Running).share
            assertEquals(EngineUser.CHECK, bench.engineUserNow())
            assertEquals(1, bench.putAway)
        }
        bench.model.check(bench.usable("smollm2-135m-q4"))
        runCurrent()
        assertEquals(List(8) { it / 8.0 }, shares)
        val done = bench.state.check as CheckState.Done
        assertTrue(done.passed)
        assertEquals(FakeChecker.NAMES, done.results.map { it.name })
        assertNull(bench.state.engineUser)
        bench.model.dismissCheck()
        runCurrent()
        assertEquals(CheckState.Idle, bench.state.check)
    }

    private fun Bench.engineUserNow(): EngineUser? =
        EngineUser.CHECK.takeIf { !engine.take(EngineUser.BENCHMARK) }

    @Test
    fun a_failed_part_fails_the_check_and_a_skipped_one_does_not() = runTest {
        val bench = bench(smol)
        bench.checker.results = FakeChecker.allBut("golden tokens")
        bench.model.check(bench.usable("smollm2-135m-q4"))
        runCurrent()
        assertFalse((bench.state.check as CheckState.Done).passed)
        bench.checker.results =
            FakeChecker.allBut("golden tokens", io.shakti.demo.bundle.CheckStatus.SKIPPED)
        bench.model.check(bench.usable("smollm2-135m-q4"))
        runCurrent()
        assertTrue((bench.state.check as CheckState.Done).passed)
    }

    @Test
    fun a_cancelled_check_gives_the_engine_back() = runTest {
        val bench = bench(smol)
        bench.checker.beforeResult = { if (it == 3) bench.model.cancelCheck() }
        bench.model.check(bench.usable("smollm2-135m-q4"))
        runCurrent()
        assertEquals(CheckState.Idle, bench.state.check)
        assertTrue(bench.engine.take(EngineUser.BENCHMARK))
    }

    @Test
    fun a_check_that_cannot_be_done_says_why_and_gives_the_engine_back() = runTest {
        val bench = bench(smol)
        val failure = AppFailure(FailureKind.OUT_OF_MEMORY, "no room for the weights")
        bench.checker.beforeResult = { throw failure }
        bench.model.check(bench.usable("smollm2-135m-q4"))
        runCurrent()
        assertSame(failure, (bench.state.check as CheckState.Failed).failure)
        assertTrue(bench.engine.take(EngineUser.CHECK))
    }

    @Test
    fun a_check_is_refused_while_the_chat_answers_or_the_benchmark_runs() = runTest {
        val bench = bench(smol)
        bench.answering.value = true
        runCurrent()
        bench.model.check(bench.usable("smollm2-135m-q4"))
        runCurrent()
        assertEquals(ModelsNotice.Busy(EngineUser.CHAT), bench.state.notice)
        bench.answering.value = false
        bench.engine.take(EngineUser.BENCHMARK)
        runCurrent()
        bench.model.check(bench.usable("smollm2-135m-q4"))
        runCurrent()
        assertEquals(ModelsNotice.Busy(EngineUser.BENCHMARK), bench.state.notice)
        assertTrue(bench.checker.checked.isEmpty())
    }

    @Test
    fun deleting_asks_first_and_keeping_keeps() = runTest {
        val bench = bench(smol)
        bench.model.delete(bench.item("smollm2-135m-q4"))
        runCurrent()
        assertEquals("smollm2-135m-q4", bench.state.deleting?.name)
        bench.model.keep()
        runCurrent()
        assertNull(bench.state.deleting)
        assertEquals(1, bench.items().size)
    }

    @Test
    fun what_is_deleted_is_gone_from_list_settings_and_details() = runTest {
        val bench = bench(smol, pushed, used = smol)
        bench.model.open(bench.usable("smollm2-135m-q4").folder)
        runCurrent()
        assertTrue(bench.state.details is DetailsState.Open)
        bench.model.delete(bench.item("smollm2-135m-q4"))
        runCurrent()
        bench.model.confirmDelete()
        runCurrent()
        assertEquals(listOf("shakti-100m-q4"), bench.items().map { it.name })
        assertNull(bench.settings.settings.value.bundleFolder)
        assertEquals(DetailsState.Closed, bench.state.details)
        assertEquals(ModelsNotice.Deleted("smollm2-135m-q4"), bench.state.notice)
    }

    @Test
    fun the_one_that_answers_is_not_deleted_but_others_are() = runTest {
        val other = ready("other")
        val bench = bench(smol, other, used = smol)
        bench.answering.value = true
        runCurrent()
        bench.model.delete(bench.item("smollm2-135m-q4"))
        runCurrent()
        assertNull(bench.state.deleting)
        assertEquals(ModelsNotice.Busy(EngineUser.CHAT), bench.state.notice)
        bench.model.delete(bench.item("other"))
        runCurrent()
        assertEquals("other", bench.state.deleting?.name)
        bench.model.confirmDelete()
        runCurrent()
        assertEquals(listOf("smollm2-135m-q4"), bench.items().map { it.name })
    }

    @Test
    fun a_delete_that_fails_says_so_and_the_bundle_stays() = runTest {
        val bench = bench(smol, used = smol)
        bench.store.deleteFailure = AppFailure(FailureKind.FILE_UNREADABLE, "in use elsewhere")
        bench.model.delete(bench.item("smollm2-135m-q4"))
        runCurrent()
        bench.model.confirmDelete()
        runCurrent()
        val notice = bench.state.notice as ModelsNotice.NotDeleted
        assertEquals("in use elsewhere", notice.failure.message)
        assertTrue(bench.usable("smollm2-135m-q4").inUse)
    }

    @Test
    fun details_stay_open_over_a_refresh_and_close_when_the_bundle_is_gone() = runTest {
        val bench = bench(smol, pushed)
        bench.model.open(bench.usable("shakti-100m-q4").folder)
        bench.model.refresh()
        runCurrent()
        assertEquals("shakti-100m-q4", (bench.state.details as DetailsState.Open).item.name)
        bench.store.remove(pushed.folder)
        bench.model.refresh()
        runCurrent()
        assertEquals(DetailsState.Closed, bench.state.details)
    }

    @Test
    fun the_kv_cache_counts_keys_and_values_of_every_layer_at_the_full_context() {
        val manifest = smol.bundle.manifest
        val model = manifest.model.copy(kvHeads = listOf(3, 3), headDim = 64)
        val program = manifest.program.copy(contextLength = 4096)
        // 2 layers × 2 (keys, values) × 3 heads × 64 numbers × 4 bytes × 4096 positions
        assertEquals(12_582_912L, manifest.copy(model = model, program = program).kvBytes)
        assertNull(manifest.copy(model = model.copy(kvHeads = emptyList())).kvBytes)
    }
}
