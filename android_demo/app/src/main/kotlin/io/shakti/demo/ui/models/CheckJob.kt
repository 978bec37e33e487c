package io.shakti.demo.ui.models

import io.shakti.demo.AppFailure
import io.shakti.demo.bundle.Bundle
import io.shakti.demo.bundle.BundleChecker
import io.shakti.demo.bundle.CheckResult
import io.shakti.demo.bundle.CheckStatus
import io.shakti.demo.ui.EngineUse
import io.shakti.demo.ui.EngineUser
import java.io.File
import kotlinx.coroutines.CoroutineDispatcher
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.flow.MutableStateFlow
import kotlinx.coroutines.flow.StateFlow
import kotlinx.coroutines.flow.asStateFlow
import kotlinx.coroutines.flow.update
import kotlinx.coroutines.isActive
import kotlinx.coroutines.launch
import kotlinx.coroutines.withContext

sealed interface CheckState {
    data object Idle : CheckState

    /** [share]: 0 to 1. */
    data class Running(val folder: File, val share: Double) : CheckState

    data class Cancelling(val folder: File) : CheckState

    data class Done(val folder: File, val results: List<CheckResult>) : CheckState {
        val passed: Boolean get() = results.none { it.status == CheckStatus.FAIL }
    }

    /** The check itself could not be done. */
    data class Failed(val folder: File, val failure: AppFailure) : CheckState

    /** The bundle that this is about; null for none. */
    val subject: File?
        get() =
            when (this) {
                Idle -> null
                is Running -> folder
                is Cancelling -> folder
                is Done -> folder
                is Failed -> folder
            }

    val active: Boolean get() = this is Running || this is Cancelling
}

/** Checks one bundle at a time, on the engine's thread, for as long as the app lives. */
class CheckJob(
    private val checker: BundleChecker,
    private val engine: EngineUse,
    private val scope: CoroutineScope,
    private val engineThread: CoroutineDispatcher,
) {
    private val mutableState = MutableStateFlow<CheckState>(CheckState.Idle)
    val state: StateFlow<CheckState> = mutableState.asStateFlow()

    @Volatile private var cancelled = false

    /** False if someone else has the engine. */
    fun start(bundle: Bundle): Boolean {
        if (state.value.active || !engine.take(EngineUser.CHECK)) return false
        cancelled = false
        mutableState.value = CheckState.Running(bundle.folder, 0.0)
        scope.launch {
            val end =
                try {
                    engine.makeRoom()
                    val results =
                        withContext(engineThread) {
                            checker.check(bundle, ::show, cancelled = { cancelled || !isActive })
                        }
                    results?.let { CheckState.Done(bundle.folder, it) } ?: CheckState.Idle
                } catch (failure: AppFailure) {
                    CheckState.Failed(bundle.folder, failure)
                } finally {
                    engine.release(EngineUser.CHECK)
                }
            mutableState.value = end
        }
        return true
    }

    fun cancel() {
        cancelled = true
        mutableState.update {
            if (it is CheckState.Running) CheckState.Cancelling(it.folder) else it
        }
    }

    /** Puts the last result away. */
    fun dismiss() {
        mutableState.update { if (it.active) it else CheckState.Idle }
    }

    private fun show(share: Double) {
        mutableState.update { if (it is CheckState.Running) it.copy(share = share) else it }
    }
}
