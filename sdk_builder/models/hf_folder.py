"""A Hugging Face folder (config.json and safetensors) as a Checkpoint.

Notation as in `config.py`.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from sdk_builder.errors import CheckpointError
from sdk_builder.models import layout
from sdk_builder.models.config import short
from sdk_builder.models.hf_config import parse_hf_config
from sdk_builder.models.source_info import (
    SourceInfo,
    describe_file,
    first_line,
    require_finite,
    unreadable,
)
from sdk_builder.models.tokenizer_assets import TokenizerAssets, tokenizer_from_path

_DTYPES = {"F64": "fp64", "F32": "fp32", "F16": "fp16", "BF16": "bf16"}
_MAX_JSON_BYTES = 64 << 20
_CARD_CHARACTERS = 4096
_INDEX = "model.safetensors.index.json"
_SINGLE = "model.safetensors"

_SEPARATE = {
    layout.QKV: ("self_attn.q_proj.weight", "self_attn.k_proj.weight", "self_attn.v_proj.weight"),
    layout.QKV_BIAS: ("self_attn.q_proj.bias", "self_attn.k_proj.bias", "self_attn.v_proj.bias"),
    layout.GATE_UP: ("mlp.gate_proj.weight", "mlp.up_proj.weight"),
}


class _Stored(NamedTuple):
    """Where a tensor is and what its header says."""

    file: Path
    shape: tuple[int, ...]
    dtype: str


class HfCheckpoint:
    """Checkpoint of a folder as `save_pretrained` writes it, or of one .safetensors file with
    config.json beside it. Families: llama, mistral without a window, qwen2, shakti.

    Raises CheckpointError when a file is missing or damaged, a field of config.json is not
    supported, or a tensor is missing, left over or of the wrong shape or type.
    """

    def __init__(self, path: Path, *, tokenizer: Path | None = None) -> None:
        if not path.exists():
            raise CheckpointError(f"{path} does not exist.", "Check the path.")
        self._is_folder = path.is_dir()
        self._folder = path if self._is_folder else path.parent
        self._tokenizer_path = tokenizer
        raw = read_json_object(self._folder / "config.json")
        self.config = parse_hf_config(raw, self._folder / "config.json")
        self._family = str(raw["model_type"])
        self._stored = _read_headers(_weight_files(path))
        self._shapes = layout.parameter_shapes(self.config)
        self._check_tensors()

    @property
    def folder(self) -> Path | None:
        """The folder that was opened; None where one file of it was."""
        return self._folder if self._is_folder else None

    @cached_property
    def source(self) -> SourceInfo:
        """Origin (the first access hashes every file that was read)."""
        weights = sorted({stored.file for stored in self._stored.values()})
        sizes: Counter[str] = Counter()
        for stored in self._stored.values():
            sizes[stored.dtype] += torch.Size(stored.shape).numel()
        return SourceInfo(
            kind="safetensors",
            name=self._folder.resolve().name,
            architecture=self._family,
            family=self._family,
            licence=_licence(self._folder / "README.md"),
            files=tuple(describe_file(f) for f in [self._folder / "config.json", *weights]),
            untrained=False,
            seed=None,
            weight_format=_DTYPES[sizes.most_common(1)[0][0]],
        )

    def names(self) -> list[str]:
        """Parameter names in decoder order."""
        return list(self._shapes)

    def tensor(self, name: str) -> Tensor:
        """Read one parameter: float32, fused, contiguous. Raises CheckpointError."""
        if name not in self._shapes:
            raise CheckpointError(f"{self._folder} has no tensor for {name}.")
        result = torch.empty(self._shapes[name])
        row = 0
        for part, rows in self._parts(name):
            self._read_into(part, result[row : row + rows])
            row += rows
        if name == layout.EMBEDDING and self._has_spare_head:
            self._require_same_head(result)
        return result

    def tokenizer(self) -> TokenizerAssets:
        """The folder's tokenizer, or the one given instead. Raises TokenizerError."""
        if self._tokenizer_path is not None:
            return tokenizer_from_path(self._tokenizer_path, self.config.vocab_size)
        return tokenizer_from_path(self._folder, self.config.vocab_size, self.config.eos_token_ids)

    @property
    def _has_spare_head(self) -> bool:
        """The files hold a head, though config.json ties it to the embedding."""
        return self.config.tie_word_embeddings and layout.HEAD in self._stored

    def _parts(self, name: str) -> list[tuple[str, int]]:
        """(name in the files, rows) of the tensors that make Shakti's parameter `name`."""
        found = layout.split_layer(name)
        if found is None or self._family == "shakti":
            return [(name, self._shapes[name][0])]
        layer, rest = found
        names = _SEPARATE.get(rest, (rest,))
        rows = layout.part_rows(self.config, name)
        prefix = layout.layer_prefix(layer)
        return [(prefix + part, count) for part, count in zip(names, rows, strict=True)]

    def _read_into(self, part: str, out: Tensor) -> None:
        stored = self._stored[part]
        try:
            # Opened for each tensor: its pages leave our memory with the handle.
            with safe_open(stored.file, framework="pt") as file:
                out.copy_(file.get_tensor(part))
        except OSError as error:
            raise unreadable(stored.file, error) from error
        except (SafetensorError, RuntimeError) as error:
            raise CheckpointError(
                f"{stored.file}: tensor {part} cannot be read: {first_line(error)}.",
                "The file changed or is damaged; download it again.",
            ) from error
        require_finite(out, part, stored.file)

    def _require_same_head(self, embedding: Tensor) -> None:
        head = torch.empty_like(embedding)
        self._read_into(layout.HEAD, head)
        if not torch.equal(head, embedding):
            raise CheckpointError(
                f"{self._folder / 'config.json'}: tie_word_embeddings is true, but the files hold "
                "an lm_head.weight that differs from the embedding.",
                "Set tie_word_embeddings to false if the head was trained apart.",
            )

    def _check_tensors(self) -> None:
        needed: set[str] = set()
        for name, shape in self._shapes.items():
            for part, rows in self._parts(name):
                needed.add(part)
                self._check_one(part, (rows, *shape[1:]))
        if self._has_spare_head:
            needed.add(layout.HEAD)
            self._check_one(layout.HEAD, self._shapes[layout.EMBEDDING])
        extra = sorted(
            name for name in set(self._stored) - needed if not name.endswith(".inv_freq")
        )
        if extra:
            raise CheckpointError(
                f"{self._stored[extra[0]].file}: tensor {short(extra[0])} is not part of a "
                f"{self._family} model with {self.config.num_hidden_layers} layers as config.json "
                "describes it.",
                "Its weights would be ignored; check config.json.",
            )

    def _check_one(self, part: str, expected: tuple[int, ...]) -> None:
        stored = self._stored.get(part)
        if stored is None:
            raise CheckpointError(
                f"{self._folder}: tensor {part} is missing.", "Download the checkpoint again."
            )
        if stored.shape != expected:
            raise CheckpointError(
                f"{stored.file}: tensor {part} has the shape {stored.shape}, config.json asks for "
                f"{expected}.",
                "The weights and config.json belong to different models.",
            )
        if stored.dtype not in _DTYPES:
            raise CheckpointError(
                f"{stored.file}: tensor {part} is stored as {stored.dtype}, which is not "
                "supported.",
                f"Supported: {', '.join(_DTYPES)}. Export the checkpoint before quantization.",
            )


