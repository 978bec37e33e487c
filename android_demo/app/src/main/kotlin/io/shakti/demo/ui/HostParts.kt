package io.shakti.demo.ui

import io.shakti.demo.ShaktiApp
import io.shakti.demo.bundle.Bundle
import io.shakti.demo.bundle.BundleStore
import io.shakti.demo.bundle.StoredBundle
import io.shakti.demo.settings.SettingsStore
import io.shakti.demo.ui.shell.ScreenHost
import java.io.File
import kotlinx.coroutines.CoroutineDispatcher
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.CoroutineStart
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.awaitCancellation
import kotlinx.coroutines.flow.Flow
import kotlinx.coroutines.flow.MutableStateFlow
import kotlinx.coroutines.flow.combine
import kotlinx.coroutines.flow.conflate
import kotlinx.coroutines.flow.distinctUntilChanged
import kotlinx.coroutines.flow.flowOn
import kotlinx.coroutines.flow.map
import kotlinx.coroutines.flow.update
import kotlinx.coroutines.launch

/** Who has the engine; the same for all screens. */
fun ScreenHost.engineUse(): EngineUse = (activity.application as ShaktiApp).engineUse

/** That bundles may have come or gone, for whoever shows something of the one in use. */
class BundleChanges {
    private val count = MutableStateFlow(0)
    val counted: Flow<Int> = count

    fun tell() = count.update { it + 1 }
}

fun ScreenHost.bundleChanges(): BundleChanges = retained("bundle changes") { BundleChanges() }

fun ScreenHost.bundleInUse(): Flow<Bundle?> =
    bundleInUse(graph.settings, graph.bundles, bundleChanges(), graph.io)

/** The bundle that chats use, read anew with every change of the settings or the bundles. */
fun bundleInUse(
    settings: SettingsStore,
    store: BundleStore,
    changes: BundleChanges,
    io: CoroutineDispatcher,
): Flow<Bundle?> =
    settings.settings
        .map { it.bundleFolder }
        .distinctUntilChanged()
        .combine(changes.counted) { folder, _ -> folder }
        .conflate()
        .map { folder ->
            val stored =
                if (folder != null) store.at(File(folder)) else store.list().firstReady()
            (stored as? StoredBundle.Ready)?.bundle
        }
        .flowOn(io)

/** What is used while a person has not chosen. */
fun List<StoredBundle>.firstReady(): StoredBundle.Ready? =
    firstNotNullOfOrNull { it as? StoredBundle.Ready }

/** Runs [block] on the main thread the moment that this scope ends there, not some time later. */
fun CoroutineScope.atEnd(block: () -> Unit) {
    launch(Dispatchers.Main.immediate, CoroutineStart.UNDISPATCHED) {
        try {
            awaitCancellation()
        } finally {
            block()
        }
    }
}
