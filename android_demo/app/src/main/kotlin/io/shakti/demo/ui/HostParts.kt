package io.shakti.demo.ui

import io.shakti.demo.ShaktiApp
import io.shakti.demo.bundle.Bundle
import io.shakti.demo.ui.settings.bundleInUse
import io.shakti.demo.ui.shell.ScreenHost
import kotlinx.coroutines.flow.Flow

/** What several screens share. */
fun ScreenHost.engineUse(): EngineUse = (activity.application as ShaktiApp).engineUse

fun ScreenHost.bundleInUse(): Flow<Bundle?> = bundleInUse(graph.settings, graph.bundles, graph.io)
