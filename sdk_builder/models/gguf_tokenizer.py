"""The tokenizer in a GGUF file's metadata -> a Hugging Face tokenizer.json.

Only byte-level BPE (`tokenizer.ggml.model` = gpt2) is kept whole in GGUF. How text is cut
before merging is named by `tokenizer.ggml.pre` and known to us by that name.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tokenizers import AddedToken, Regex, Tokenizer, decoders, normalizers, processors
from tokenizers import pre_tokenizers as pre
from tokenizers.models import BPE

from sdk_builder.errors import TokenizerError
from sdk_builder.models.config import short
from sdk_builder.models.gguf_file import GgufFile
from sdk_builder.models.tokenizer_assets import TokenizerAssets, make_assets, tokenizer_errors

_NORMAL, _CONTROL, _USER_DEFINED = 1, 3, 4

_LLAMA3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}|"
    r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
_QWEN2 = _LLAMA3.replace(r"\p{N}{1,3}", r"\p{N}")
# llama.cpp's own fallback for files that do not name their pre-tokenizer: each pattern cuts
# what the ones before it left.
_DEFAULT = (
    r"[\p{P}\$\+<=>\^~\|]+",
    r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)",
    r"\p{N}+",
    r"[0-9][0-9][0-9]",
)


def _split(*patterns: str) -> pre.PreTokenizer:
    cuts = [pre.Split(Regex(pattern), "isolated") for pattern in patterns]
    return pre.Sequence([*cuts, pre.ByteLevel(add_prefix_space=False, use_regex=False)])


def _gpt2() -> pre.PreTokenizer:
    return pre.ByteLevel(add_prefix_space=False, use_regex=True)


_PRE_TOKENIZERS = {
    "default": lambda: _split(*_DEFAULT),
    "deepseek-r1-qwen": lambda: _split(_QWEN2),
    "gpt-2": _gpt2,
    "llama-bpe": lambda: _split(_LLAMA3),
    "llama-v3": lambda: _split(_LLAMA3),
    "llama3": lambda: _split(_LLAMA3),
    "qwen2": lambda: _split(_QWEN2),
    "smollm": lambda: pre.Sequence([pre.Digits(individual_digits=True), _gpt2()]),
}
_LLAMA3_NAMES = ("llama-bpe", "llama-v3", "llama3")
_NFC_NAMES = ("qwen2", "deepseek-r1-qwen")


def tokenizer_from_gguf(file: GgufFile, model_vocab_size: int) -> TokenizerAssets:
    """Build the tokenizer of `file`.

    Raises TokenizerError when it is missing, damaged, not byte-level BPE, or unknown.
    """
    meta, path = file.metadata, file.path
    model, name = meta.get("tokenizer.ggml.model"), meta.get("tokenizer.ggml.pre", "default")
    if model != "gpt2":
        raise TokenizerError(
            f"{path}: a tokenizer of type {short(model)} cannot be read from GGUF.",
            "Give the model's tokenizer.json with --tokenizer.",
        )
    if not isinstance(name, str) or name not in _PRE_TOKENIZERS:
        raise TokenizerError(
            f"{path}: the pre-tokenizer {short(name)} is not known.",
            "Give the model's tokenizer.json with --tokenizer.",
        )
    bos_id = _id(meta, "bos_token_id", file)
    eos_ids = [_id(meta, "eos_token_id", file), _id(meta, "eot_token_id", file)]
    add_bos = meta.get("tokenizer.ggml.add_bos_token", name in _LLAMA3_NAMES) is True
    template = meta.get("tokenizer.chat_template")
    with tokenizer_errors(path):
        tokenizer = _build(file, name)
        if add_bos and bos_id is not None:
            bos = tokenizer.id_to_token(bos_id)
            tokenizer.post_processor = processors.TemplateProcessing(
                single=[bos, "$A"], special_tokens=[(bos, bos_id)]
            )
        return make_assets(
            tokenizer,
            path,
            model_vocab_size=model_vocab_size,
            chat_template=template if isinstance(template, str) else None,
            bos_id=bos_id,
            eos_ids=tuple(dict.fromkeys(one for one in eos_ids if one is not None)),
            pad_id=_id(meta, "padding_token_id", file),
            add_bos=add_bos,
        )


def _build(file: GgufFile, name: str) -> Tokenizer:
    tokens = _strings(file, "tokens")
    vocabulary = {token: index for index, token in enumerate(tokens)}
    if len(vocabulary) != len(tokens):
        raise TokenizerError(f"{file.path}: a token comes twice.", "Download the file again.")
    merges = [_pair(merge, file) for merge in _strings(file, "merges")]
    tokenizer = Tokenizer(BPE(vocab=vocabulary, merges=merges, ignore_merges=name in _LLAMA3_NAMES))
    tokenizer.pre_tokenizer = _PRE_TOKENIZERS[name]()
    tokenizer.decoder = decoders.ByteLevel()
    if name in _NFC_NAMES:
        tokenizer.normalizer = normalizers.NFC()
    kinds = _token_types(file, len(tokens))
    tokenizer.add_tokens(
        [
            AddedToken(token, special=kind == _CONTROL, normalized=False)
            for token, kind in zip(tokens, kinds, strict=True)
            if kind in (_CONTROL, _USER_DEFINED) and token
        ]
    )
    return tokenizer


def _pair(merge: str, file: GgufFile) -> tuple[str, str]:
    left, _, right = merge.partition(" ")
    if not left or not right or " " in right:
        raise TokenizerError(f"{file.path}: a merge is not two tokens.", "Download the file again.")
    return left, right


def _strings(file: GgufFile, key: str) -> list[str]:
    value = file.metadata.get(f"tokenizer.ggml.{key}")
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise TokenizerError(
            f"{file.path}: tokenizer.ggml.{key} is missing or damaged.",
            "Download the file again, or give a tokenizer.json with --tokenizer.",
        )
    return value


def _token_types(file: GgufFile, count: int) -> list[int]:
    value = file.metadata.get("tokenizer.ggml.token_type", [_NORMAL] * count)
    if not isinstance(value, list) or len(value) != count:
        raise TokenizerError(
            f"{file.path}: tokenizer.ggml.token_type does not match the tokens.",
            "Download the file again.",
        )
    return value


def _id(meta: Mapping[str, Any], key: str, file: GgufFile) -> int | None:
    value = meta.get(f"tokenizer.ggml.{key}")
    if value is not None and (not isinstance(value, int) or isinstance(value, bool) or value < 0):
        raise TokenizerError(f"{file.path}: tokenizer.ggml.{key} is {short(value)}.")
    return value
