package io.shakti.demo.ui.models

import io.shakti.demo.AppFailure
import io.shakti.demo.FailureKind
import io.shakti.demo.bundle.BundleStore
import io.shakti.demo.bundle.StoredBundle
import java.io.IOException
import java.io.InputStream
import kotlin.time.Duration
import kotlin.time.Duration.Companion.milliseconds
import kotlin.time.Duration.Companion.seconds
import kotlin.time.TimeSource
import kotlinx.coroutines.CoroutineDispatcher
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.flow.MutableStateFlow
import kotlinx.coroutines.flow.StateFlow
import kotlinx.coroutines.flow.asStateFlow
import kotlinx.coroutines.flow.update
import kotlinx.coroutines.launch
import kotlinx.coroutines.withContext

/** A zip that a person picked. */
interface PickedFile {
    /** Name for people, such as the file's. */
    val name: String

    /** Null where the provider does not say. */
    val sizeBytes: Long?

    /** Throws AppFailure (FILE_UNREADABLE). */
    fun open(): InputStream
}

sealed interface ImportState {
    data object Idle : ImportState

    /** Bytes are read and verified as they come; [bytesPerS] is null until it is known. */
    data class Running(
        val name: String,
        val doneBytes: Long,
        val totalBytes: Long?,
        val bytesPerS: Double?,
    ) : ImportState {
        /** 0 to 1; null where the size is not known. */
        val share: Double?
            get() {
                val total = totalBytes?.takeIf { it > 0 } ?: return null
                return (doneBytes.toDouble() / total).coerceIn(0.0, 1.0)
            }

        val remaining: Duration?
            get() {
                val rate = bytesPerS?.takeIf { it > 0 } ?: return null
                val total = totalBytes ?: return null
                return ((total - doneBytes).coerceAtLeast(0) / rate).seconds
            }
    }

    data class Cancelling(val name: String) : ImportState

    /** [bundle] is in the list; [nowUsed] if chats use it from now on, as there was none before. */
    data class Done(val bundle: StoredBundle.Ready, val nowUsed: Boolean) : ImportState

    /** [missingBytes]: for STORAGE_FULL, what has to be freed before it fits, where it is known. */
    data class Failed(val name: String, val failure: AppFailure, val missingBytes: Long?) :
        ImportState
}

/**
 * Takes in one zip at a time. It belongs to the app, not to a screen, so that an import goes on
 * while the screen turns or another one is shown.
 *
 * [freeBytes]: of the storage that the bundles go to.
 */
class ImportJob(
    private val store: BundleStore,
    private val freeBytes: () -> Long,
    private val scope: CoroutineScope,
    private val io: CoroutineDispatcher,
    private val time: TimeSource.WithComparableMarks = TimeSource.Monotonic,
) {
    private val mutableState = MutableStateFlow<ImportState>(ImportState.Idle)
    val state: StateFlow<ImportState> = mutableState.asStateFlow()

    @Volatile private var cancelled = false
    private var last: PickedFile? = null

    /** [finished] is called on the scope's thread; it says whether chats use the bundle now. */
    fun start(source: PickedFile, finished: suspend (StoredBundle.Ready) -> Boolean) {
        when (state.value) {
            is ImportState.Running,
            is ImportState.Cancelling -> return
            else -> Unit
        }
        cancelled = false
        last = source
        mutableState.value = ImportState.Running(source.name, 0, source.sizeBytes, null)
        scope.launch {
            mutableState.value =
                try {
                    when (val stored = withContext(io) { read(source) }) {
                        null -> ImportState.Idle
                        is StoredBundle.Ready -> ImportState.Done(stored, finished(stored))
                        is StoredBundle.Broken -> failed(source, stored.failure)
                    }
                } catch (failure: AppFailure) {
                    failed(source, failure)
                }
        }
    }

    /** The same zip once more, after it failed. */
    fun retry(finished: suspend (StoredBundle.Ready) -> Boolean) {
        if (state.value is ImportState.Failed) last?.let { start(it, finished) }
    }

    fun cancel() {
        if (state.value !is ImportState.Running) return
        cancelled = true
        mutableState.update {
            if (it is ImportState.Running) ImportState.Cancelling(it.name) else it
        }
    }

    /** Puts the result of the last import away. */
    fun dismiss() {
        mutableState.update {
            if (it is ImportState.Done || it is ImportState.Failed) ImportState.Idle else it
        }
    }

    private fun read(source: PickedFile): StoredBundle? {
        val meter = RateMeter(time)
        val shown = Throttle(time, SHOW_EVERY)
        try {
            return source.open().use { stream ->
                store.import(
                    stream,
                    source.sizeBytes,
                    progress = { bytes ->
                        if (shown.due()) show(bytes, meter.bytesPerS(bytes))
                    },
                    cancelled = { cancelled },
                )
            }
        } catch (broken: IOException) {
            val why = broken.message ?: broken.javaClass.simpleName
            throw AppFailure(FailureKind.FILE_UNREADABLE, "${source.name}: $why", broken)
        }
    }

    private fun show(bytes: Long, bytesPerS: Double?) {
        mutableState.update {
            if (it is ImportState.Running) it.copy(doneBytes = bytes, bytesPerS = bytesPerS) else it
        }
    }

    private fun failed(source: PickedFile, failure: AppFailure): ImportState.Failed {
        val missing =
            source.sizeBytes
                ?.takeIf { failure.kind == FailureKind.STORAGE_FULL }
                ?.let { (it - freeBytes()).takeIf { bytes -> bytes > 0 } }
        return ImportState.Failed(source.name, failure, missing)
    }

    private companion object {
        val SHOW_EVERY = 100.milliseconds
    }
}

/** Lets something through at most once every [every]. */
internal class Throttle(
    private val time: TimeSource.WithComparableMarks,
    private val every: Duration,
) {
    private var last: kotlin.time.ComparableTimeMark? = null

    fun due(): Boolean {
        val now = time.markNow()
        if (last?.let { now - it < every } == true) return false
        last = now
        return true
    }
}
