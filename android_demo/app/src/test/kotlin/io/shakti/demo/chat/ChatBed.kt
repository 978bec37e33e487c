package io.shakti.demo.chat

import io.shakti.demo.engine.Role
import io.shakti.demo.fakes.FakeBundleStore
import io.shakti.demo.fakes.MemoryChats
import io.shakti.demo.fakes.MemorySettings
import io.shakti.demo.fakes.ScriptedEngine
import io.shakti.demo.fakes.TestGraph
import kotlinx.coroutines.ExperimentalCoroutinesApi
import kotlinx.coroutines.test.StandardTestDispatcher
import kotlinx.coroutines.test.TestScope
import kotlinx.coroutines.test.currentTime
import kotlinx.coroutines.test.runCurrent

/** A chat session in the test's own time, all on one thread: the engine's steps come in between. */
@OptIn(ExperimentalCoroutinesApi::class)
class ChatBed(
    private val scope: TestScope,
    val engine: ScriptedEngine = ScriptedEngine(),
    val bundles: FakeBundleStore = FakeBundleStore(FakeBundleStore.ready()),
    val chats: MemoryChats = MemoryChats(),
    val settings: MemorySettings = MemorySettings(),
) {
    private val dispatcher = StandardTestDispatcher(scope.testScheduler)
    val graph = TestGraph(
        engine = engine,
        bundles = bundles,
        chats = chats,
        settings = settings,
        io = dispatcher,
        engineThread = dispatcher,
    )
    val archive = ChatArchive(graph)
    val session = ChatSession(graph, scope.backgroundScope, archive, { MEMORY }, { scope.currentTime })
    val state get() = session.state.value
    val conversation get() = state.facts.conversation
    val said get() = conversation.turns.map { it.text }
    val lastAnswer get() = conversation.turns.last { it.role == Role.ASSISTANT }.text

    init {
        scope.runCurrent()
    }

    fun ask(text: String, replacing: Int? = null) {
        session.ask(text, replacing)
        scope.runCurrent()
    }

    companion object {
        const val MEMORY = 412_000_000L
    }
}
