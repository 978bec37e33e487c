package io.shakti.demo.engine

import io.shakti.demo.tokenizer.Tokenizer

/** What the answers of a session have in common. */
internal class AnswerSettings(
    val maxChunk: Int,
    val endIds: Set<Int>,
    val stopTexts: List<String>,
    val tokenizer: Tokenizer,
)

/** One answer, from its prompt to its end. [limit]: most tokens; [context]: most positions. */
internal class AnswerRun(
    private val settings: AnswerSettings,
    private val cache: KvCache,
    private val sampler: Sampler,
    private val limit: Int,
    private val context: Int,
    private val clock: AnswerClock,
    private val stopping: () -> Boolean,
    private val listener: AnswerListener,
) {
    private val stream = settings.tokenizer.stream()
    private val stop = StopTexts(settings.stopTexts)
    private val shown = StringBuilder()
    private val ids = ArrayList<Int>()

    fun run(prompt: Prompt): Answer {
        val logits = prefill(prompt.ids)
        val finish = if (logits == null) Finish.STOPPED else decode(logits)
        if (!stop.found) show(stop.push(stream.flush()) + stop.flush())
        return Answer(
            shown.toString(), ids.toIntArray(), finish, clock.stats(), prompt.droppedTurns,
        )
    }

    /** Logits of the prompt's last position; null when it was stopped. */
    private fun prefill(prompt: IntArray): FloatArray? {
        val reused = cache.rewindTo(prompt)
        clock.beforePrefill(prompt.size, reused)
        listener.onPrefill(reused, prompt.size)
        var logits: FloatArray? = null
        while (cache.size < prompt.size) {
            if (stopping()) return null
            val end = minOf(cache.size + cache.room(settings.maxChunk), prompt.size)
            logits = cache.append(prompt.copyOfRange(cache.size, end))
            listener.onPrefill(end, prompt.size)
        }
        clock.afterPrefill()
        return logits.takeUnless { stopping() }
    }

    private fun decode(first: FloatArray): Finish {
        var logits = first
        while (true) {
            val id = sampler.pick(logits)
            clock.afterPick()
            if (id in settings.endIds) return Finish.END
            ids += id
            clock.count()
            show(stop.push(stream.push(id)))
            when {
                stop.found -> return Finish.END
                ids.size == limit -> return Finish.MAX_TOKENS
                stopping() -> return Finish.STOPPED
                cache.size >= context -> return Finish.CONTEXT_FULL
            }
            logits = cache.append(intArrayOf(id))
        }
    }

    private fun show(piece: String) {
        if (piece.isEmpty()) return
        shown.append(piece)
        listener.onText(piece, clock.stats())
    }
}
