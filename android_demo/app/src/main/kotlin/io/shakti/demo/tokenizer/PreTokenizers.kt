package io.shakti.demo.tokenizer

/** Cuts a piece into words; none of them is empty. */
internal fun interface PreTokenizer {
    fun split(piece: Piece, each: (Piece) -> Unit)
}

/** The steps of [spec], each at work on what the one before gives; null leaves pieces whole. */
internal fun preTokenizer(spec: Spec?): PreTokenizer {
    val steps = spec?.let { Spec.flattened(it, "pretokenizers") }.orEmpty().map(::preTokenizerStep)
    return steps.foldRight(PreTokenizer { piece, each -> each(piece) }) { step, rest ->
        PreTokenizer { piece, each -> step.split(piece) { rest.split(it, each) } }
    }
}

private fun preTokenizerStep(spec: Spec): PreTokenizer = when (spec.type) {
    "ByteLevel" -> byteLevel(spec.flag("add_prefix_space"), spec.flag("use_regex", true))
    "Split" -> Splitter(scanner(spec), behavior(spec), spec.flag("invert"))
    "Digits" -> digits(spec.flag("individual_digits"))
    "Whitespace" -> Splitter(WordScanner, Behavior.REMOVED, invert = true)
    "WhitespaceSplit" -> Splitter(spaceScanner, Behavior.REMOVED)
    "Metaspace" -> metaspace(Metaspace(spec))
    else -> throw spec.unknownType()
}

private val spaceScanner = RunScanner(1, 1, Characters::isSpace)

private fun digits(individual: Boolean) = Splitter(
    RunScanner(1, 1, Characters::isDigit),
    if (individual) Behavior.ISOLATED else Behavior.CONTIGUOUS,
)

private fun scanner(spec: Spec): Scanner {
    val (kind, pattern) = spec.pattern()
    if (kind == "String") return LiteralScanner(pattern)
    return KNOWN_PATTERNS[pattern]
        ?: throw unsupported("${spec.place} with the pattern ${quoted(pattern)}")
}

private fun behavior(spec: Spec): Behavior = when (val name = spec.text("behavior")) {
    "Removed" -> Behavior.REMOVED
    "Isolated" -> Behavior.ISOLATED
    "MergedWithPrevious" -> Behavior.MERGED_WITH_PREVIOUS
    "MergedWithNext" -> Behavior.MERGED_WITH_NEXT
    "Contiguous" -> Behavior.CONTIGUOUS
    else -> throw unsupported("${spec.place}.behavior ${quoted(name)}")
}

/** Words by GPT-2's pattern if [useRegex], written in one character a byte. */
private fun byteLevel(addPrefixSpace: Boolean, useRegex: Boolean): PreTokenizer {
    val words = Splitter(GPT2_SCANNER, Behavior.ISOLATED)
    return PreTokenizer { piece, each ->
        val spaced = addPrefixSpace && !piece.text.startsWith(' ')
        val whole = if (spaced) piece.withPrefix(" ") else piece
        val encoded = { word: Piece -> each(word.map(ByteCharacters::encode)) }
        if (useRegex) words.split(whole, encoded) else encoded(whole)
    }
}

private val GPT2_SCANNER = KNOWN_PATTERNS.getValue(
    """'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+""",
)

/** How Metaspace marks spaces: with [mark], also before the text as [prepend] says. */
internal class Metaspace(spec: Spec) {
    enum class Prepend { FIRST, NEVER, ALWAYS }

    val mark: String = String(Character.toChars(spec.codePoint("replacement")))
    val split: Boolean = spec.flag("split", true)
    val prepend: Prepend

    init {
        val scheme = when (val name = spec.textOrNull("prepend_scheme")) {
            "first" -> Prepend.FIRST
            "never" -> Prepend.NEVER
            "always", null -> Prepend.ALWAYS
            else -> throw unsupported("${spec.place}.prepend_scheme ${quoted(name)}")
        }
        // The older spelling of "never"; Hugging Face refuses the two together as well.
        if (!spec.flag("add_prefix_space", true) && scheme != Prepend.NEVER) {
            throw unsupported("${spec.place}.add_prefix_space contradicts prepend_scheme")
        }
        prepend = scheme
    }
}

private fun metaspace(metaspace: Metaspace): PreTokenizer {
    val mark = metaspace.mark
    val words = Splitter(LiteralScanner(mark), Behavior.MERGED_WITH_NEXT)
    return PreTokenizer { piece, each ->
        val marked = replace(piece, " ", mark)
        val prepends = when (metaspace.prepend) {
            Metaspace.Prepend.ALWAYS -> true
            Metaspace.Prepend.FIRST -> piece.startChars > 0
            Metaspace.Prepend.NEVER -> false
        }
        val misses = prepends && !marked.text.startsWith(mark)
        val whole = if (misses) marked.withPrefix(mark) else marked
        if (metaspace.split) words.split(whole, each) else each(whole)
    }
}

/** What becomes of a pattern's matches, the separators. */
internal enum class Behavior {
    REMOVED,
    ISOLATED,
    MERGED_WITH_PREVIOUS,
    MERGED_WITH_NEXT,
    CONTIGUOUS,
}

/** Cuts at the matches of [scanner]; with [invert] at what is between them. */
internal class Splitter(
    private val scanner: Scanner,
    private val behavior: Behavior,
    private val invert: Boolean = false,
) : PreTokenizer {
    override fun split(piece: Piece, each: (Piece) -> Unit) {
        for (cut in cuts(spans(piece.text))) each(piece.part(cut.start, cut.end))
    }

    private class Span(var start: Int, var end: Int, val separator: Boolean)

    /** Matches and what is between them, which together are [text]. */
    private fun spans(text: String): List<Span> {
        val spans = ArrayList<Span>()
        var between = 0
        var at = 0
        while (at < text.length) {
            val end = scanner.matchEnd(text, at)
            if (end < 0) {
                at += Character.charCount(text.codePointAt(at))
                continue
            }
            if (between < at) spans += Span(between, at, invert)
            spans += Span(at, end, !invert)
            at = end
            between = end
        }
        if (between < text.length) spans += Span(between, text.length, invert)
        return spans
    }

    private fun cuts(spans: List<Span>): List<Span> = when (behavior) {
        Behavior.ISOLATED -> spans
        Behavior.REMOVED -> spans.filterNot { it.separator }
        Behavior.CONTIGUOUS -> joined(spans) { before, one -> before == one.separator }
        Behavior.MERGED_WITH_PREVIOUS -> joined(spans) { before, one -> one.separator && !before }
        Behavior.MERGED_WITH_NEXT ->
            joined(spans.asReversed()) { before, one -> one.separator && !before }.asReversed()
    }

    /**
     * Joins each span to the one before it where [joins] says so; it gets whether that one was a
     * separator.
     */
    private inline fun joined(
        spans: List<Span>,
        joins: (before: Boolean, one: Span) -> Boolean,
    ): List<Span> {
        val out = ArrayList<Span>(spans.size)
        var before = false
        for (span in spans) {
            val last = out.lastOrNull()
            if (last != null && joins(before, span)) {
                last.start = minOf(last.start, span.start)
                last.end = maxOf(last.end, span.end)
            } else {
                out += Span(span.start, span.end, span.separator)
            }
            before = span.separator
        }
        return out
    }
}
