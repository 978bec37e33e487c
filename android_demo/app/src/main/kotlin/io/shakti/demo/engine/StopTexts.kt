package io.shakti.demo.engine

/**
 * Passes text on up to a stop text, and holds back what could be the start of one; as `StopTexts`
 * of sdk_builder/runtime/text.py.
 *
 * Of several, the one that is complete first counts (of those that end together, the longest), so
 * that the result does not depend on how the text is split into pieces.
 */
internal class StopTexts(stop: List<String>) {
    private val stop = stop.filter { it.isNotEmpty() }
    private var held = ""

    var found = false
        private set

    /** Text that may be shown now; after a stop text, nothing more. */
    fun push(piece: String): String {
        if (found) return ""
        val text = held + piece
        val start = startOfFirstStop(text)
        found = start != null
        val shown = start ?: (text.length - stop.maxOfOrElse0 { overlap(text, it) })
        held = if (found) "" else text.substring(shown)
        return text.substring(0, shown)
    }

    /** What was held back, once no more text comes. */
    fun flush(): String = held.also { held = "" }

    private fun startOfFirstStop(text: String): Int? =
        stop.map { text.indexOf(it) to it.length }
            .filter { (start, _) -> start >= 0 }
            .map { (start, length) -> start to start + length }
            .minWithOrNull(compareBy({ (_, end) -> end }, { (start, _) -> start }))
            ?.first

    /** Length of the longest end of [text] that begins [stop]. */
    private fun overlap(text: String, stop: String): Int =
        (minOf(text.length, stop.length - 1) downTo 1)
            .firstOrNull { text.regionMatches(text.length - it, stop, 0, it) } ?: 0

    private fun <T> List<T>.maxOfOrElse0(of: (T) -> Int): Int = maxOfOrNull(of) ?: 0
}
