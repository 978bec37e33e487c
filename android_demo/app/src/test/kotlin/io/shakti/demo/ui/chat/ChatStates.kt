package io.shakti.demo.ui.chat

import io.shakti.demo.AppFailure
import io.shakti.demo.FailureKind
import io.shakti.demo.chat.ChatFacts
import io.shakti.demo.chat.ChatScreenState
import io.shakti.demo.chat.ChatState
import io.shakti.demo.chat.ChatSummary
import io.shakti.demo.chat.Conversation
import io.shakti.demo.chat.Draft
import io.shakti.demo.chat.Ending
import io.shakti.demo.chat.History
import io.shakti.demo.chat.ModelFacts
import io.shakti.demo.chat.StoredChat
import io.shakti.demo.engine.AnswerStats
import io.shakti.demo.engine.Role
import io.shakti.demo.engine.Turn

/** Named states of the chat screen, as tests and stored images use them. */
object ChatStates {
    private const val QUESTION = "Why is the sky blue, and why are sunsets red?"

    const val ANSWER =
        "Sunlight holds **all colours**, and air scatters the short waves most. This is called " +
            "*Rayleigh scattering*.\n\n## By day\nBlue light reaches your eyes from every side:\n" +
            "- it is scattered about `4` times as much as red\n- violet is scattered more still, " +
            "but eyes see little of it\n\n## At sunset\nThe light comes a long way through the air, " +
            "so most of the blue is gone.\n\n```python\nblue, red = 450, 650  # nm\nprint((red / " +
            "blue) ** 4)\n```\nThat prints about 4.4."

    private val stats = AnswerStats(412, 380, 96, 412.0, 301.0, 38.4)
    private val loaded =
        ModelFacts("SmolLM2-135M-Instruct", ModelFacts.Loading.LOADED, 2048, 512)

    private val exchange = listOf(Turn(Role.USER, QUESTION), Turn(Role.ASSISTANT, ANSWER))

    private fun facts(
        turns: List<Turn> = exchange,
        ending: Ending = Ending.WHOLE,
        model: ModelFacts? = loaded,
    ) = ChatFacts(Conversation("open", turns, ending), model, stats, 412_000_000)

    private val fresh = ChatFacts(Conversation("open"), ModelFacts("SmolLM2-135M-Instruct"))

    private fun failed(kind: FailureKind, detail: String) = ChatScreenState(
        ChatState.Failed(facts(exchange.take(1)), AppFailure(kind, detail)),
    )

    fun failed(kind: FailureKind) = failed(kind, "scripted: $kind")

    private val chats = History(
        listOf(
            ChatSummary("open", QUESTION, System.currentTimeMillis() - 5 * 60_000),
            ChatSummary("b", "A letter to my landlord", System.currentTimeMillis() - 3 * 3_600_000),
            ChatSummary("c", "Ideas for a birthday", System.currentTimeMillis() - 49 * 3_600_000),
        ),
        isOpen = true,
    )

    val ALL: Map<String, ChatScreenState> = mapOf(
        "no-model" to ChatScreenState(ChatState.NoModel(fresh.copy(model = null))),
        "start" to ChatScreenState(ChatState.Ready(fresh)),
        "loading" to ChatScreenState(ChatState.LoadingModel(facts(exchange.take(1), model = fresh.model))),
        "reading" to ChatScreenState(ChatState.Prefilling(facts(exchange.take(1)), 160, 412)),
        "answering" to ChatScreenState(
            ChatState.Answering(facts(exchange.take(1)), ANSWER.substringBefore("\n- violet")),
            Draft("And on Mars?"),
        ),
        "ready" to ChatScreenState(ChatState.Ready(facts()), history = chats.copy(isOpen = false)),
        "editing" to ChatScreenState(ChatState.Ready(facts()), Draft(QUESTION, replaces = 0)),
        "cut-short" to ChatScreenState(
            ChatState.Ready(
                facts(listOf(exchange[0], Turn(Role.ASSISTANT, "Sunlight holds")), Ending.CUT_SHORT),
            ),
        ),
        "stopped" to ChatScreenState(
            ChatState.Ready(facts(listOf(exchange[0], Turn(Role.ASSISTANT, "")), Ending.STOPPED)),
        ),
        "dropped" to ChatScreenState(
            ChatState.Ready(
                facts(
                    listOf(
                        Turn(Role.USER, "Hello"),
                        Turn(Role.ASSISTANT, "Hello! What can I do for you?"),
                        Turn(Role.USER, "Name three rivers."),
                        Turn(Role.ASSISTANT, "1. The Rhine\n2. The Nile\n3. The Ganges"),
                    ),
                    model = loaded.copy(usedTokens = 1990),
                ).copy(droppedTurns = 2),
            ),
        ),
        "failed" to failed(FailureKind.OUT_OF_MEMORY, "cannot map 512 MB"),
        "broken-model" to ChatScreenState(
            ChatState.BrokenModel(
                fresh,
                AppFailure(FailureKind.BUNDLE_NEWER, "manifest.json: schema 3.0, known is 1"),
            ),
        ),
        "put-away" to ChatScreenState(
            ChatState.Ready(facts(model = loaded.copy(loading = ModelFacts.Loading.PUT_AWAY))),
        ),
        "notifications" to ChatScreenState(
            ChatState.Answering(facts(exchange.take(1)), ANSWER.take(90)),
            offersNotifications = true,
        ),
        "history" to ChatScreenState(
            ChatState.Ready(facts()),
            history = chats.copy(deleted = StoredChat("d", 0, "m", listOf(Turn(Role.USER, "Old notes")))),
        ),
        "history-empty" to ChatScreenState(ChatState.Ready(fresh), history = History(isOpen = true)),
    )
}
