"""Tokenizers of the kinds that models have, trained small, and chance compositions of parts."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tokenizers import Regex, Tokenizer, decoders, normalizers, pre_tokenizers, trainers
from tokenizers.models import BPE

Json = dict[str, Any]

GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
LLAMA3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}|"
    r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
QWEN2 = LLAMA3.replace(r"\p{N}{1,3}", r"\p{N}")
LLAMA_CPP = (r"[\p{P}\$\+<=>\^~\|]+", GPT2.removesuffix(r"|\s+"), r"\p{N}+", "[0-9][0-9][0-9]")
PATTERNS = (
    GPT2,
    LLAMA3,
    QWEN2,
    *LLAMA_CPP,
    r"\p{N}",
    r"\p{N}{1,3}",
    r"\s+",
    GPT2.replace(r"'s|'t|'re|'ve|'m|'ll|'d", r"'(?:[sdmt]|ll|ve|re)"),
)
BEHAVIORS = ("Removed", "Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous")

# What the pieces of a stream are compared with.
LIBRARY_PIECES = "library"  # those of DecodeStream, which come at the same time or later
ROW_PIECES = "rows"  # a row of bytes comes when it is over: DecodeStream might take it back
NO_PIECES = "none"


@dataclass(frozen=True)
class Shape:
    """A tokenizer.json with what is asked of it.

    forms: the Unicode forms that its normalizer makes, and "lower".
    """

    name: str
    json: Json
    stream: str
    forms: tuple[str, ...] = ()

    def tokenizer(self) -> Tokenizer:
        return Tokenizer.from_str(json.dumps(self.json))


def added(content: str, *, special: bool = True, **settings: bool) -> Json:
    base = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": not special}
    return {"id": 0, "content": content, **base, **settings, "special": special}


def _split(*patterns: str, last: pre_tokenizers.PreTokenizer) -> pre_tokenizers.PreTokenizer:
    cuts = [pre_tokenizers.Split(Regex(pattern), "isolated") for pattern in patterns]
    return pre_tokenizers.Sequence([*cuts, last])


def _bytes(use_regex: bool) -> pre_tokenizers.PreTokenizer:
    return pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=use_regex)


def _byte_level(
    name: str,
    lines: list[str],
    pre: pre_tokenizers.PreTokenizer,
    normalizer: normalizers.Normalizer | None = None,
    **settings: Any,
) -> Shape:
    tokenizer = Tokenizer(BPE())
    tokenizer.pre_tokenizer = pre
    tokenizer.decoder = decoders.ByteLevel()
    if normalizer is not None:
        tokenizer.normalizer = normalizer
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    tokenizer.train_from_iterator(
        lines,
        trainers.BpeTrainer(vocab_size=6000, show_progress=False, initial_alphabet=alphabet),
    )
    made = json.loads(tokenizer.to_str())
    made["model"].update(settings)
    specials = ("<|endoftext|>", "<|begin_of_text|>", "<|im_start|>", "<|im_end|>", "<|eot_id|>")
    made["added_tokens"] = [added(one) for one in specials]
    return Shape(name, made, LIBRARY_PIECES)


def _sentence_piece(lines: list[str], learn: pre_tokenizers.PreTokenizer) -> Json:
    """BPE with byte tokens whose words begin with ▁; `learn` cuts for the training only."""
    tokens = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))]
    tokenizer = Tokenizer(BPE(unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    tokenizer.normalizer = normalizers.Replace(" ", "▁")
    tokenizer.pre_tokenizer = learn
    trainer = trainers.BpeTrainer(
        vocab_size=6000, show_progress=False, special_tokens=tokens, limit_alphabet=300
    )
    tokenizer.train_from_iterator(lines, trainer)
    made: Json = json.loads(tokenizer.to_str())
    made["added_tokens"] = [added(one) for one in tokens[:3]]
    return made


_REPLACE: Json = {"type": "Replace", "pattern": {"String": "▁"}, "content": " "}
_FUSED = [_REPLACE, {"type": "ByteFallback"}, {"type": "Fuse"}]
_STRIPPED = [*_FUSED, {"type": "Strip", "content": " ", "start": 1, "stop": 0}]
_MARK = {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}


def _old_merges(made: Json) -> Json:
    """The spelling of merges before tokenizers 0.20."""
    made["model"]["merges"] = [" ".join(pair) for pair in made["model"]["merges"]]
    return made


def named_shapes(lines: list[str]) -> list[Shape]:
    """The tokenizers of known model families, but for their words."""
    return [*_byte_level_shapes(lines), *_sentence_piece_shapes(lines)]


def _byte_level_shapes(lines: list[str]) -> list[Shape]:
    digits = pre_tokenizers.Digits(individual_digits=True)
    llama3 = _byte_level("llama3", lines, _split(LLAMA3, last=_bytes(False)), ignore_merges=True)
    llama3.json["post_processor"] = _begin_of_text()
    qwen2 = _byte_level("qwen2", lines, _split(QWEN2, last=_bytes(False)), normalizers.NFC())
    gpt2 = _byte_level("gpt2", lines, _bytes(True))
    return [
        llama3,
        Shape("qwen2", qwen2.json, LIBRARY_PIECES, ("NFC",)),
        Shape("gpt2", _old_merges(gpt2.json), LIBRARY_PIECES),
        _byte_level("smollm", lines, pre_tokenizers.Sequence([digits, _bytes(True)])),
        _byte_level("llama.cpp", lines, _split(*LLAMA_CPP, last=_bytes(False))),
    ]


def _begin_of_text() -> Json:
    token = "<|begin_of_text|>"
    template = [
        {"SpecialToken": {"id": token, "type_id": 0}},
        {"Sequence": {"id": "A", "type_id": 0}},
    ]
    byte_level = {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": False}
    begin = {
        "type": "TemplateProcessing",
        "single": template,
        "pair": template,
        "special_tokens": {token: {"id": token, "ids": [0], "tokens": [token]}},
    }
    return {"type": "Sequence", "processors": [{**byte_level, "use_regex": True}, begin]}


def _sentence_piece_shapes(lines: list[str]) -> list[Shape]:
    base = _sentence_piece(lines, pre_tokenizers.Split("▁", "merged_with_next"))
    llama2, metaspace, gemma = (copy.deepcopy(base) for _ in range(3))
    llama2.update(
        normalizer={
            "type": "Sequence",
            "normalizers": [{"type": "Prepend", "prepend": "▁"}, _MARK],
        },
        pre_tokenizer=None,
        decoder={"type": "Sequence", "decoders": _STRIPPED},
    )
    metaspace.update(
        normalizer=None,
        pre_tokenizer={
            "type": "Metaspace",
            "replacement": "▁",
            "prepend_scheme": "first",
            "split": False,
        },
        decoder={"type": "Sequence", "decoders": _STRIPPED},
    )
    gemma["added_tokens"] += [
        *(added(one) for one in ("<pad>", "<start_of_turn>", "<end_of_turn>", "<b>")),
        *(added("\n" * n, special=False, normalized=False) for n in range(1, 9)),
        *(added("▁" * n, special=False, normalized=False) for n in range(2, 9)),
    ]
    gemma.update(
        normalizer=_MARK,
        pre_tokenizer={
            "type": "Split",
            "pattern": {"String": " "},
            "behavior": "MergedWithPrevious",
            "invert": False,
        },
        decoder={"type": "Sequence", "decoders": _FUSED},
    )
    return [
        Shape("llama2", _old_merges(llama2), ROW_PIECES),
        Shape("llama2-metaspace", metaspace, ROW_PIECES),
        Shape("gemma", gemma, ROW_PIECES),
    ]


class Compositions:
    """Tokenizers put together from all parts that the app knows, at random."""

    def __init__(self, seed: int, shapes: list[Shape]) -> None:
        self._random = random.Random(seed)
        by_name = {shape.name: shape.json for shape in shapes}
        self._bytes, self._marks = by_name["gpt2"], by_name["llama2"]

    def draw(self, count: int) -> Iterator[Shape]:
        for index in range(count):
            made, forms = self._one()
            yield Shape(f"chance-{index:03}", made, NO_PIECES, forms)

    def _one(self) -> tuple[Json, tuple[str, ...]]:
        chance = self._random.random
        steps, forms = self._normalizer()
        in_bytes = chance() < 0.6
        made = dict(self._bytes if in_bytes else self._marks)
        made["model"] = {
            **made["model"],
            "ignore_merges": chance() < 0.3,
            "fuse_unk": chance() < 0.5,
        }
        if not in_bytes:
            made["model"]["byte_fallback"] = chance() < 0.6
            made["model"]["unk_token"] = "<unk>" if chance() < 0.7 else None
            if chance() < 0.5:
                made["model"]["vocab"] = self._without_some_bytes(made["model"]["vocab"])
        cuts = [self._pre_tokenizer() for _ in range(self._random.randint(0, 2))]
        if in_bytes:
            cuts.append(self._byte_level())
        normalizer = self._sequence("normalizers", steps)
        made.update(
            normalizer=normalizer,
            pre_tokenizer=self._sequence("pretokenizers", cuts),
            decoder=self._decoder(in_bytes),
            added_tokens=self._added(normalizer),
        )
        return made, forms

    def _without_some_bytes(self, vocabulary: dict[str, int]) -> dict[str, int]:
        """So that characters fall back to the unknown token among others that do to bytes."""
        gone = {f"<0x{byte:02X}>" for byte in self._random.sample(range(0x80, 0x100), 40)}
        return {(f"gone {one}" if one in gone else one): at for one, at in vocabulary.items()}

    def _sequence(self, key: str, steps: list[Json]) -> Json | None:
        if len(steps) == 1 and self._random.random() < 0.5:
            return steps[0]
        return {"type": "Sequence", key: steps} if steps else None

    def _normalizer(self) -> tuple[list[Json], tuple[str, ...]]:
        steps: list[Json] = []
        forms = []
        for _ in range(self._random.choice((0, 0, 1, 1, 2, 3))):
            kind = self._random.randrange(6)
            if kind == 0:
                forms.append(self._random.choice(("NFC", "NFD", "NFKC", "NFKD")))
                steps.append({"type": forms[-1]})
            elif kind == 1:
                forms.append("lower")
                steps.append({"type": "Lowercase"})
            elif kind == 2:
                steps.append({"type": "Prepend", "prepend": self._random.choice(("▁", " ", "xy"))})
            elif kind == 3:
                left, right = self._random.choice(((True, True), (True, False), (False, True)))
                steps.append({"type": "Strip", "strip_left": left, "strip_right": right})
            else:
                old = self._random.choice((" ", "  ", "a", "é", "th", "\n"))
                new = self._random.choice(("▁", " ", "", "xyz"))
                steps.append({"type": "Replace", "pattern": {"String": old}, "content": new})
        return steps, tuple(forms)

    def _pre_tokenizer(self) -> Json:
        flag = self._random.random() < 0.5
        kind = self._random.randrange(6)
        if kind == 0:
            return {"type": "Digits", "individual_digits": flag}
        if kind == 1:
            return {"type": "Whitespace"} if flag else {"type": "WhitespaceSplit"}
        if kind == 2:
            scheme = self._random.choice(("first", "never", "always"))
            return {
                "type": "Metaspace",
                "replacement": self._random.choice("▁_"),
                "prepend_scheme": scheme,
                "split": flag,
            }
        behavior = self._random.choice(BEHAVIORS)
        kind_of, text = self._random.choice(
            [*(("Regex", one) for one in PATTERNS), *(("String", one) for one in (" ", "the", "▁"))]
        )
        return {"type": "Split", "pattern": {kind_of: text}, "behavior": behavior, "invert": flag}

    def _byte_level(self) -> Json:
        return {
            "type": "ByteLevel",
            "add_prefix_space": self._random.random() < 0.5,
            "trim_offsets": True,
            "use_regex": self._random.random() < 0.5,
        }

    def _decoder(self, in_bytes: bool) -> Json | None:
        if self._random.random() < 0.1:
            return None
        byte_level: Json = {
            "type": "ByteLevel",
            "add_prefix_space": True,
            "trim_offsets": True,
            "use_regex": True,
        }
        steps: list[Json] = [byte_level] if in_bytes else [_REPLACE, {"type": "ByteFallback"}]
        extra: list[Json] = [
            {"type": "Fuse"},
            {
                "type": "Replace",
                "pattern": {"String": self._random.choice(("th", "  ", "aa", "e"))},
                "content": self._random.choice(("", "Z", "th")),
            },
            {
                "type": "Strip",
                "content": self._random.choice(" ▁e"),
                "start": self._random.randint(0, 3),
                "stop": 0,
            },
            {
                "type": "Metaspace",
                "replacement": "▁",
                "split": True,
                "prepend_scheme": self._random.choice(("first", "never", "always")),
            },
        ]
        for _ in range(self._random.randint(0, 3)):
            steps.insert(self._random.randint(0, len(steps)), self._random.choice(extra))
        return self._sequence("decoders", steps)

    def _added(self, normalizer: Json | None) -> list[Json]:
        """Tokens that the library can live with: it does not bear those that normalize to the same
        or to nothing, nor white space that another one may have stripped.
        """
        chance = self._random.random
        contents = self._random.sample(_CONTENTS, self._random.randint(0, 6))
        strips = chance() < 0.6
        normalize = Tokenizer.from_str(
            json.dumps({**self._bytes, "normalizer": normalizer, "added_tokens": []})
        ).normalizer
        forms = [one if normalize is None else normalize.normalize_str(one) for one in contents]
        return [
            added(
                one,
                special=chance() < 0.5,
                normalized=chance() < 0.4,
                single_word=chance() < 0.3,
                lstrip=strips and chance() < 0.5,
                rstrip=strips and chance() < 0.5,
            )
            for one, form in zip(contents, forms, strict=True)
            if form and forms.count(form) == 1 and not (strips and (one + form)[0].isspace())
        ]


_CONTENTS = (
    "<|im_start|>",
    "<|im_end|>",
    "<s>",
    "[MASK]",
    "Token",
    "token",
    "added",
    "wörd",
    "ＷＩＤＥ",
    "\n\n",
    "▁▁",
    "é",
    "a",
    "  two  ",
    "the",
)
