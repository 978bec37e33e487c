package io.shakti.demo.ui.bench

import io.shakti.demo.AppFailure
import io.shakti.demo.FailureKind
import io.shakti.demo.bundle.Bundle
import io.shakti.demo.fakes.ScriptedBench
import io.shakti.demo.fakes.scriptedBundle
import io.shakti.demo.ui.EngineUse
import io.shakti.demo.ui.EngineUser
import kotlinx.coroutines.ExperimentalCoroutinesApi
import kotlinx.coroutines.flow.MutableSharedFlow
import kotlinx.coroutines.flow.MutableStateFlow
import kotlinx.coroutines.test.StandardTestDispatcher
import kotlinx.coroutines.test.TestScope
import kotlinx.coroutines.test.runCurrent
import kotlinx.coroutines.test.runTest
import org.junit.Assert.assertEquals
import org.junit.Assert.assertFalse
import org.junit.Assert.assertSame
import org.junit.Assert.assertTrue
import org.junit.Test

@OptIn(ExperimentalCoroutinesApi::class)
class BenchViewModelTest {
    private class Screen(scope: TestScope, bundle: Bundle?) {
        val bench = ScriptedBench()
        val answering = MutableStateFlow(false)
        val bundle = MutableStateFlow(bundle)
        val engine = EngineUse(answering, scope.backgroundScope)
        val model =
            BenchViewModel(
                bench,
                this.bundle,
                engine,
                scope.backgroundScope,
                StandardTestDispatcher(scope.testScheduler),
            )
        val state: BenchState get() = model.state.value
    }

    private fun TestScope.screen(bundle: Bundle? = scriptedBundle()) =
        Screen(this, bundle).also { runCurrent() }

    @Test
    fun before_the_bundle_is_known_it_loads() = runTest {
        val engine = EngineUse(MutableStateFlow(false), backgroundScope)
        val worker = StandardTestDispatcher(testScheduler)
        val nothingYet = MutableSharedFlow<Bundle?>()
        val model = BenchViewModel(ScriptedBench(), nothingYet, engine, backgroundScope, worker)
        runCurrent()
        assertEquals(BenchState.Loading, model.state.value)
    }

    @Test
    fun without_a_model_nothing_starts() = runTest {
        val screen = screen(bundle = null)
        assertEquals(BenchState.NoModel, screen.state)
        screen.model.start(quick = true)
        runCurrent()
        assertTrue(screen.bench.runs.isEmpty())
    }

    @Test
    fun results_come_case_by_case_and_then_the_outcome() = runTest {
        val screen = screen()
        val seen = mutableListOf<Pair<String, Int>>()
        screen.bench.beforeCase = {
            runCurrent()
            val progress = (screen.state as BenchState.Running).progress!!
            seen += progress.now to progress.rows.size
            assertFalse(screen.engine.take(EngineUser.CHECK))
        }
        screen.model.start(quick = false)
        runCurrent()
        assertEquals(
            listOf("load", "prefill-128", "prefill-512", "ttft-128", "decode-128").zip(0..4),
            seen,
        )
        val done = screen.state as BenchState.Done
        assertSame(screen.bench.outcome, done.outcome)
        assertTrue(done.canRepeat)
        assertFalse(screen.bench.runs.single().quick)
    }

    @Test
    fun a_cancelled_run_says_so_and_leaves_no_result() = runTest {
        val screen = screen()
        var cancelling = false
        screen.bench.beforeCase = {
            if (it == 2) {
                screen.model.cancel()
                runCurrent()
                cancelling = (screen.state as BenchState.Running).cancelling
            }
        }
        screen.model.start(quick = true)
        runCurrent()
        assertTrue(cancelling)
        assertEquals(BenchState.Idle("scripted-1m-q4", null), screen.state)
        assertTrue(screen.engine.take(EngineUser.CHECK))
    }

    @Test
    fun a_run_that_fails_says_why_and_can_be_repeated() = runTest {
        val screen = screen()
        screen.bench.failure = AppFailure(FailureKind.GOLDEN_MISMATCH, "2 of 3 prompts differ")
        screen.model.start(quick = true)
        runCurrent()
        val failed = screen.state as BenchState.Failed
        assertEquals(FailureKind.GOLDEN_MISMATCH, failed.failure.kind)
        assertTrue(failed.canRepeat)
        screen.bench.failure = null
        screen.model.start(quick = true)
        runCurrent()
        assertTrue(screen.state is BenchState.Done)
    }

    @Test
    fun while_the_chat_answers_it_does_not_start() = runTest {
        val screen = screen()
        screen.answering.value = true
        runCurrent()
        assertEquals(BenchState.Idle("scripted-1m-q4", EngineUser.CHAT), screen.state)
        screen.model.start(quick = true)
        runCurrent()
        assertTrue(screen.bench.runs.isEmpty())
        screen.answering.value = false
        runCurrent()
        assertEquals(BenchState.Idle("scripted-1m-q4", null), screen.state)
    }

    @Test
    fun a_result_stays_when_the_model_goes_but_cannot_be_repeated() = runTest {
        val screen = screen()
        screen.model.start(quick = true)
        runCurrent()
        screen.bundle.value = null
        runCurrent()
        assertFalse((screen.state as BenchState.Done).canRepeat)
        screen.model.dismiss()
        runCurrent()
        assertEquals(BenchState.NoModel, screen.state)
    }
}
