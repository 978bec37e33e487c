package io.shakti.demo.tokenizer

import java.util.BitSet

/** A token that is found in the text before anything else is done with it. */
internal data class AddedToken(
    val content: String,
    val singleWord: Boolean,
    val stripLeft: Boolean,
    val stripRight: Boolean,
    val normalized: Boolean,
    val special: Boolean,
) {
    constructor(spec: Spec) : this(
        spec.text("content"),
        spec.flag("single_word"),
        spec.flag("lstrip"),
        spec.flag("rstrip"),
        spec.flag("normalized"),
        spec.flag("special"),
    )
}

/**
 * The added tokens with their ids, which are the vocabulary's or follow it: like the library, this
 * does not ask the ids written in the file.
 */
internal class AddedTokens(
    tokens: List<AddedToken>,
    vocabulary: Map<String, Int>,
    normalizer: Normalizer,
) {
    /** How the tokens are given to the decoder. */
    val forms: Map<Int, String>

    /** Texts that are left out when special tokens are skipped. */
    val specialContents: Set<String> =
        tokens.filter { it.special && it.content.isNotEmpty() }.mapTo(HashSet()) { it.content }

    private val raw: TokenFinder
    private val normalized: TokenFinder

    init {
        val ids = HashMap<String, Int>()
        val byId = LinkedHashMap<Int, AddedToken>()
        val forms = HashMap<Int, String>()
        var next = vocabulary.size
        for (token in tokens) {
            if (token.content.isEmpty()) continue
            val id = ids[token.content] ?: vocabulary[token.content] ?: next++
            ids[token.content] = id
            byId[id] = token
            if (token.normalized) {
                forms[id] = normalizer.normalize(Piece.whole(token.content)).text
            }
        }
        val (late, early) = byId.map { (id, token) ->
            val pattern = if (token.normalized) forms.getValue(id) else token.content
            FoundToken(pattern, id, token)
        }.partition { it.token.normalized }
        raw = TokenFinder(early)
        normalized = TokenFinder(late)
        this.forms = byId.mapValues { (id, token) -> forms[id] ?: token.content }
    }

    /**
     * Cuts [text] at the added tokens, normalizing what is between them; some tokens are looked for
     * before that and some after.
     */
    fun split(
        text: String,
        normalizer: Normalizer,
        onToken: (Int) -> Unit,
        onPiece: (Piece) -> Unit,
    ) {
        raw.split(Piece.whole(text), onToken) { piece ->
            normalized.split(normalizer.normalize(piece), onToken, onPiece)
        }
    }
}

private class FoundToken(val pattern: String, val id: Int, val token: AddedToken)

/** Finds tokens in text: the leftmost, and of those the longest. */
private class TokenFinder(tokens: List<FoundToken>) {
    private val sorted = tokens.sortedBy { it.pattern }
    private val patterns = Array(sorted.size) { sorted[it].pattern }
    private val firsts = BitSet()

    init {
        for ((index, pattern) in patterns.withIndex()) {
            if (pattern.isEmpty()) throw unsupported("an added token normalizes to nothing")
            if (index > 0 && patterns[index - 1] == pattern) {
                throw unsupported("two added tokens are ${quoted(pattern)}")
            }
            firsts.set(pattern[0].code)
        }
    }

    /** Pieces that are empty are left out. */
    fun split(piece: Piece, onToken: (Int) -> Unit, onPiece: (Piece) -> Unit) {
        val text = piece.text
        if (text.isEmpty()) return
        var done = 0
        var at = 0
        while (at < text.length) {
            val found = longestAt(text, at)
            if (found < 0) {
                at++
                continue
            }
            val end = at + patterns[found].length
            val token = sorted[found].token
            if (!token.singleWord || isSingleWord(text, at, end)) {
                val start = if (token.stripLeft) spacesBefore(text, at) else at
                if (done < start) onPiece(piece.part(done, start))
                onToken(sorted[found].id)
                done = if (token.stripRight) spacesAfter(text, end) else end
            }
            at = end
        }
        if (done < text.length) onPiece(piece.part(done, text.length))
    }

    /** Narrows the sorted patterns to those that agree, one character after the other. */
    private fun longestAt(text: String, at: Int): Int {
        if (!firsts.get(text[at].code)) return -1
        var low = 0
        var high = patterns.size
        var best = -1
        var depth = 0
        while (low < high) {
            // Of patterns that agree so far the shortest is the first.
            if (patterns[low].length == depth) {
                best = low++
                continue
            }
            if (at + depth == text.length) break
            val wanted = text[at + depth]
            low = firstWhere(low, high) { patterns[it][depth] >= wanted }
            high = firstWhere(low, high) { patterns[it][depth] > wanted }
            depth++
        }
        return best
    }

    private inline fun firstWhere(from: Int, to: Int, holds: (Int) -> Boolean): Int {
        var low = from
        var high = to
        while (low < high) {
            val middle = (low + high) ushr 1
            if (holds(middle)) high = middle else low = middle + 1
        }
        return low
    }

    private fun isSingleWord(text: String, start: Int, end: Int): Boolean =
        (start == 0 || !Characters.isWord(text.codePointBefore(start))) &&
            (end == text.length || !Characters.isWord(text.codePointAt(end)))

    private fun spacesBefore(text: String, end: Int): Int {
        var start = end
        while (start > 0 && Characters.isSpace(text[start - 1].code)) start--
        return start
    }

    private fun spacesAfter(text: String, start: Int): Int {
        var end = start
        while (end < text.length && Characters.isSpace(text[end].code)) end++
        return end
    }
}
