package io.shakti.demo.ui.models

import io.shakti.demo.AppFailure
import io.shakti.demo.FailureKind
import io.shakti.demo.fakes.FakeBundleStore
import io.shakti.demo.fakes.FakeBundleStore.Companion.broken
import io.shakti.demo.fakes.FakeBundleStore.Companion.ready
import io.shakti.demo.fakes.FakeChecker
import io.shakti.demo.ui.EngineUser
import kotlinx.coroutines.ExperimentalCoroutinesApi
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
    @Test
    fun before_the_folders_were_read_it_loads_and_then_shows_what_is_there() = runTest {
        val bed = ModelsBed(this, FakeBundleStore())
        assertEquals(ModelList.Loading, bed.state.list)
        bed.model.refresh()
        runCurrent()
        assertEquals(ModelList.Empty, bed.state.list)
        bed.store.add(smol)
        bed.model.refresh()
        runCurrent()
        assertEquals(listOf("smollm2-135m-q4"), bed.items().map { it.name })
    }

    @Test
    fun the_list_marks_the_one_in_use_and_keeps_broken_ones_with_their_reason() = runTest {
        val bed = bed(pushed, smol, broken("half", FailureKind.BUNDLE_NEWER), used = pushed)
        val names = listOf("half", "smollm2-135m-q4", "shakti-100m-q4")
        assertEquals(names, bed.items().map { it.name })
        assertFalse(bed.usable("smollm2-135m-q4").inUse)
        assertTrue(bed.usable("shakti-100m-q4").inUse)
        assertEquals(listOf(true, true, false), bed.items().map { it.deletable })
        val half = bed.item("half") as ModelItem.Broken
        assertEquals(FailureKind.BUNDLE_NEWER, half.stored.failure.kind)
    }

    @Test
    fun using_another_changes_the_settings_and_says_so() = runTest {
        val bed = bed(pushed, smol, used = pushed)
        bed.model.use(bed.usable("smollm2-135m-q4"))
        runCurrent()
        assertEquals(smol.folder.path, bed.settings.settings.value.bundleFolder)
        assertTrue(bed.usable("smollm2-135m-q4").inUse)
        assertFalse(bed.usable("shakti-100m-q4").inUse)
        assertEquals(ModelsNotice.Used("smollm2-135m-q4"), bed.state.notice)
    }

    @Test
    fun while_the_chat_answers_another_is_not_used() = runTest {
        val bed = bed(pushed, smol, used = pushed)
        bed.answering.value = true
        runCurrent()
        bed.model.use(bed.usable("smollm2-135m-q4"))
        runCurrent()
        assertEquals(pushed.folder.path, bed.settings.settings.value.bundleFolder)
        assertEquals(ModelsNotice.Busy(EngineUser.CHAT), bed.state.notice)
    }

    @Test
    fun a_check_shows_its_progress_and_its_results() = runTest {
        val bed = bed(smol)
        val shares = mutableListOf<Double>()
        bed.checker.beforeResult = {
            shares += (bed.check.state.value as CheckState.Running).share
            assertEquals(EngineUser.CHECK, bed.engineUserNow())
            assertEquals(1, bed.putAway)
        }
        bed.model.check(bed.usable("smollm2-135m-q4"))
        runCurrent()
        assertEquals(List(8) { it / 8.0 }, shares)
        val done = bed.state.check as CheckState.Done
        assertTrue(done.passed)
        assertEquals(FakeChecker.NAMES, done.results.map { it.name })
        assertNull(bed.state.engineUser)
        bed.model.dismissCheck()
        runCurrent()
        assertEquals(CheckState.Idle, bed.state.check)
    }

    private fun ModelsBed.engineUserNow(): EngineUser? =
        EngineUser.CHECK.takeIf { !engine.take(EngineUser.BENCHMARK) }

    @Test
    fun a_failed_part_fails_the_check_and_a_skipped_one_does_not() = runTest {
        val bed = bed(smol)
        bed.checker.results = FakeChecker.allBut("golden tokens")
        bed.model.check(bed.usable("smollm2-135m-q4"))
        runCurrent()
        assertFalse((bed.state.check as CheckState.Done).passed)
        bed.checker.results =
            FakeChecker.allBut("golden tokens", io.shakti.demo.bundle.CheckStatus.SKIPPED)
        bed.model.check(bed.usable("smollm2-135m-q4"))
        runCurrent()
        assertTrue((bed.state.check as CheckState.Done).passed)
    }

    @Test
    fun a_cancelled_check_gives_the_engine_back() = runTest {
        val bed = bed(smol)
        bed.checker.beforeResult = { if (it == 3) bed.model.cancelCheck() }
        bed.model.check(bed.usable("smollm2-135m-q4"))
        runCurrent()
        assertEquals(CheckState.Idle, bed.state.check)
        assertTrue(bed.engine.take(EngineUser.BENCHMARK))
    }

    @Test
    fun a_check_that_cannot_be_done_says_why_and_gives_the_engine_back() = runTest {
        val bed = bed(smol)
        val failure = AppFailure(FailureKind.OUT_OF_MEMORY, "no room for the weights")
        bed.checker.beforeResult = { throw failure }
        bed.model.check(bed.usable("smollm2-135m-q4"))
        runCurrent()
        assertSame(failure, (bed.state.check as CheckState.Failed).failure)
        assertTrue(bed.engine.take(EngineUser.CHECK))
    }

    @Test
    fun a_check_is_refused_while_the_chat_answers_or_the_benchmark_runs() = runTest {
        val bed = bed(smol)
        bed.answering.value = true
        runCurrent()
        bed.model.check(bed.usable("smollm2-135m-q4"))
        runCurrent()
        assertEquals(ModelsNotice.Busy(EngineUser.CHAT), bed.state.notice)
        bed.answering.value = false
        bed.engine.take(EngineUser.BENCHMARK)
        runCurrent()
        bed.model.check(bed.usable("smollm2-135m-q4"))
        runCurrent()
        assertEquals(ModelsNotice.Busy(EngineUser.BENCHMARK), bed.state.notice)
        assertTrue(bed.checker.checked.isEmpty())
    }

    @Test
    fun deleting_asks_first_and_keeping_keeps() = runTest {
        val bed = bed(smol)
        bed.model.delete(bed.item("smollm2-135m-q4"))
        runCurrent()
        assertEquals("smollm2-135m-q4", bed.state.deleting?.name)
        bed.model.keep()
        runCurrent()
        assertNull(bed.state.deleting)
        assertEquals(1, bed.items().size)
    }

    @Test
    fun what_is_deleted_is_gone_from_list_settings_and_details() = runTest {
        val bed = bed(smol, pushed, used = smol)
        bed.model.open(bed.usable("smollm2-135m-q4").folder)
        runCurrent()
        assertTrue(bed.state.details is DetailsState.Open)
        bed.model.delete(bed.item("smollm2-135m-q4"))
        runCurrent()
        bed.model.confirmDelete()
        runCurrent()
        assertEquals(listOf("shakti-100m-q4"), bed.items().map { it.name })
        assertNull(bed.settings.settings.value.bundleFolder)
        assertEquals(DetailsState.Closed, bed.state.details)
        assertEquals(ModelsNotice.Deleted("smollm2-135m-q4"), bed.state.notice)
    }

    @Test
    fun the_one_that_answers_is_not_deleted_but_others_are() = runTest {
        val other = ready("other")
        val bed = bed(smol, other, used = smol)
        bed.answering.value = true
        runCurrent()
        bed.model.delete(bed.item("smollm2-135m-q4"))
        runCurrent()
        assertNull(bed.state.deleting)
        assertEquals(ModelsNotice.Busy(EngineUser.CHAT), bed.state.notice)
        bed.model.delete(bed.item("other"))
        runCurrent()
        assertEquals("other", bed.state.deleting?.name)
        bed.model.confirmDelete()
        runCurrent()
        assertEquals(listOf("smollm2-135m-q4"), bed.items().map { it.name })
    }

    @Test
    fun a_delete_that_fails_says_so_and_the_bundle_stays() = runTest {
        val bed = bed(smol, used = smol)
        bed.store.deleteFailure = AppFailure(FailureKind.FILE_UNREADABLE, "in use elsewhere")
        bed.model.delete(bed.item("smollm2-135m-q4"))
        runCurrent()
        bed.model.confirmDelete()
        runCurrent()
        val notice = bed.state.notice as ModelsNotice.NotDeleted
        assertEquals("in use elsewhere", notice.failure.message)
        assertTrue(bed.usable("smollm2-135m-q4").inUse)
    }

    @Test
    fun details_stay_open_over_a_refresh_and_close_when_the_bundle_is_gone() = runTest {
        val bed = bed(smol, pushed)
        bed.model.open(bed.usable("shakti-100m-q4").folder)
        bed.model.refresh()
        runCurrent()
        assertEquals("shakti-100m-q4", (bed.state.details as DetailsState.Open).item.name)
        bed.store.remove(pushed.folder)
        bed.model.refresh()
        runCurrent()
        assertEquals(DetailsState.Closed, bed.state.details)
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
