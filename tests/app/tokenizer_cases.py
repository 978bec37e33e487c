"""What the `tokenizers` library makes of many texts, for the app's TokenizerParityTest.

    python -m tests.app.tokenizer_cases OUT [--smollm2 tokenizer.json] [--texts FOLDER]

OUT gets `texts.bin` and, for each tokenizer, a folder with its tokenizer.json and `cases.bin`.
Numbers are big-endian int32, texts their length in bytes and UTF-8.

texts.bin: count, texts.
cases.bin: LIBRARY_PIECES, ROW_PIECES or NO_PIECES as a text, count, cases. A case is: number of its
text (-1: ids by chance), ids (count first), their decoding without special tokens (-1 for its
length: the text itself), then 1 or 0 for whether more follows: the decoding with special tokens and
a piece for each id (-1 for its length: none came).
"""

from __future__ import annotations

import argparse
import json
import random
import re
import struct
import sys
import unicodedata
from array import array
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TypeVar

from tokenizers import Tokenizer, normalizers
from tokenizers.decoders import DecodeStream

from tests.app.tokenizer_shapes import (
    LIBRARY_PIECES,
    NO_PIECES,
    ROW_PIECES,
    Compositions,
    Shape,
    named_shapes,
)
from tests.app.tokenizer_texts import draw_texts, real_text, unassigned
from tests.app.unicode_ranges import CODE_POINTS

_Item = TypeVar("_Item")

TEXTS = 100_000
SHARE_OF_SHAPE = 0.3
COMPOSITIONS = 60
TEXTS_OF_COMPOSITION = 1_000
CHANCE_IDS = 2_000
STREAMED = 8  # one case in so many

_SEED = 20261126
_TRAINING_LINES = 1_200
_BLOCK = 2_000


@dataclass(frozen=True)
class Summary:
    """Cases by the name of the tokenizer; the compositions together as "chance"."""

    texts: int
    cases: dict[str, int]


def make_cases(
    out: Path, *, smollm2: Path | None = None, folder: Path | None = None, texts: int = TEXTS
) -> Summary:
    """Fill `out`, which is made.

    smollm2: that model's tokenizer.json. folder: of real text.
    """
    real = real_text(folder)
    drawn = draw_texts(texts, _SEED, real)
    out.mkdir(parents=True, exist_ok=True)
    (out / "texts.bin").write_bytes(_int(len(drawn)) + b"".join(map(_text, drawn)))
    shapes = named_shapes([line for line in real.splitlines() if line][:_TRAINING_LINES])
    if smollm2 is not None:
        own = json.loads(smollm2.read_text("utf-8"))
        shapes.insert(0, Shape("smollm2", own, LIBRARY_PIECES))
    # The first one gets all texts: SmolLM2's, where it is there.
    shares = [1.0] + [SHARE_OF_SHAPE] * (len(shapes) - 1)
    numbered, chance = list(enumerate(drawn)), random.Random(_SEED)

    def some(count: int) -> list[tuple[int, str]]:
        return chance.sample(numbered, min(count, len(numbered)))

    cases = {
        shape.name: _write(out, shape, some(int(texts * share)))
        for shape, share in zip(shapes, shares, strict=True)
    }
    cases["chance"] = sum(
        _write(out, shape, some(TEXTS_OF_COMPOSITION))
        for shape in Compositions(_SEED, shapes).draw(COMPOSITIONS)
    )
    return Summary(len(drawn), cases)


