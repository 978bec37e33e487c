package io.shakti.demo.ui

import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.flow.MutableStateFlow
import kotlinx.coroutines.flow.SharingStarted
import kotlinx.coroutines.flow.StateFlow
import kotlinx.coroutines.flow.combine
import kotlinx.coroutines.flow.stateIn

/** Who may have the engine besides the chat. */
enum class EngineUser { CHAT, CHECK, BENCHMARK }

/**
 * Who has the engine now: one at a time, because two would share its thread and its memory, and the
 * benchmark's numbers would be wrong.
 *
 * [answering] is the chat's own state; the others ask with [take] and give back with [release].
 * [putAway] closes the model that the chat has open.
 */
class EngineUse(
    private val answering: StateFlow<Boolean>,
    scope: CoroutineScope,
    private val putAway: suspend () -> Unit = {},
) {
    private val taken = MutableStateFlow<EngineUser?>(null)

    val user: StateFlow<EngineUser?> =
        combine(answering, taken) { _, _ -> current() }
            .stateIn(scope, SharingStarted.Eagerly, current())

    /** Whether [user] has the engine from now on. */
    fun take(user: EngineUser): Boolean = !answering.value && taken.compareAndSet(null, user)

    fun release(user: EngineUser) {
        taken.compareAndSet(user, null)
    }

    /** Frees the memory of the chat's model; the next question opens it again. */
    suspend fun makeRoom() {
        if (!answering.value) putAway()
    }

    private fun current(): EngineUser? = if (answering.value) EngineUser.CHAT else taken.value
}
