"""Texts that tokenizers disagree about: every script, emoji, white space, code, damaged UTF-8."""

from __future__ import annotations

import random
import unicodedata
from collections.abc import Callable, Iterator
from pathlib import Path

_REPOSITORY = Path(__file__).resolve().parents[2]
_REAL_CHARS = 4 << 20

# First and last code point. Blocks hold unassigned ones, too, and that is meant.
_SCRIPTS = (
    (0x20, 0x7E), (0xA0, 0x24F), (0x250, 0x2FF), (0x370, 0x3FF), (0x400, 0x52F), (0x530, 0x58F),
    (0x590, 0x5FF), (0x600, 0x6FF), (0x700, 0x74F), (0x780, 0x7BF), (0x900, 0x97F), (0x980, 0x9FF),
    (0xA00, 0xA7F), (0xA80, 0xAFF), (0xB00, 0xB7F), (0xB80, 0xBFF), (0xC00, 0xC7F), (0xC80, 0xCFF),
    (0xD00, 0xD7F), (0xD80, 0xDFF), (0xE00, 0xE7F), (0xE80, 0xEFF), (0xF00, 0xFFF),
    (0x1000, 0x109F), (0x10A0, 0x10FF), (0x1100, 0x11FF), (0x1200, 0x137F), (0x13A0, 0x13FF),
    (0x1400, 0x167F), (0x1680, 0x169F), (0x16A0, 0x16FF), (0x1780, 0x17FF), (0x1800, 0x18AF),
    (0x1D00, 0x1DBF), (0x1E00, 0x1EFF), (0x1F00, 0x1FFF), (0x2000, 0x206F), (0x2070, 0x209F),
    (0x20A0, 0x20CF), (0x2100, 0x214F), (0x2150, 0x218F), (0x2190, 0x21FF), (0x2200, 0x22FF),
    (0x2460, 0x24FF), (0x2500, 0x259F), (0x2C00, 0x2C5F), (0x2DE0, 0x2DFF), (0x2E80, 0x2FDF),
    (0x3000, 0x303F), (0x3040, 0x309F), (0x30A0, 0x30FF), (0x3130, 0x318F), (0x3200, 0x32FF),
    (0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0xA000, 0xA48F), (0xA640, 0xA69F), (0xA720, 0xA7FF),
    (0xAB30, 0xABBF), (0xAC00, 0xD7AF), (0xD7B0, 0xD7FF), (0xE000, 0xE0FF), (0xF900, 0xFAFF),
    (0xFB00, 0xFB4F), (0xFB50, 0xFDFF), (0xFE20, 0xFE2F), (0xFE70, 0xFEFF), (0xFF00, 0xFFEF),
    (0x10000, 0x100FF), (0x10300, 0x1034F), (0x10400, 0x1044F), (0x10570, 0x105BF),
    (0x10900, 0x1091F), (0x10E60, 0x10E7F), (0x11000, 0x1107F), (0x11900, 0x1195F),
    (0x12000, 0x123FF), (0x13000, 0x1342F), (0x16FE0, 0x16FFF), (0x1B000, 0x1B16F),
    (0x1D400, 0x1D7FF), (0x1E900, 0x1E95F), (0x1EE00, 0x1EEFF), (0x1F100, 0x1F1FF),
    (0x20000, 0x2A6DF), (0x30000, 0x3134F), (0xE0000, 0xE007F), (0xE0100, 0xE01EF),
)  # fmt: skip
_SPACES = "\t\n\v\f\r \x85\xa0\u1680\u2000\u2003\u2009\u200a\u2028\u2029\u202f\u205f\u3000"
_ALMOST_SPACES = "\u200b\u200c\u200d\u2060\ufeff\u180e\x1c\x1d\x1e\x1f\u2800"
_EDGES = "\x00\x7f\x80\xad\u0600\ud7ff\ue000\uf8ff\ufdd0\ufffc\ufffd\ufffe\uffff" + "".join(
    map(chr, (0x10000, 0x1FFFE, 0x1FFFF, 0xE0001, 0xF0000, 0xFFFFF, 0x10FFFD, 0x10FFFF))
)
_SKIN = [chr(one) for one in range(0x1F3FB, 0x1F400)]
_FACES = [
    chr(one) for one in (*range(0x1F466, 0x1F47A), 0x1F9D1, 0x1F600, 0x1F44B, 0x2764, 0x1F3F3)
]
_CONTRACTIONS = ("'s", "'S", "'\u017f", "'t", "'T", "'re", "'RE", "'Re", "'ve", "'m", "'ll", "'LL",
                 "'lL", "'d", "'D", "'x", "'", "''", "’s", "'r", "'l")  # fmt: skip
