package io.shakti.demo

import android.content.Context
import io.shakti.demo.bench.InAppBench
import io.shakti.demo.bench.localBench
import io.shakti.demo.bundle.BundleChecker
import io.shakti.demo.bundle.BundleStore
import io.shakti.demo.bundle.FileBundleStore
import io.shakti.demo.bundle.ThoroughBundleChecker
import io.shakti.demo.chat.ChatHistory
import io.shakti.demo.chat.FileChatHistory
import io.shakti.demo.engine.LlmEngine
import io.shakti.demo.engine.RuntimeEngine
import io.shakti.demo.runtime.RuntimeFlavour
import io.shakti.demo.settings.FileSettingsStore
import io.shakti.demo.settings.SettingsStore
import io.shakti.demo.tokenizer.readTokenizer
import java.io.File
import java.util.concurrent.Executors
import kotlinx.coroutines.CoroutineDispatcher
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.asCoroutineDispatcher

/** The app's parts on a phone: files in the app's own folders, programs on the built-in runtime. */
class AndroidGraph(private val context: Context) : AppGraph {
    private val files: File get() = context.filesDir
    private val loader by lazy { RuntimeFlavour.loader() }

    override val engine: LlmEngine by lazy { RuntimeEngine(loader) { readTokenizer(it) } }
    override val bundles: BundleStore by lazy {
        FileBundleStore(File(files, "bundles"), listOf(File(PUSHED)), externalRoots())
    }
    override val checker: BundleChecker by lazy { ThoroughBundleChecker(loader, ::readTokenizer) }
    override val chats: ChatHistory by lazy { FileChatHistory(File(files, "chats")) }
    override val settings: SettingsStore by lazy {
        FileSettingsStore(File(files, "settings.json"))
    }
    override val bench: InAppBench by lazy { localBench(context) { loader } }
    override val io: CoroutineDispatcher = Dispatchers.IO
    override val engineThread: CoroutineDispatcher by lazy {
        Executors.newSingleThreadExecutor { Thread(it, "engine") }.asCoroutineDispatcher()
    }

    /** Where a person can put a bundle from a computer; a card that is taken out has no folder. */
    private fun externalRoots(): List<File> =
        context.getExternalFilesDirs(null).filterNotNull().map { File(it, "bundles") }

    private companion object {
        /** Where the SDK pushes bundles over adb. */
        const val PUSHED = "/data/local/tmp/shakti/bundles"
    }
}
