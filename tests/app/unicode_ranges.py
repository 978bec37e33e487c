"""Writes UnicodeRanges.kt: which characters the `tokenizers` library takes for letters, and so on.

    python tests/app/unicode_ranges.py > .../tokenizer/UnicodeRanges.kt

A phone's own tables are as old as its Android and would cut new scripts elsewhere than the
machine that exported the model, so the app carries the library's. They are found by asking the
library about every code point, which also shows its two regex engines and Rust's own `char` where
they differ.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator

from tokenizers import Regex, __version__
from tokenizers import pre_tokenizers as pre

CODE_POINTS = [one for one in range(0x110000) if not 0xD800 <= one < 0xE000]
_BLOCK = 1 << 14
_LINE = 86


def matching(pattern: str) -> set[int]:
    """Code points that a character class of Split's engine (Oniguruma) holds."""
    cut = pre.Split(Regex(f"[^{pattern}]"), "removed")
    found: set[int] = set()
    for first in range(0, len(CODE_POINTS), _BLOCK):
        block = CODE_POINTS[first : first + _BLOCK]
        for _, (start, end) in cut.pre_tokenize_str("".join(map(chr, block))):
            found.update(block[start:end])
    return found


def single(cut: pre.PreTokenizer, pieces: int) -> set[int]:
    """Code points that give `pieces` pieces after an "a"."""
    return {one for one in CODE_POINTS if len(cut.pre_tokenize_str("a" + chr(one))) == pieces}


def character_sets() -> dict[str, set[int]]:
    """By the constant's name; a set may leave out what another one has, see `_DOC`."""
    letters, marks, numbers = matching(r"\p{L}"), matching(r"\p{M}"), matching(r"\p{N}")
    # A space is no piece and gives one, too.
    words = single(pre.Whitespace(), 1) - matching(r"\s")
    return {
        "LETTERS": letters,
        "MARKS": marks,
        "NUMBERS": numbers,
        "NEWER_NUMBERS": single(pre.Digits(individual_digits=True), 2) - numbers,
        "PUNCTUATION": matching(r"\p{P}"),
        "OTHER_WORD": words - letters - marks,
    }


_DOC: dict[str, str] = {
    "LETTERS": r"\p{L} in a Split pattern.",
    "MARKS": r"\p{M} in a Split pattern.",
    "NUMBERS": r"\p{N} in a Split pattern.",
    "NEWER_NUMBERS": "What Digits takes for a number besides NUMBERS: its tables are newer.",
    "PUNCTUATION": r"\p{P} in a Split pattern.",
    "OTHER_WORD": r"\w of Whitespace and of single_word, without LETTERS and MARKS.",
}


def ranges(members: Iterable[int]) -> Iterator[tuple[int, int]]:
    """(first, last) of each run of neighbours."""
    first = last = -2
    for one in sorted(members):
        if one != last + 1:
            if last >= 0:
                yield first, last
            first = one
        last = one
    if last >= 0:
        yield first, last


def encoded(members: Iterable[int]) -> str:
    """Hexadecimal numbers by turns: code points left out, code points taken."""
    parts, at = [], 0
    for first, last in ranges(members):
        parts += [f"{first - at:x}", f"{last + 1 - first:x}"]
        at = last + 1
    return " ".join(parts)


def _lines(text: str) -> Iterator[str]:
    while len(text) > _LINE:
        end = text.rindex(" ", 0, _LINE) + 1
        yield text[:end]
        text = text[end:]
    yield text


def kotlin(sets: dict[str, set[int]]) -> str:
    head = f"""package io.shakti.demo.tokenizer

// Made by tests/app/unicode_ranges.py with tokenizers {__version__}; a test compares them.

/** Sets of code points as hexadecimal numbers by turns: so many left out, so many taken. */
internal object UnicodeRanges {{"""
    parts = [head]
    for name, members in sets.items():
        quoted = " +\n".join(f'        "{line}"' for line in _lines(encoded(members)))
        parts.append(f"    /** {_DOC[name]} */\n    const val {name} =\n{quoted}\n")
    return "\n".join(parts).rstrip("\n") + "\n}\n"


def main(write: Callable[[str], object] = sys.stdout.write) -> None:
    write(kotlin(character_sets()))


if __name__ == "__main__":
    main()