_CODE = (
    "def f(x: int) -> int:\n    return x ** 2 + 1\n", "if (a[i] != b[j]) { k++; }\n",
    "\t\tfor (;;) {\n\t\t}\n", "SELECT * FROM t WHERE id=42;", '<a href="x">y</a>', "\\n\\u00e9",
    "https://example.org/a/b?q=1&r=%20#top", "mailto:a.b+c@d.example", "/usr/lib/linux-gnu/",
    "C:\\Program Files\\x", "$HOME/.config", "0xDEADBEEF", "1e-10", "3.14159", "1,000,000",
    "2024-02-29", "12:59:59.999", "+49 (30) 1234567", "π≈3.14", "x²+y³", "½⅓Ⅷ①", "#!/bin/sh",
    "a_b-c.d", "```kotlin\n", '{"key": [null, true, 1.5e3]}', "…—–“quoted”", "%d %s\n",
    "@user #tag", "i++ + ++j", "```\r\n\r\n",
)  # fmt: skip
_COMPOSED = (
    "é", "e\u0301", "\u1e9b\u0323", "한국", "\u1112\u1161\u11ab", "ﬁ", "\u212b", "A\u030a", "ǅ",
    "q\u0307\u0323", "が", "か\u3099", "ｶﾞ", "①", "㍿", "ﷺ", "İ", "ı", "ẞ", "ß", "Σς", "ﬀ", "ŉ",
    "Ω", "\u212a", "Å", "\u0344", "\u0958", "\u0f43", "\ufb1d", "\u2126",
)  # fmt: skip


def special_texts() -> tuple[str, ...]:
    """Tokens that the shapes add, and texts that look like them."""
    return (
        "<|im_start|>", "<|im_end|>", "<|endoftext|>", "<|begin_of_text|>", "<|eot_id|>", "<s>",
        "</s>", "<unk>", "<pad>", "<start_of_turn>", "<end_of_turn>", "[MASK]", "[mask]", "Token",
        "token", "ADDED", "added", "<|im_start|>user\n", "<|im_start", "<|im_end|>\n", "<0x0A>",
        "<0x41>", "▁", "▁▁", "\n\n", "\n\n\n", "<b>", "<image>", "wörd", "ＷＩＤＥ", "  two  ",
    )  # fmt: skip


