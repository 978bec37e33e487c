package io.shakti.demo.chat

import io.shakti.demo.AppFailure
import io.shakti.demo.AppGraph
import io.shakti.demo.FailureKind
import io.shakti.demo.bundle.StoredBundle
import io.shakti.demo.engine.Answer
import io.shakti.demo.engine.AnswerListener
import io.shakti.demo.engine.AnswerStats
import io.shakti.demo.engine.ChatOptions
import io.shakti.demo.settings.Settings
import java.util.UUID
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.CoroutineStart
import kotlinx.coroutines.Job
import kotlinx.coroutines.flow.MutableStateFlow
import kotlinx.coroutines.flow.SharingStarted
import kotlinx.coroutines.flow.StateFlow
import kotlinx.coroutines.flow.asStateFlow
import kotlinx.coroutines.flow.distinctUntilChanged
import kotlinx.coroutines.flow.map
import kotlinx.coroutines.flow.stateIn
import kotlinx.coroutines.flow.update
import kotlinx.coroutines.launch
import kotlinx.coroutines.sync.Mutex
import kotlinx.coroutines.sync.withLock

/**
 * The one conversation that is open, with its model and the answer that is being written.
 *
 * It belongs to the application, so an answer goes on whatever becomes of the Activity. [scope] is
 * the application's, on the main thread, where all functions are called. [nowMs] is a wall clock.
 */
