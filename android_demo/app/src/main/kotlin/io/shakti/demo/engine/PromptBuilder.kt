package io.shakti.demo.engine

import io.shakti.demo.AppFailure
import io.shakti.demo.FailureKind
import io.shakti.demo.bundle.Manifest
import io.shakti.demo.tokenizer.Tokenizer

/** The ids of a chat, without its first [droppedTurns] turns. */
internal class Prompt(val ids: IntArray, val droppedTurns: Int)

/**
 * Makes prompts of chats, within a context.
 *
 * The rule: `room` is kept for the answer. A chat that does not fit beside it loses its oldest
 * exchanges until it fills half of the context, and does not get them back while it goes on:
 * positions change when a turn leaves, so all must be computed again, and this way that happens
 * once in half a context. Where the exchange before the last question is longer than that, it stays
 * as long as it fits. The last question alone may also take the room, all but one position.
 */
internal class PromptBuilder(private val manifest: Manifest, private val tokenizer: Tokenizer) {
    private val texts = ChatPrompt(manifest.chat ?: ChatPrompt.PLAIN)

    /** Ids of answers by their text, as sampled; the longest unused leave first. */
    private val answers = object : LinkedHashMap<String, IntArray>(16, 0.75f, true) {
        override fun removeEldestEntry(eldest: Map.Entry<String, IntArray>) = size > MOST_ANSWERS
    }

    /** The turns that the last prompt went without. */
    private var dropped: List<Turn> = emptyList()

    fun remember(text: String, ids: IntArray) {
        if (text.isNotEmpty() && ids.isNotEmpty()) answers[text] = ids
    }

    /** [context], [room]: in positions. Throws AppFailure (PROMPT_TOO_LONG, BUNDLE_CORRUPT). */
    fun build(chat: List<Turn>, system: String?, context: Int, room: Int): Prompt {
        fun prompt(drop: Int) = Prompt(encode(system, chat.drop(drop)), drop)
        val fit = context - room
        val last = chat.size - 1
        val chosen = sequence {
            yield(prompt(0).takeIf { it.ids.size <= fit })
            val before = dropped.size
            if (before in 1..last && chat.subList(0, before) == dropped) {
                yield(prompt(before).takeIf { it.ids.size <= fit })
            }
            yield(shortened(last - TURNS_OF_EXCHANGE, context / 2, ::prompt))
            yield(shortened(last, fit, ::prompt))
            yield(prompt(last))
        }.filterNotNull().first()
        if (chosen.ids.size >= context) {
            throw AppFailure(
                FailureKind.PROMPT_TOO_LONG,
                "the question has ${chosen.ids.size} tokens, the context is $context",
            )
        }
        dropped = chat.take(chosen.droppedTurns)
        return chosen
    }

    /**
     * The prompt without the fewest of [turns], at least an exchange, that has [most] ids or less.
     */
    private fun shortened(turns: Int, most: Int, prompt: (Int) -> Prompt): Prompt? {
        var best: Prompt? = null
        var low = 1
        var high = turns / TURNS_OF_EXCHANGE
        while (low <= high) {
            val middle = (low + high) / 2
            val tried = prompt(middle * TURNS_OF_EXCHANGE)
            if (tried.ids.size <= most) {
                best = tried
                high = middle - 1
            } else {
                low = middle + 1
            }
        }
        return best
    }

    private fun encode(system: String?, chat: List<Turn>): IntArray {
        val parts = texts.parts(system, chat, answers::get)
        val rows = parts.map {
            when (it) {
                is PromptPart.Text -> tokenizer.encode(it.text)
                is PromptPart.Ids -> it.ids
            }
        }
        val ids = IntArray(rows.sumOf { it.size })
        var at = 0
        for (row in rows) {
            row.copyInto(ids, at)
            at += row.size
        }
        return checked(withBos(ids))
    }

    /** Chat turns begin with it where the model wants it; a plain text does not. */
    private fun withBos(ids: IntArray): IntArray {
        val info = manifest.tokenizer
        val bos = info.bosId.takeIf { manifest.chat == null && info.addBos } ?: return ids
        return if (ids.firstOrNull() == bos) ids else intArrayOf(bos) + ids
    }

    private fun checked(ids: IntArray): IntArray {
        val vocabSize = manifest.model.vocabSize
        ids.firstOrNull { it !in 0 until vocabSize }?.let {
            val detail = "the tokenizer gave id $it, the model has $vocabSize"
            throw AppFailure(FailureKind.BUNDLE_CORRUPT, detail)
        }
        require(ids.isNotEmpty()) { "an empty question" }
        return ids
    }

    private companion object {
        const val MOST_ANSWERS = 1000
        const val TURNS_OF_EXCHANGE = 2
    }
}
