package io.shakti.demo.engine

import io.shakti.demo.bundle.ChatTurns
import io.shakti.demo.bundle.SystemPlace

/** A stretch of a prompt: text to be tokenized, or an answer whose tokens are known. */
sealed interface PromptPart {
    data class Text(val text: String) : PromptPart

    class Ids(val ids: IntArray) : PromptPart
}

/** Writes chats as sdk_builder/bundle/turns.py does: fixed texts around the messages. */
class ChatPrompt(private val texts: ChatTurns) {
    /** The whole chat up to where the model has to answer. */
    fun render(system: String?, chat: List<Turn>): String =
        parts(system, chat) { null }.joinToString("") { (it as PromptPart.Text).text }

    /**
     * The same, with the answers that [known] has ids for as they were sampled: the cache holds
     * those, and another way to split the same text would not match it.
     *
     * [chat] alternates, the user's turn first and last.
     */
    fun parts(system: String?, chat: List<Turn>, known: (String) -> IntArray?): List<PromptPart> {
        val inTurn = chat.withIndex().all { (index, turn) -> turn.role == roleAt(index) }
        require(chat.size % 2 == 1 && inTurn) {
            "a chat to be answered is user and assistant in turn, the user first and last"
        }
        val parts = ArrayList<PromptPart>()
        val text = StringBuilder(opening(system, chat.first().text))
        for (turn in chat.drop(1)) {
            val ids = if (turn.role == Role.ASSISTANT) known(turn.text) else null
            when {
                turn.role == Role.USER -> text.append(user(turn.text))
                ids == null -> text.append(assistant(turn.text))
                else -> {
                    // What follows the generation prompt, a lead included, the model wrote itself.
                    parts += PromptPart.Text(text.append(texts.generationPrompt).toString())
                    parts += PromptPart.Ids(ids)
                    text.clear().append(texts.assistantSuffix)
                }
            }
        }
        parts += PromptPart.Text(text.append(texts.generationPrompt).toString())
        return parts
    }

    /** Everything up to the end of the first user turn. */
    private fun opening(system: String?, question: String): String {
        if (system != null && texts.systemPlace == SystemPlace.NONE) {
            // The template takes no system message: the instructions open the first question.
            return opening(null, "$system\n\n$question")
        }
        val instructions = system?.let { stripped(it, texts.stripSystem) } ?: texts.defaultSystem
        val block = instructions?.let { texts.systemPrefix + it + texts.systemSuffix }.orEmpty()
        val user = stripped(question, texts.stripUser) + texts.userSuffix
        return when (texts.systemPlace) {
            SystemPlace.FIRST_USER -> texts.begin + texts.userPrefix + block + user
            SystemPlace.TURN, SystemPlace.NONE -> texts.begin + block + texts.userPrefix + user
        }
    }

    private fun user(text: String): String =
        texts.userPrefix + stripped(text, texts.stripUser) + texts.userSuffix

    private fun assistant(text: String): String =
        texts.assistantPrefix + stripped(text, texts.stripAssistant) + texts.assistantSuffix

    companion object {
        /** For models without a chat template: they go on where the text ends. */
        val PLAIN = ChatTurns(
            begin = "",
            systemPlace = SystemPlace.TURN,
            systemPrefix = "",
            systemSuffix = "\n",
            defaultSystem = null,
            userPrefix = "",
            userSuffix = "",
            assistantPrefix = "",
            assistantSuffix = "\n",
            generationPrompt = "",
            stripSystem = false,
            stripUser = false,
            stripAssistant = false,
        )

        private fun roleAt(index: Int) = if (index % 2 == 0) Role.USER else Role.ASSISTANT

        private fun stripped(text: String, strip: Boolean): String =
            if (strip) text.trim(::isPythonSpace) else text
    }
}

/** White space as Python's `str.strip` has it, which Kotlin's differs from. */
private fun isPythonSpace(character: Char): Boolean = when (character) {
    in '\u0009'..'\u000d', in '\u001c'..'\u0020', '\u0085', '\u00a0', '\u1680' -> true
    in '\u2000'..'\u200a', '\u2028', '\u2029', '\u202f', '\u205f', '\u3000' -> true
    else -> false
}