class ChatSession(
    private val graph: AppGraph,
    private val scope: CoroutineScope,
    private val archive: ChatArchive = ChatArchive(graph),
    private val memory: () -> Long? = ProcessMemory()::residentBytes,
    private val nowMs: () -> Long = System::currentTimeMillis,
) {
    private val states = MutableStateFlow<ChatState>(ChatState.Ready(ChatFacts(empty())))
    val state: StateFlow<ChatState> = states.asStateFlow()

    /** Whether the engine is the chat's now. */
    val answering: StateFlow<Boolean> =
        states.map { it.isBusy }.stateIn(scope, SharingStarted.Eagerly, false)

    private val model = ChatModel(graph)

    /**
     * Held by whatever changes the conversation, so that one change ends before the next begins.
     */
    private val changing = Mutex()
    private var running: Running? = null

    /** An answer under way. */
    private class Running(val job: Job) {
        @Volatile var isStopped = false
    }

    private val facts get() = states.value.facts

    init {
        scope.launch {
            graph.settings.settings
                .map { it.bundleFolder }
                .distinctUntilChanged()
                .collect { lookForModel() }
        }
    }

    /** Finds out which model would answer; call it when bundles may have come or gone. */
    suspend fun lookForModel() = changing.withLock {
        if (!states.value.isBusy) states.value = stateFor(model.chosen())
    }

    private fun stateFor(chosen: StoredBundle?): ChatState = when (chosen) {
        null -> ChatState.NoModel(facts.copy(model = null))
        is StoredBundle.Broken ->
            ChatState.BrokenModel(facts.copy(model = ModelFacts(chosen.folder.name)), chosen.failure)
        is StoredBundle.Ready -> {
            val name = chosen.bundle.manifest.name
            val known = facts.model?.takeIf { it.name == name }
            val next = facts.copy(model = known ?: ModelFacts(name))
            val now = states.value
            if (now is ChatState.Failed) now.copy(facts = next) else ChatState.Ready(next)
        }
    }

    /** Asks [text]; with [replacing] the question there and all that followed it go. */
    fun ask(text: String, replacing: Int? = null) = change {
        val before = facts.conversation
        start((if (replacing == null) before else before.before(replacing)).ask(text))
    }

    /** Answers the last question anew. */
    fun retry() = change {
        val question = facts.conversation.withoutLastAnswer()
        if (question.isWaiting) start(question)
    }

    /** Ends the answer within a token, the reading within a chunk. What was said stays. */
    fun stop() {
        running?.isStopped = true
        model.stop()
    }

    fun newChat() = change { show(empty()) }

    /** Opens the chat [id], empty where none is kept by that id. The open one stays as it is. */
    fun open(id: String) {
        if (facts.conversation.id == id) return
        change { show(archive.load(id)?.let(Conversation::of) ?: Conversation(id)) }
    }

    /** Deletes a kept chat and returns it, for second thoughts. */
    suspend fun delete(id: String): StoredChat? = changing.withLock {
        if (facts.conversation.id == id) {
            leave()
            show(empty())
        }
        archive.load(id)?.also { archive.delete(id) }
    }

    /** Closes the model, for another's use of the engine. An answer under way is stopped. */
    suspend fun release() = changing.withLock {
        leave()
        closeModel(ModelFacts.Loading.NOT_YET)
    }

    /** Gives the model's memory back to the phone, unless it is answering. */
    fun trimMemory() {
        if (states.value.isBusy) return
        scope.launch {
            changing.withLock {
                if (!states.value.isBusy) closeModel(ModelFacts.Loading.PUT_AWAY)
            }
        }
    }

    private suspend fun closeModel(loading: ModelFacts.Loading) {
        if (model.close()) update { copy(model = model?.copy(loading = loading)) }
    }

    private fun change(block: suspend () -> Unit) {
        scope.launch {
            changing.withLock {
                leave()
                block()
            }
        }
    }

    /** Waits for the end of the answer under way, which is stopped. */
    private suspend fun leave() {
        val current = running ?: return
        stop()
        current.job.join()
    }

    private suspend fun show(conversation: Conversation) {
        val next = facts.copy(
            conversation = conversation,
            stats = null,
            droppedTurns = 0,
            unsaved = null,
            model = facts.model?.copy(usedTokens = 0),
        )
        states.value = ChatState.Ready(next)
        states.value = stateFor(model.chosen())
    }

    private fun start(conversation: Conversation) {
        val next = facts.copy(conversation = conversation, stats = null, droppedTurns = 0)
        states.value = ChatState.LoadingModel(next)
        val job = scope.launch(start = CoroutineStart.LAZY) { answer(conversation) }
        running = Running(job)
        job.invokeOnCompletion { if (running?.job == job) running = null }
        job.start()
    }

    private suspend fun answer(conversation: Conversation) {
        val run = checkNotNull(running)
        val settings = graph.settings.settings.value
        val listener = Listener(conversation, run)
        save(conversation.copy(ending = Ending.CUT_SHORT))
        try {
            val opened = model.open(settings.threads)
            update { copy(model = opened) }
            if (run.isStopped) return end(conversation.answered("", Ending.STOPPED), null)
            val answer = model.answer(conversation.prompt, settings.options(), listener)
            end(conversation.answered(answer.text, Ending.of(answer.finish)), answer)
        } catch (failure: AppFailure) {
            fail(conversation, listener.said(), failure)
        }
    }

    private suspend fun end(conversation: Conversation, answer: Answer?) {
        val next = facts.copy(
            conversation = conversation,
            stats = answer?.stats ?: facts.stats,
            droppedTurns = answer?.droppedTurns ?: 0,
            memoryBytes = memory(),
            model = facts.model?.copy(usedTokens = model.usedTokens),
        )
        save(conversation)
        states.value = ChatState.Ready(next.copy(unsaved = facts.unsaved))
    }

    /** What was said before the failure is kept, marked as cut short. */
    private suspend fun fail(asked: Conversation, said: String, failure: AppFailure) {
        val conversation = if (said.isEmpty()) asked else asked.answered(said, Ending.CUT_SHORT)
        save(conversation)
        if (failure.kind in LASTING) model.close()
        val loading =
            if (model.isOpen) ModelFacts.Loading.LOADED else ModelFacts.Loading.NOT_YET
        val shown = facts.model?.copy(loading = loading)
        val next = facts.copy(conversation = conversation, model = shown)
        states.value = ChatState.Failed(next, failure)
    }

    private suspend fun save(conversation: Conversation) {
        val name = facts.model?.name.orEmpty()
        val failure = archive.save(conversation.stored(nowMs(), name))
        update { copy(unsaved = failure) }
    }

    private inline fun update(crossinline change: ChatFacts.() -> ChatFacts) =
        states.update { it.with(it.facts.change()) }

    /** Follows the answer on the engine's thread. */
    private inner class Listener(private val asked: Conversation, private val run: Running) :
        AnswerListener {
        private val text = StringBuffer()
        private val saves = RateLimit(SAVE_EVERY_MS, nowMs)
        private val measures = RateLimit(MEASURE_EVERY_MS, nowMs)

        fun said(): String = text.toString()

        override fun onPrefill(done: Int, total: Int) {
            if (run.isStopped) model.stop()
            states.update {
                val model = it.facts.model?.copy(usedTokens = done)
                ChatState.Prefilling(it.facts.copy(model = model), done, total)
            }
        }

        override fun onText(piece: String, stats: AnswerStats) {
            if (run.isStopped) model.stop()
            text.append(piece)
            val bytes = if (measures.allows()) memory() else null
            states.update { ChatState.Answering(it.facts.during(stats, bytes), said()) }
            if (saves.allows()) scope.launch { saveSoFar() }
        }

        private fun ChatFacts.during(stats: AnswerStats, bytes: Long?) = copy(
            stats = stats,
            memoryBytes = bytes ?: memoryBytes,
            model = model?.copy(usedTokens = this@ChatSession.model.usedTokens),
        )

        private suspend fun saveSoFar() {
            if (states.value is ChatState.Answering) save(asked.answered(said(), Ending.CUT_SHORT))
        }
    }

    private companion object {
        /** What a lost process may cost of an answer. */
        const val SAVE_EVERY_MS = 2000L
        const val MEASURE_EVERY_MS = 1000L

        /** After these a session is of no more use. */
        val LASTING = setOf(FailureKind.RUNTIME_FAILED, FailureKind.OUT_OF_MEMORY)

        fun empty() = Conversation(UUID.randomUUID().toString())

        fun Settings.options() = ChatOptions(
            system = systemPrompt,
            temperature = temperature,
            maxTokens = maxTokens,
            contextTokens = contextTokens,
        )
    }
}
