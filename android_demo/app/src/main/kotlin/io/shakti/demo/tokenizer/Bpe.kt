package io.shakti.demo.tokenizer

import java.util.Locale

/**
 * Byte pair encoding: of a word's characters the pair of the lowest rank becomes one token, and so
 * on until no pair is left that merges. Thread-safe.
 */
internal class Bpe(file: BpeFile) {
    private val merges = file.merges
    private val fuseUnknown = file.fuseUnknown
    private val unknownId = file.unknownToken?.let { file.vocabulary[it] } ?: NONE

    /** Whole words are needed only where they come before merges. */
    private val words: Map<String, Int> = if (file.ignoreMerges) file.vocabulary else emptyMap()
    private val characterIds = HashMap<Int, Int>()
    private val lowCharacterIds = IntArray(LOW_CHARACTERS) { NONE }

    /** Ids of `<0x00>` to `<0xFF>`, where characters outside of the vocabulary become these. */
    private val byteIds: IntArray? = if (!file.byteFallback) null else IntArray(256) {
        file.vocabulary["<0x%02X>".format(Locale.ROOT, it)] ?: NONE
    }

    private val cache = HashMap<String, IntArray>()

    init {
        for ((token, id) in file.vocabulary) {
            if (token.isEmpty() || token.length > 2) continue
            val character = token.codePointAt(0)
            if (Character.charCount(character) != token.length) continue
            if (character < LOW_CHARACTERS) lowCharacterIds[character] = id
            characterIds[character] = id
        }
        checkUnknown(file)
    }

    // The library finds out only when it meets an unknown character, and fails then.
    private fun checkUnknown(file: BpeFile) {
        if (file.unknownToken == null || unknownId != NONE) return
        val allBytes = (0..255).all { characterId(ByteCharacters.character(it).code) != NONE }
        if (!allBytes && (byteIds == null || byteIds.contains(NONE))) {
            throw unsupported("unk_token ${quoted(file.unknownToken)} is not in the vocabulary")
        }
    }

    /** Appends the ids of [word], which is not empty. */
    fun encode(word: String, out: IdList) {
        words[word]?.let { return out.add(it) }
        if (word.length > LONGEST_CACHED) return out.addAll(merge(symbols(word)))
        val known = synchronized(cache) { cache[word] }
        if (known != null) return out.addAll(known)
        val ids = merge(symbols(word))
        out.addAll(ids)
        synchronized(cache) {
            // Text repeats itself soon or not at all: starting anew is as good as keeping count.
            if (cache.size == CACHED_WORDS) cache.clear()
            cache[word] = ids
        }
    }

    private fun characterId(codePoint: Int): Int =
        if (codePoint < LOW_CHARACTERS) lowCharacterIds[codePoint]
        else characterIds[codePoint] ?: NONE

    /**
     * The ids of single characters. An unknown one goes out only before the next known character or
     * at the end, bytes do not push it out: so it is in the library, too.
     */
    private fun symbols(word: String): IntArray {
        val ids = IdList(word.length)
        var unknownWaits = false
        word.forEachCodePoint { codePoint ->
            val id = characterId(codePoint)
            if (id != NONE) {
                if (unknownWaits) ids.add(unknownId)
                unknownWaits = false
                ids.add(id)
            } else if (!addBytes(codePoint, ids) && unknownId != NONE) {
                if (unknownWaits && !fuseUnknown) ids.add(unknownId)
                unknownWaits = true
            }
        }
        if (unknownWaits) ids.add(unknownId)
        return ids.toArray()
    }

    /** False, and nothing added, unless all bytes of [codePoint] have tokens. */
    private fun addBytes(codePoint: Int, ids: IdList): Boolean {
        val byteIds = byteIds ?: return false
        var complete = true
        utf8Bytes(codePoint) { if (byteIds[it] == NONE) complete = false }
        if (complete) utf8Bytes(codePoint) { ids.add(byteIds[it]) }
        return complete
    }

    /** [ids] after all merges; it is used up. */
    private fun merge(ids: IntArray): IntArray {
        if (ids.size < 2) return ids
        val chain = Chain(ids, merges)
        chain.mergeAll()
        return chain.remaining()
    }

    private companion object {
        const val NONE = -1

        /** Byte-level tokens are written in characters below this one. */
        const val LOW_CHARACTERS = 0x180
        const val LONGEST_CACHED = 64
        const val CACHED_WORDS = 8192
    }
}

/** Tokens in a row as a linked list, with a queue of the pairs that may merge. */
private class Chain(private val ids: IntArray, private val merges: MergeTable) {
    private val next = IntArray(ids.size) { it + 1 }
    private val previous = IntArray(ids.size) { it - 1 }

    /** Rank in the upper half, place in the lower: of equal ranks the leftmost comes first. */
    private val queue = LongHeap(ids.size)

    fun mergeAll() {
        for (place in 0 until ids.size - 1) offer(place)
        while (!queue.isEmpty()) {
            val top = queue.pop()
            mergeAt(top.toInt(), merges.result((top ushr 32).toInt()))
        }
    }

    fun remaining(): IntArray {
        val out = IdList(ids.size)
        for (id in ids) if (id != GONE) out.add(id)
        return out.toArray()
    }

    private fun offer(place: Int) {
        val rank = merges.rank(ids[place], ids[next[place]])
        if (rank >= 0) queue.push((rank.toLong() shl 32) or place.toLong())
    }

    private fun mergeAt(place: Int, result: Int) {
        val right = next[place]
        if (ids[place] == GONE || right >= ids.size) return
        // The pair may have changed since it was queued.
        val rank = merges.rank(ids[place], ids[right])
        if (rank < 0 || merges.result(rank) != result) return
        ids[place] = result
        ids[right] = GONE
        next[place] = next[right]
        if (next[right] < ids.size) {
            previous[next[right]] = place
            offer(place)
        }
        if (previous[place] >= 0) offer(previous[place])
    }

    private companion object {
        const val GONE = -1
    }
}
