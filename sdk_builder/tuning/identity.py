"""What judges, and what decides a trial's outcome: the text's tokens and the conditions."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from sdk_builder.errors import InputError, UsageError
from sdk_builder.tuning.records import Conditions
from sdk_builder.tuning.request import TuneRequest

if TYPE_CHECKING:
    from sdk_builder.models.checkpoint import Checkpoint
    from sdk_builder.models.tokenizer_assets import TokenizerAssets

_TOOLS = ("executorch", "torch", "torchao")
# What of this package decides a program's bytes or a trial's figures.
_CODE = (
    *("models", "quantization", "lowering", "pipeline", "runtime", "evaluation", "verify"),
    *("tuning/measure.py", "tuning/trials.py", "tuning/probe.py"),
)


def read_text(request: TuneRequest) -> str:
    """The text that judges. Raises InputError, and UsageError where calibration has seen it."""
    try:
        data = request.text.read_bytes()
        text = data.decode("utf-8")
    except OSError as error:
        raise InputError(f"Cannot read {request.text}: {error.strerror or error}.") from error
    except UnicodeDecodeError as error:
        raise InputError(
            f"{request.text} is not UTF-8 text (byte {error.start}).", "Convert it to UTF-8 first."
        ) from error
    if request.calibration is not None and _digest_of(request.calibration) == _sha256(data):
        raise UsageError(
            f"{request.text} is also the calibration text: a model looks better on what it was "
            "fitted to.",
            "Judge by another text.",
        )
    return text


def encode(assets: TokenizerAssets, text: str, request: TuneRequest) -> list[int]:
    """The first tokens of the text, as a session encodes it. Raises InputError."""
    from tokenizers import Tokenizer

    ids: list[int] = Tokenizer.from_str(assets.json_text).encode(text, add_special_tokens=False).ids
    if assets.add_bos and assets.bos_id is not None and ids[:1] != [assets.bos_id]:
        ids = [assets.bos_id, *ids]
    ids = ids[: request.most_tokens]
    if len(ids) < 2:
        raise InputError("The text has fewer than two tokens.", "Give a longer text.")
    return ids


def conditions_of(
    request: TuneRequest,
    checkpoint: Checkpoint,
    assets: TokenizerAssets,
    ids: Sequence[int],
    window: int,
) -> Conditions:
    source = asdict(checkpoint.source)
    config = checkpoint.config.to_dict()
    return Conditions(
        checkpoint={
            "kind": source["kind"],
            "name": source["name"],
            "files": source["files"],
            "seed": source["seed"],
            "config_sha256": _sha256(repr(sorted(config.items())).encode()),
            "tokenizer_sha256": _sha256(assets.json_text.encode()),
        },
        text_sha256=_sha256(repr(list(ids)).encode()),
        options={
            "tokens": len(ids),
            "window": window,
            "context_length": request.context_length,
            "chunk": request.export.max_chunk,
            "quick": request.quick,
            "calibration_sha256": _digest_of(request.calibration),
        },
        tools={name: version(name) for name in _TOOLS} | _own_tools(),
    )


def _own_tools() -> dict[str, str]:
    """This package's version, and a hash of its code: between releases the version stays."""
    from sdk_builder import __version__

    root = Path(__file__).parents[1]
    digest = hashlib.sha256()
    for path in sorted(path for part in _CODE for path in _sources(root / part)):
        digest.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes())
    return {"shakti-sdk": __version__, "code_sha256": digest.hexdigest()}


def _digest_of(path: Path | None) -> str | None:
    """SHA-256 of a file. Raises InputError."""
    try:
        return None if path is None else _sha256(path.read_bytes())
    except OSError as error:
        raise InputError(f"Cannot read {path}: {error.strerror or error}.") from error


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _sources(path: Path) -> Iterable[Path]:
    return path.rglob("*.py") if path.is_dir() else (path,)
