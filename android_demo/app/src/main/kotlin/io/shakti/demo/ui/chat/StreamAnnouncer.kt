package io.shakti.demo.ui.chat

/**
 * What TalkBack reads of an answer that is still growing: whole sentences, never more often than
 * every [everyMs], so that listening keeps up.
 */
class StreamAnnouncer(private val everyMs: Long, private val nowMs: () -> Long) {
    private var said = 0
    private var lastMs = Long.MIN_VALUE / 2

    /** A new answer begins. */
    fun restart() {
        said = 0
        lastMs = Long.MIN_VALUE / 2
    }

    /** The next thing to read of [text], the answer so far; null while there is none. */
    fun next(text: String, isWhole: Boolean): String? {
        if (said > text.length) restart()
        if (!isWhole && nowMs() - lastMs < everyMs) return null
        val end = if (isWhole) text.length else sentenceEnd(text)
        if (end <= said) return null
        val piece = text.substring(said, end).trim()
        said = end
        if (piece.isEmpty()) return null
        lastMs = nowMs()
        return piece
    }

    /** The place behind the last sentence that is surely complete. */
    private fun sentenceEnd(text: String): Int {
        for (index in text.length - 2 downTo said) {
            val ends = text[index] in SENTENCE_ENDS && text[index + 1].isWhitespace()
            if (ends || text[index] in FULL_STOPS || text[index] == '\n') return index + 1
        }
        return said
    }

    private companion object {
        const val SENTENCE_ENDS = ".!?:;"
        const val FULL_STOPS = "。！？।؟"
    }
}
