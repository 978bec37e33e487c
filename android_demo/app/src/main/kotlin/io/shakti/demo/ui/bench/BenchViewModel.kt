package io.shakti.demo.ui.bench

import io.shakti.demo.AppFailure
import io.shakti.demo.bench.BenchOutcome
import io.shakti.demo.bench.BenchProgress
import io.shakti.demo.bench.InAppBench
import io.shakti.demo.bundle.Bundle
import io.shakti.demo.ui.EngineUse
import io.shakti.demo.ui.EngineUser
import kotlinx.coroutines.CoroutineDispatcher
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.flow.Flow
import kotlinx.coroutines.flow.MutableStateFlow
import kotlinx.coroutines.flow.SharingStarted
import kotlinx.coroutines.flow.StateFlow
import kotlinx.coroutines.flow.combine
import kotlinx.coroutines.flow.map
import kotlinx.coroutines.flow.stateIn
import kotlinx.coroutines.flow.update
import kotlinx.coroutines.isActive
import kotlinx.coroutines.launch
import kotlinx.coroutines.withContext

sealed interface BenchState {
    data object Loading : BenchState

    /** No model is in use. */
    data object NoModel : BenchState

    /** [otherUser] has the engine, so that a run would have to wait; null: it can start. */
    data class Idle(val modelName: String, val otherUser: EngineUser?) : BenchState

    /** [progress] is null until the program is opened. */
    data class Running(
        val modelName: String,
        val quick: Boolean,
        val progress: BenchProgress?,
        val cancelling: Boolean = false,
    ) : BenchState

    /** [canRepeat]: the engine is free and a model in use. */
    data class Done(val modelName: String, val outcome: BenchOutcome, val canRepeat: Boolean) :
        BenchState

    data class Failed(val modelName: String, val failure: AppFailure, val canRepeat: Boolean) :
        BenchState

    /** The screen is kept on and the engine is the benchmark's. */
    val active: Boolean get() = this is Running
}

/** One benchmark at a time; it goes on while the screen turns or another one is shown. */
class BenchViewModel(
    private val bench: InAppBench,
    bundle: Flow<Bundle?>,
    private val engine: EngineUse,
    private val scope: CoroutineScope,
    private val engineThread: CoroutineDispatcher,
) {
    /** The run and what came of it; null before the first one or when it was put away. */
    private val run = MutableStateFlow<BenchState?>(null)

    private sealed interface InUse {
        data object Unknown : InUse

        data class Known(val bundle: Bundle?) : InUse
    }

    private val inUse: StateFlow<InUse> =
        bundle.map { InUse.Known(it) }
            .stateIn(scope, SharingStarted.Eagerly, InUse.Unknown)

    val state: StateFlow<BenchState> =
        combine(run, inUse, engine.user) { run, inUse, user ->
                val canRepeat = user == null && (inUse as? InUse.Known)?.bundle != null
                when (run) {
                    is BenchState.Done -> run.copy(canRepeat = canRepeat)
                    is BenchState.Failed -> run.copy(canRepeat = canRepeat)
                    null -> idle(inUse, user)
                    else -> run
                }
            }
            .stateIn(scope, SharingStarted.Eagerly, BenchState.Loading)

    @Volatile private var cancelled = false

    /** Does nothing where [state] says that it cannot start. */
    fun start(quick: Boolean) {
        val bundle = (inUse.value as? InUse.Known)?.bundle ?: return
        if (run.value?.active == true || !engine.take(EngineUser.BENCHMARK)) return
        cancelled = false
        val name = bundle.manifest.name
        run.value = BenchState.Running(name, quick, progress = null)
        scope.launch {
            val end =
                try {
                    engine.makeRoom()
                    val outcome =
                        withContext(engineThread) {
                            bench.run(bundle, quick, ::show, cancelled = { cancelled || !isActive })
                        }
                    outcome?.let { BenchState.Done(name, it, canRepeat = false) }
                } catch (failure: AppFailure) {
                    BenchState.Failed(name, failure, canRepeat = false)
                } finally {
                    engine.release(EngineUser.BENCHMARK)
                }
            run.value = end
        }
    }

    fun cancel() {
        cancelled = true
        run.update { if (it is BenchState.Running) it.copy(cancelling = true) else it }
    }

    /** Puts the last result away. */
    fun dismiss() = run.update { it?.takeIf(BenchState::active) }

    private fun show(progress: BenchProgress) {
        run.update { if (it is BenchState.Running) it.copy(progress = progress) else it }
    }

    private fun idle(inUse: InUse, user: EngineUser?): BenchState =
        when (inUse) {
            InUse.Unknown -> BenchState.Loading
            is InUse.Known ->
                inUse.bundle?.let { BenchState.Idle(it.manifest.name, user) } ?: BenchState.NoModel
        }
}
