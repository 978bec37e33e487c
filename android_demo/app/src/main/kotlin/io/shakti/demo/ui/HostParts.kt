package io.shakti.demo.ui

import io.shakti.demo.bundle.Bundle
import io.shakti.demo.ui.settings.bundleInUse
import io.shakti.demo.ui.shell.ScreenHost
import kotlinx.coroutines.flow.Flow
import kotlinx.coroutines.flow.MutableStateFlow

/** What several screens share; each is made once for as long as the app is used. */
fun ScreenHost.engineUse(): EngineUse =
    retained("engine use") { scope -> EngineUse(MutableStateFlow(false), scope) }

fun ScreenHost.bundleInUse(): Flow<Bundle?> = bundleInUse(graph.settings, graph.bundles, graph.io)