class Texts:
    """Draws texts; equal seeds give equal texts."""

    def __init__(self, seed: int, real: str) -> None:
        self._random = random.Random(seed)
        self._real = real
        self._special = special_texts()
        self._kinds: tuple[tuple[Callable[[], str], int], ...] = (
            (self.real, 26), (self.script, 20), (self.mixed_scripts, 6), (self.emoji, 7),
            (self.marks, 5), (self.jamo, 3), (self.spaces, 8), (self.edges, 3), (self.code, 8),
            (self.numbers, 4), (self.contractions, 4), (self.special, 8), (self.damaged, 4),
            (self.anywhere, 6), (self.composed, 4), (self.joined, 6), (self.repeated, 2),
        )  # fmt: skip

    def draw(self) -> str:
        kinds, weights = zip(*self._kinds, strict=True)
        return self._random.choices(kinds, weights)[0]()

    def _times(self, most: int, draw: Callable[[], str]) -> str:
        return "".join(draw() for _ in range(self._random.randint(1, most)))

    def _between(self, first: int, last: int) -> str:
        one = self._random.randint(first, last)
        return chr(one) if not 0xD800 <= one < 0xE000 else "\ufffd"

    def _space(self) -> str:
        return self._random.choice(" " * 8 + _SPACES + _ALMOST_SPACES[:3])

    def real(self) -> str:
        start = self._random.randrange(len(self._real))
        return self._real[start : start + self._random.randint(1, 160)]

    def script(self) -> str:
        first, last = self._random.choice(_SCRIPTS)
        words = self._random.randint(1, 5)
        return self._space().join(
            self._times(9, lambda: self._between(first, last)) for _ in range(words)
        )

    def mixed_scripts(self) -> str:
        return self._times(12, lambda: self._between(*self._random.choice(_SCRIPTS)))

    def emoji(self) -> str:
        pick = self._random.choice

        def one() -> str:
            kind = self._random.randrange(6)
            if kind == 0:
                return pick(_FACES) + pick(_SKIN) + "\u200d" + pick(_FACES) + "\ufe0f"
            if kind == 1:
                return "\u200d".join(pick(_FACES) for _ in range(self._random.randint(2, 4)))
            if kind == 2:
                return self._between(0x1F1E6, 0x1F1FF) + self._between(0x1F1E6, 0x1F1FF)
            if kind == 3:
                return pick("0123456789#*") + "\ufe0f\u20e3"
            if kind == 4:
                tags = "".join(chr(0xE0061 + self._random.randrange(26)) for _ in range(5))
                return "\U0001f3f4" + tags + "\U000e007f"
            return self._between(0x1F300, 0x1FAFF) + pick(("", "\ufe0e", "\ufe0f", " ", "!"))

        return self._times(5, one)

    def marks(self) -> str:
        mark = self._random.choice(
            (
                (0x300, 0x36F),
                (0x1AB0, 0x1AFF),
                (0x20D0, 0x20FF),
                (0x591, 0x5BD),
                (0x64B, 0x65F),
                (0xFE00, 0xFE0F),
                (0x93C, 0x94D),
            )
        )
        return self._times(
            6,
            lambda: (
                self._between(*self._random.choice(_SCRIPTS[:20]))
                + self._times(4, lambda: self._between(*mark))
            ),
        )

    def jamo(self) -> str:
        def syllable() -> str:
            parts = self._between(0x1100, 0x1112) + self._between(0x1161, 0x1175)
            return parts + (self._between(0x11A7, 0x11C2) if self._random.random() < 0.5 else "")

        return self._times(
            5,
            lambda: self._random.choice(
                (syllable, lambda: self._between(0xAC00, 0xD7A3), lambda: " ")
            )(),
        )

    def spaces(self) -> str:
        def run() -> str:
            if self._random.random() < 0.5:
                return self._random.choice(" \n\t\r") * self._random.randint(1, 6)
            return self._times(5, lambda: self._random.choice(_SPACES + _ALMOST_SPACES))

        words = ("a", "Word", "1", "!", "é", "字", "", "'s", "_", "\u0301", "٣")
        return self._times(5, lambda: run() + self._random.choice(words))

    def edges(self) -> str:
        controls = "".join(map(chr, (*range(32), *range(0x7F, 0xA0))))
        return self._times(8, lambda: self._random.choice(_EDGES + controls + "ab 1"))

    def code(self) -> str:
        return self._times(
            4, lambda: self._random.choice(_CODE) + self._random.choice(("", " ", "\n"))
        )

    def numbers(self) -> str:
        digits = (
            "0123456789",
            "٠١٢٣٤٥٦٧٨٩",
            "०१२३४५६७८९",
            "０１２３４５６７８９",
            "ⅠⅡⅢⅣ",
            "½¾①②",
            "𝟎𝟙𝟚",
            "〇一二三",
        )
        one = self._random.choice(digits)
        return self._times(
            4,
            lambda: (
                self._times(9, lambda: self._random.choice(one))
                + self._random.choice((" ", ".", ",", "", "a", "\n"))
            ),
        )

    def contractions(self) -> str:
        return self._times(
            4,
            lambda: (
                self._random.choice(("I", "we", " they", "é", "", " ", "1", "!"))
                + self._random.choice(_CONTRACTIONS)
                + self._random.choice(("", " ", "x", "s", "ing"))
            ),
        )

    def special(self) -> str:
        around = ("", " ", "  ", "\n", "a", "é", "1", "\t ", "_", "!")
        return self._times(
            3,
            lambda: (
                self._random.choice(around)
                + self._random.choice(self._special)
                + self._random.choice(around)
            ),
        )

    def damaged(self) -> str:
        source = (
            self.real().encode() if self._random.random() < 0.5 else self.mixed_scripts().encode()
        )
        data = bytearray(source[: self._random.randint(1, 60)])
        for _ in range(self._random.randint(0, 6)):
            data[self._random.randrange(len(data))] = self._random.randrange(256)
        return data.decode("utf-8", "replace")

    def anywhere(self) -> str:
        return self._times(
            10, lambda: self._between(0, 0x10FFFF if self._random.random() < 0.4 else 0x2FFF)
        )

    def composed(self) -> str:
        return self._times(
            6, lambda: self._random.choice(_COMPOSED) + self._random.choice(("", " ", "a"))
        )

    def joined(self) -> str:
        kinds = (
            self.real,
            self.script,
            self.emoji,
            self.spaces,
            self.special,
            self.code,
            self.marks,
        )
        return self._times(3, lambda: self._random.choice(kinds)())

    def repeated(self) -> str:
        part = self._random.choice((*_CODE, *_COMPOSED, "a", " ", "ab", "\n", "=", "字", "🙂", "0"))
        return part * self._random.randint(2, 300 // len(part))


def sweep() -> Iterator[str]:
    """All of the Basic Multilingual Plane and a part of the rest, in rows of neighbours."""
    for first in (*range(0, 0x10000, 64), *range(0x10000, 0x110000, 64 * 37)):
        if not 0xD800 <= first < 0xE000:
            yield "".join(map(chr, range(first, first + 64)))


def real_text(folder: Path | None) -> str:
    """Text to learn from and to ask about: what is in `folder`, else the project's own texts."""
    files = [] if folder is None else sorted(p for p in folder.rglob("*") if p.suffix in _READ)
    if not files:
        files = sorted(
            (
                *_REPOSITORY.glob("*.md"),
                *_REPOSITORY.glob("docs/*.md"),
                *_REPOSITORY.glob("sdk_builder/**/*.py"),
            )
        )
    share = _REAL_CHARS // len(files)
    return "\n".join(file.read_text("utf-8", "replace")[:share] for file in files)


_READ = (".txt", ".csv", ".jsonl", ".md")


def draw_texts(count: int, seed: int, real: str) -> list[str]:
    """`count` different texts, the sweep and the shortest ones among them."""
    drawn = dict.fromkeys(
        ("", " ", "a", "\n", "  ", " a", "a ", "\u0301", "🙂", "<|im_end|>", *sweep())
    )
    texts = Texts(seed, real)
    while len(drawn) < count:
        drawn[texts.draw()] = None
    return list(drawn)[:count]


def unassigned(text: str) -> bool:
    """Some character is unknown to this Python's Unicode."""
    return any(unicodedata.category(one) == "Cn" for one in text)
