package io.shakti.demo.fakes

import io.shakti.demo.AppGraph
import io.shakti.demo.AppParts
import io.shakti.demo.ShaktiApp
import io.shakti.demo.bench.InAppBench
import io.shakti.demo.chat.ChatHistory
import java.util.concurrent.Executors
import kotlinx.coroutines.CoroutineDispatcher
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.asCoroutineDispatcher

/** Every part a fake with simple working logic; a test replaces what it is about. */
class TestGraph(
    override val engine: ScriptedEngine = ScriptedEngine(),
    override val bundles: FakeBundleStore = FakeBundleStore(FakeBundleStore.ready()),
    override val checker: FakeChecker = FakeChecker(),
    override val chats: ChatHistory = MemoryChats(),
    override val settings: MemorySettings = MemorySettings(),
    override val bench: InAppBench = ScriptedBench(),
    override val io: CoroutineDispatcher = Dispatchers.IO,
    override val engineThread: CoroutineDispatcher = engineThread(),
) : AppGraph

private fun engineThread() =
    Executors.newSingleThreadExecutor { Thread(it, "engine").apply { isDaemon = true } }
        .asCoroutineDispatcher()

/** The application as tests run it: all real but the graph, which a test may give beforehand. */
class TestApp : ShaktiApp() {
    var next: AppGraph = TestGraph()
    private var made: AppParts? = null

    override val parts: AppParts get() = made ?: AppParts(next).also { made = it }

    /** As if the process had been ended: what is made next is made anew, of [graph]. */
    fun die(graph: AppGraph) {
        next = graph
        made = null
    }
}
