package io.shakti.demo

import io.shakti.demo.bench.InAppBench
import io.shakti.demo.bundle.BundleChecker
import io.shakti.demo.bundle.BundleStore
import io.shakti.demo.chat.ChatHistory
import io.shakti.demo.engine.LlmEngine
import io.shakti.demo.settings.SettingsStore
import kotlinx.coroutines.CoroutineDispatcher

/**
 * Everything that the screens need from elsewhere: made once by the application, faked by tests.
 */
interface AppGraph {
    val engine: LlmEngine
    val bundles: BundleStore
    val checker: BundleChecker
    val chats: ChatHistory
    val settings: SettingsStore
    val bench: InAppBench

    /** For blocking work other than the engine's. */
    val io: CoroutineDispatcher

    /** The one thread that the engine's programs belong to. */
    val engineThread: CoroutineDispatcher
}
