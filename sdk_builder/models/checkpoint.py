"""Open any supported checkpoint under one interface, and fill the model from it.

A checkpoint gives Shakti's own parameter names (`layout.py`), float32 and fused, one tensor
at a time, so that callers never hold more than what they build plus one tensor.
"""

from __future__ import annotations

from contextlib import suppress
from copy import deepcopy
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import torch
from torch import Tensor, nn

from sdk_builder.errors import CheckpointError, UnknownModelError, UsageError
from sdk_builder.models.config import ShaktiConfig, short
from sdk_builder.models.presets import PRESETS, nearest_name
from sdk_builder.models.source_info import SourceInfo
from sdk_builder.models.sources import fetch, find_source, known_names
from sdk_builder.models.tokenizer_assets import TokenizerAssets

if TYPE_CHECKING:
    from sdk_builder.models.modeling import ShaktiForCausalLM


class Parameters(Protocol):
    """What a model is filled from: all that `load_model` needs."""

    @property
    def config(self) -> ShaktiConfig: ...

    def names(self) -> list[str]:
        """Parameter names in decoder order."""
        ...

    def tensor(self, name: str) -> Tensor:
        """A new contiguous float32 tensor, read from the file at each call.

        Raises CheckpointError when it is missing, truncated or not finite.
        """
        ...


class Checkpoint(Parameters, Protocol):
    """A checkpoint of any kind. Opening it reads headers only."""

    @property
    def source(self) -> SourceInfo:
        """Origin; the first access reads all files to hash them."""
        ...

    def tokenizer(self) -> TokenizerAssets:
        """Raises TokenizerError when there is none or it does not fit the vocabulary."""
        ...


def open_checkpoint(
    model: str, *, seed: int | None = None, tokenizer: Path | None = None
) -> Checkpoint:
    """Open a preset or source by name, or a folder / .safetensors / .gguf file by path.

    A known name goes before a folder of that name; "./name" is always a path.

    seed: of a preset's untrained weights (default 0).
    tokenizer: a folder or tokenizer.json to use instead of the checkpoint's own.

    Raises UnknownModelError (with the nearest known name), CheckpointError, UsageError for a
    seed where the checkpoint has weights of its own, and what `sources.fetch` raises.
    """
    preset = PRESETS.get(model.casefold())
    if preset is not None:
        from sdk_builder.models.preset_checkpoint import PresetCheckpoint

        return PresetCheckpoint(preset, seed=seed or 0, tokenizer=tokenizer)
    if seed is not None:
        raise UsageError(
            f"{model} has weights of its own: a seed has no meaning for it.",
            "Leave the seed out, or choose a preset.",
        )
    source = find_source(model)
    if source is not None:
        from sdk_builder.models.gguf_reader import GgufCheckpoint

        return GgufCheckpoint(
            fetch(source),
            tokenizer=tokenizer,
            family=source.family,
            licence=source.licence,
            name=source.name,
        )
    return _open_path(model, tokenizer)


def _open_path(model: str, tokenizer: Path | None) -> Checkpoint:
    path = Path(model)
    with suppress(RuntimeError):  # no such user
        path = path.expanduser()
    is_folder, is_file = _what_is(path) if model else (False, False)
    if is_folder or path.suffix == ".safetensors":
        from sdk_builder.models.hf_folder import HfCheckpoint

        return HfCheckpoint(path, tokenizer=tokenizer)
    if is_file or path.suffix.lower() == ".gguf":
        from sdk_builder.models.gguf_reader import GgufCheckpoint

        return GgufCheckpoint(path, tokenizer=tokenizer)
    names = known_names()
    nearest = nearest_name(model, names)
    raise UnknownModelError(
        f"No model, folder or file is called {short(model)}.",
        f"Did you mean {nearest}?" if nearest else f"Known names: {', '.join(names)}.",
        nearest=nearest,
    )


def _what_is(path: Path) -> tuple[bool, bool]:
    """(is a folder, is a file); names that the system cannot even look up are neither."""
    try:
        return path.is_dir(), path.is_file()
    except (OSError, ValueError):
        return False, False


def load_model(checkpoint: Parameters, dtype: torch.dtype = torch.float32) -> ShaktiForCausalLM:
    """The whole model in `dtype`, in evaluation mode; quantized parameters stay as they are.

    Parameters are made without memory and filled one by one, so the peak is the model plus
    one tensor. Raises CheckpointError.
    """
    from sdk_builder.models.modeling import ShaktiForCausalLM

    with torch.device("meta"):
        # A copy: trainers change it, and the checkpoint is told apart by its own.
        model = ShaktiForCausalLM(deepcopy(checkpoint.config))
    for name in checkpoint.names():
        value = checkpoint.tensor(name)
        _assign(model, name, value.to(dtype) if type(value) is Tensor else value)
    if checkpoint.config.tie_word_embeddings:
        model.lm_head.weight = model.model.embed_tokens.weight
    missing = [name for name, value in model.named_parameters() if value.is_meta]
    if missing:
        raise CheckpointError(f"The checkpoint has no tensor for {missing[0]}.")
    return model.eval()


def _assign(model: nn.Module, name: str, value: Tensor) -> None:
    owner, _, leaf = name.rpartition(".")
    module = model.get_submodule(owner)
    expected = getattr(module, leaf).shape
    if value.shape != expected:
        raise CheckpointError(
            f"{name} has shape {tuple(value.shape)}, the model needs {tuple(expected)}."
        )
    # Tensor subclasses hold quantized weights, which no gradient can change.
    setattr(module, leaf, nn.Parameter(value, requires_grad=type(value) is Tensor))