def read_json_object(path: Path) -> dict[str, Any]:
    """A JSON object from a file of the checkpoint. Raises CheckpointError."""
    try:
        if path.stat().st_size > _MAX_JSON_BYTES:
            raise CheckpointError(f"{path} is larger than {_MAX_JSON_BYTES >> 20} MiB.")
        value = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise unreadable(path, error) from error
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{path} is not valid JSON.", "Download it again.") from error
    if not isinstance(value, dict):
        raise CheckpointError(f"{path} does not hold a JSON object.", "Download it again.")
    return value


def _licence(readme: Path) -> str | None:
    """The licence that a model card names in its first lines, or None."""
    try:
        with readme.open(encoding="utf-8", errors="replace") as file:
            head = file.read(_CARD_CHARACTERS)
    except OSError:
        return None
    front = head.split("---", 2)[1] if head.startswith("---") else ""
    found = re.search(r"^license:[ \t]*([\w.+-]+)", front, re.MULTILINE)
    return found[1] if found else None


def _weight_files(path: Path) -> dict[Path, set[str] | None]:
    """Weight files, each with the tensors to take from it (None: all)."""
    if not path.is_dir():
        return {path: None}
    if (path / _SINGLE).is_file():
        return {path / _SINGLE: None}
    if not (path / _INDEX).is_file():
        hint = "Save it with save_pretrained(), which writes safetensors."
        if any(path.glob("*.bin")):
            hint = "Pickled .bin weights can run code when read. " + hint
        raise CheckpointError(f"{path} has neither {_SINGLE} nor {_INDEX}.", hint)
    weight_map = read_json_object(path / _INDEX).get("weight_map")
    if not isinstance(weight_map, dict) or not weight_map:
        raise CheckpointError(f"{path / _INDEX} has no weight_map.", "Download it again.")
    files: dict[Path, set[str] | None] = {}
    for tensor, name in weight_map.items():
        # A shard lies in the folder itself: an index must not read files elsewhere.
        if not isinstance(name, str) or Path(name).name != name or "\\" in name or "\0" in name:
            raise CheckpointError(
                f"{path / _INDEX} names a shard {short(name)}.", "Download it again."
            )
        files.setdefault(path / name, set()).add(tensor)  # type: ignore[union-attr]
    return files


def _read_headers(files: dict[Path, set[str] | None]) -> dict[str, _Stored]:
    """Shape and type of each tensor; the library checks offsets against the file's size."""
    stored: dict[str, _Stored] = {}
    for path, wanted in files.items():
        try:
            with safe_open(path, framework="pt") as file:
                present = set(file.keys())
                for name in sorted(present if wanted is None else wanted & present):
                    view = file.get_slice(name)
                    stored[name] = _Stored(path, tuple(view.get_shape()), view.get_dtype())
        except OSError as error:
            raise unreadable(path, error) from error
        except (SafetensorError, RuntimeError, ValueError) as error:
            raise CheckpointError(
                f"{path} is damaged: {first_line(error)}.",
                "Download it again and compare its SHA-256.",
            ) from error
        for name in sorted((wanted or set()) - present):
            raise CheckpointError(
                f"{path}: tensor {short(name)} is missing, though the index places it there.",
                "Download the checkpoint again.",
            )
    return stored