def _write(out: Path, shape: Shape, texts: list[tuple[int, str]]) -> int:
    """Write the folder of `shape`; the number of its cases."""
    tokenizer = shape.tokenizer()
    unsure = _unsure(shape.forms)
    known = [(at, text) for at, text in texts if not unsure or not unsure(text)]
    cases = [
        (at, one.ids)
        for block in _blocks(known)
        for (at, _), one in zip(
            block,
            tokenizer.encode_batch_fast([text for _, text in block], add_special_tokens=False),
            strict=True,
        )
    ]
    cases += [(-1, ids) for ids in _chance_ids(tokenizer, len(cases) // 50)]
    decoded = [
        text
        for block in _blocks(cases)
        for text in tokenizer.decode_batch([ids for _, ids in block], skip_special_tokens=True)
    ]
    originals = dict(known)
    pieces = _PIECES[shape.stream]
    parts = [_text(shape.stream), _int(len(cases))]
    for number, ((at, ids), text) in enumerate(zip(cases, decoded, strict=True)):
        parts += [_int(at), _ints(ids)]
        parts.append(_int(-1) if at >= 0 and originals[at] == text else _text(text))
        if number % STREAMED == 0 or at < 0:
            parts += [_int(1), _text(tokenizer.decode(ids, skip_special_tokens=False))]
            parts += [_int(-1) if one is None else _text(one) for one in pieces(tokenizer, ids)]
        else:
            parts.append(_int(0))
    folder = out / shape.name
    folder.mkdir(exist_ok=True)
    (folder / "tokenizer.json").write_text(json.dumps(shape.json, ensure_ascii=False), "utf-8")
    (folder / "cases.bin").write_bytes(b"".join(parts))
    return len(cases)


def _library_pieces(tokenizer: Tokenizer, ids: list[int]) -> list[str | None]:
    stream = DecodeStream(skip_special_tokens=True)
    return [stream.step(tokenizer, one) for one in ids]


def _row_pieces(tokenizer: Tokenizer, ids: list[int]) -> list[str | None]:
    """From the decoding of all that came so far: a byte or a special token adds nothing."""
    given, pieces = "", []
    for count, one in enumerate(ids, start=1):
        adds = _BYTE.fullmatch(tokenizer.id_to_token(one) or "") is None and tokenizer.decode(
            [one, one]
        )
        text = tokenizer.decode(ids[:count]) if adds else given
        pieces.append(text.removeprefix(given) or None)
        given = text
    return pieces


_BYTE = re.compile("<0x[0-9A-F]{2}>")
_PIECES = {
    LIBRARY_PIECES: _library_pieces,
    ROW_PIECES: _row_pieces,
    NO_PIECES: lambda _tokenizer, _ids: [],
}


def _chance_ids(tokenizer: Tokenizer, count: int) -> list[list[int]]:
    chance = random.Random(_SEED)
    size = tokenizer.get_vocab_size()
    return [
        [chance.randrange(size) for _ in range(chance.randint(1, 12))]
        for _ in range(min(count, CHANCE_IDS))
    ]


def _unsure(forms: tuple[str, ...]) -> Callable[[str], bool] | None:
    """Says of a text whether its forms depend on the version of Unicode; None: none does.

    The library's normalizers know Unicode 9 and its Lowercase 17, the platforms of the app 10 to
    16. Python's own tables are of 13 or later and show where the library's differ.
    """
    if not forms:
        return None
    changed = frozenset().union(*map(_changed, forms))
    return lambda text: unassigned(text) or not changed.isdisjoint(text)


@cache
def _changed(form: str) -> frozenset[str]:
    if form == "lower":
        lower = normalizers.Lowercase()
        differ = {one for one in _letters_and_marks() if lower.normalize_str(one) != one.lower()}
        return frozenset(differ | _CAPITALS_OF_14)
    library = getattr(normalizers, form)()
    # Beside marks of the lowest and of a high class it shows whether the class is known.
    frames = ("{}", "{}\u0334", "a\u0345{}")
    return frozenset(
        one
        for one in _letters_and_marks()
        if any(
            library.normalize_str(text) != unicodedata.normalize(form, text)  # type: ignore[arg-type]
            for text in (frame.format(one) for frame in frames)
        )
    )


_CAPITALS_OF_14 = set(map(chr, (0x2C2F, 0xA7C0, 0xA7D0, 0xA7D6, 0xA7D8, *range(0x10570, 0x10596))))

# Large, and older than all versions that matter.
_LARGE_BLOCKS = ("CJK UNIFIED", "HANGUL SYLLABLE", "TANGUT", "EGYPTIAN", "ANATOLIAN", "CUNEIFORM")


@cache
def _letters_and_marks() -> tuple[str, ...]:
    """Assigned code points, without some blocks that nothing ever happens to."""
    return tuple(
        one
        for one in map(chr, CODE_POINTS)
        if not unicodedata.name(one, _LARGE_BLOCKS[0]).startswith(_LARGE_BLOCKS)
    )


def _blocks(items: list[_Item]) -> Iterator[list[_Item]]:
    """Few at a time: the library's encodings are large."""
    for first in range(0, len(items), _BLOCK):
        yield items[first : first + _BLOCK]


def _int(value: int) -> bytes:
    return struct.pack(">i", value)


def _ints(values: list[int]) -> bytes:
    numbers = array("i", [len(values), *values])
    if sys.byteorder == "little":
        numbers.byteswap()
    return numbers.tobytes()


def _text(text: str) -> bytes:
    data = text.encode("utf-8")
    return _int(len(data)) + data


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--smollm2", type=Path, help="tokenizer.json of the SmolLM2 bundle")
    parser.add_argument("--texts", type=Path, help="folder with real text")
    parser.add_argument("--count", type=int, default=TEXTS, help="texts to draw")
    args = parser.parse_args()
    summary = make_cases(args.out, smollm2=args.smollm2, folder=args.texts, texts=args.count)
    sys.stdout.write(f"{summary.texts} texts\n")
    for name, count in summary.cases.items():
        sys.stdout.write(f"{name}: {count} cases\n")


if __name__ == "__main__":
    main()
