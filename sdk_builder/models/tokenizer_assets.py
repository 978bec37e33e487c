"""What a bundle needs of a tokenizer: tokenizer.json text, special ids, chat template."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from sdk_builder.errors import TokenizerError
from sdk_builder.models.config import short
from sdk_builder.models.source_info import first_line

BYTE_LEVEL = "bpe-byte-level"
BYTE_FALLBACK = "bpe-byte-fallback"

_MAX_FILE_BYTES = 256 << 20


@dataclass(frozen=True)
class TokenizerAssets:
    """A tokenizer, as text and ids.

    kind: BYTE_LEVEL or BYTE_FALLBACK, the two that the app implements.
    eos_ids / eos_tokens: every id that ends generation, and their texts, in the same order.
    add_bos: encoding a prompt starts with the bos id.
    vocab_size: highest id + 1 (may be less than the model's).
    """

    json_text: str
    kind: str
    chat_template: str | None
    bos_token: str | None
    bos_id: int | None
    eos_tokens: tuple[str, ...]
    eos_ids: tuple[int, ...]
    pad_token: str | None
    pad_id: int | None
    vocab_size: int
    add_bos: bool
    sha256: str = field(init=False)

    def __post_init__(self) -> None:
        digest = hashlib.sha256(self.json_text.encode("utf-8")).hexdigest()
        object.__setattr__(self, "sha256", digest)


@contextmanager
def tokenizer_errors(path: Path) -> Iterator[None]:
    """Turn whatever the tokenizers library raises about `path` into a TokenizerError."""
    try:
        yield
    except (TokenizerError, KeyboardInterrupt, SystemExit, MemoryError):
        raise
    except BaseException as error:  # its Rust panics do not derive from Exception
        raise TokenizerError(
            f"{path}: the tokenizer cannot be read: {first_line(error)}.",
            "Download it again, or give another tokenizer.",
        ) from error


def make_assets(
    tokenizer: Tokenizer,
    path: Path,
    *,
    model_vocab_size: int,
    json_text: str | None = None,
    chat_template: str | None = None,
    bos_id: int | None = None,
    eos_ids: tuple[int, ...] = (),
    pad_id: int | None = None,
    add_bos: bool = False,
) -> TokenizerAssets:
    """Check a tokenizer against the model and describe it (`path` is for messages).

    Raises TokenizerError when an id does not fit `model_vocab_size`, a special id has no
    token, or the tokenizer is of a kind that the app cannot run.
    """
    text = tokenizer.to_str() if json_text is None else json_text
    highest = max(tokenizer.get_vocab(with_added_tokens=True).values(), default=-1)
    if not 0 <= highest < model_vocab_size:
        raise TokenizerError(
            f"{path}: the tokenizer has ids up to {highest}, the model only {model_vocab_size} "
            "rows in its embedding.",
            "Give the tokenizer that belongs to this model.",
        )

    def token(token_id: int | None, what: str) -> str | None:
        found = None if token_id is None else tokenizer.id_to_token(token_id)
        if token_id is not None and found is None:
            raise TokenizerError(f"{path}: {what} id {token_id} has no token.")
        return found

    eos_tokens = tuple(token(one, "end-of-text") or "" for one in eos_ids)
    if add_bos and bos_id is None:
        raise TokenizerError(f"{path}: prompts must start with a bos token, but none is named.")
    return TokenizerAssets(
        json_text=text,
        kind=_kind(json.loads(text), path),
        chat_template=chat_template or None,
        bos_token=token(bos_id, "bos"),
        bos_id=bos_id,
        eos_tokens=eos_tokens,
        eos_ids=eos_ids,
        pad_token=token(pad_id, "padding"),
        pad_id=pad_id,
        vocab_size=highest + 1,
        add_bos=add_bos,
    )


def tokenizer_from_path(
    path: Path, model_vocab_size: int, config_eos_ids: tuple[int, ...] = ()
) -> TokenizerAssets:
    """Tokenizer of a Hugging Face folder, or of a tokenizer.json with what lies beside it.

    config_eos_ids: further end-of-text ids, from the model's own configuration.
    Raises TokenizerError.
    """
    folder = path if path.is_dir() else path.parent
    file = path / "tokenizer.json" if path.is_dir() else path
    if not file.is_file():
        raise TokenizerError(
            f"{path} has no tokenizer.json.",
            "Save the model's fast tokenizer there, or give one with --tokenizer.",
        )
    text = _read_text(file)
    settings = _read_object(folder / "tokenizer_config.json")
    special = {**_read_object(folder / "special_tokens_map.json"), **settings}
    generation = _read_object(folder / "generation_config.json")
    with tokenizer_errors(file):
        tokenizer = Tokenizer.from_str(text)
        if tokenizer.truncation is not None or tokenizer.padding is not None:
            # Leftovers of training: they would cut prompts silently.
            tokenizer.no_truncation()
            tokenizer.no_padding()
            text = tokenizer.to_str()
        bos_id = _id_of(tokenizer, special.get("bos_token"), "bos_token", folder)
        eos_id = _id_of(tokenizer, special.get("eos_token"), "eos_token", folder)
        named = (*_ids(generation.get("eos_token_id"), folder), *config_eos_ids)
        eos_ids = tuple(dict.fromkeys((*named, *(() if eos_id is None else (eos_id,)))))
        add_bos, bos_id = _bos(tokenizer, bos_id)
        return make_assets(
            tokenizer,
            file,
            model_vocab_size=model_vocab_size,
            json_text=text,
            chat_template=_chat_template(folder, settings),
            bos_id=bos_id,
            eos_ids=eos_ids,
            pad_id=_id_of(tokenizer, special.get("pad_token"), "pad_token", folder),
            add_bos=add_bos,
        )


def _bos(tokenizer: Tokenizer, bos_id: int | None) -> tuple[bool, int | None]:
    """(prompts start with bos, its id).

    The post-processor decides, so we encode something; like transformers 5 we do not ask
    `add_bos_token` of tokenizer_config.json.
    """
    plain = tokenizer.encode("a", add_special_tokens=False).ids
    framed = tokenizer.encode("a").ids
    if len(framed) > len(plain) and framed[0] not in plain[:1]:
        return True, framed[0]
    return False, bos_id


def _kind(raw: Mapping[str, Any], path: Path) -> str:
    model = raw.get("model") or {}
    if model.get("dropout"):
        raise TokenizerError(
            f"{path}: the tokenizer has dropout: the same text would get other ids each time.",
            'Set "dropout" to null in tokenizer.json.',
        )
    if model.get("type") == "BPE":
        if model.get("byte_fallback"):
            return BYTE_FALLBACK
        if "ByteLevel" in json.dumps([raw.get("pre_tokenizer"), raw.get("decoder")]):
            return BYTE_LEVEL
    raise TokenizerError(
        f"{path}: tokenizers of type {short(model.get('type'))} are not supported.",
        "Supported: byte-level BPE and byte-fallback BPE.",
    )


def _chat_template(folder: Path, settings: Mapping[str, Any]) -> str | None:
    file = folder / "chat_template.jinja"
    if file.is_file():
        return _read_text(file)
    template = settings.get("chat_template")
    if isinstance(template, list):
        named = {t.get("name"): t.get("template") for t in template if isinstance(t, dict)}
        template = named.get("default")
    return template if isinstance(template, str) else None


def _id_of(tokenizer: Tokenizer, token: object, what: str, folder: Path) -> int | None:
    content = token.get("content") if isinstance(token, dict) else token
    if content is None:
        return None
    found = tokenizer.token_to_id(content) if isinstance(content, str) else None
    if found is None:
        raise TokenizerError(
            f"{folder}: {what} {short(content)} is not in the tokenizer's vocabulary.",
            "tokenizer.json and tokenizer_config.json belong to different models.",
        )
    return found


def _ids(value: object, folder: Path) -> tuple[int, ...]:
    many = value if isinstance(value, list) else [] if value is None else [value]
    if not all(isinstance(one, int) and not isinstance(one, bool) and one >= 0 for one in many):
        raise TokenizerError(f"{folder}: eos_token_id {short(value)} in generation_config.json.")
    return tuple(many)


def _read_text(path: Path) -> str:
    try:
        if path.stat().st_size > _MAX_FILE_BYTES:
            raise TokenizerError(f"{path} is larger than {_MAX_FILE_BYTES >> 20} MiB.")
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise TokenizerError(f"Cannot read {path}: {error.strerror or error}.") from error
    except UnicodeDecodeError as error:
        raise TokenizerError(f"{path} is not UTF-8 text.", "Download it again.") from error


def _read_object(path: Path) -> dict[str, Any]:
    """A JSON object, or {} when there is no such file."""
    if not path.is_file():
        return {}
    try:
        value = json.loads(_read_text(path))
    except (ValueError, RecursionError) as error:
        raise TokenizerError(f"{path} is not valid JSON.", "Download it again.") from error
    if not isinstance(value, dict):
        raise TokenizerError(f"{path} does not hold a JSON object.", "Download it again.")
    return value
