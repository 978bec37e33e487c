"""A preset with seeded random weights, as a Checkpoint: untrained, and marked so.

Each tensor has a generator of its own, seeded from (preset, seed, name): tensors can be made
lazily, in any order, and come out the same.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import torch
from tokenizers import AddedToken, Tokenizer, decoders
from tokenizers import pre_tokenizers as pre
from tokenizers.models import BPE
from torch import Tensor

from sdk_builder.errors import CheckpointError
from sdk_builder.models import layout
from sdk_builder.models.config import ShaktiConfig
from sdk_builder.models.presets import Preset
from sdk_builder.models.source_info import SourceInfo
from sdk_builder.models.tokenizer_assets import TokenizerAssets, make_assets, tokenizer_from_path

WEIGHT_STD = 0.02
SPECIAL_TOKENS = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
CHATML = (
    "{% for message in messages %}"
    "{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)


class PresetCheckpoint:
    """Checkpoint of a preset: normal(0, 0.02) weights, norms 1, from `seed`."""

    def __init__(self, preset: Preset, *, seed: int = 0, tokenizer: Path | None = None) -> None:
        self._preset = preset
        self._seed = seed
        self._tokenizer_path = tokenizer
        self.config = ShaktiConfig(**preset.values)
        self._shapes = layout.parameter_shapes(self.config)
        self.source = SourceInfo(
            kind="preset",
            name=preset.name,
            architecture="shakti",
            family="Shakti",
            licence=None,
            files=(),
            untrained=True,
            seed=seed,
            weight_format="random",
            notes=("Untrained: the weights are random, the answers are noise.",),
        )

    def names(self) -> list[str]:
        """Parameter names in decoder order."""
        return list(self._shapes)

    def tensor(self, name: str) -> Tensor:
        """Make one parameter. Raises CheckpointError for an unknown name."""
        if name not in self._shapes:
            raise CheckpointError(f"{self._preset.name} has no tensor {name}.")
        shape = self._shapes[name]
        if len(shape) == 1:
            return torch.zeros(shape) if name.endswith(".bias") else torch.ones(shape)
        key = f"{self._preset.name}/{self._seed}/{name}".encode()
        generator = torch.Generator().manual_seed(
            int.from_bytes(hashlib.sha256(key).digest()[:8], "little") >> 1
        )
        return torch.empty(shape).normal_(0.0, WEIGHT_STD, generator=generator)

    def tokenizer(self) -> TokenizerAssets:
        """The byte-level tokenizer, or the one given instead. Raises TokenizerError."""
        if self._tokenizer_path is not None:
            return tokenizer_from_path(self._tokenizer_path, self.config.vocab_size)
        return byte_tokenizer(self.config.vocab_size)


def byte_tokenizer(model_vocab_size: int) -> TokenizerAssets:
    """A tokenizer of the special tokens and the 256 bytes: no merges, no unknown text."""
    bytes_as_text = sorted(pre.ByteLevel.alphabet())
    tokens = [*SPECIAL_TOKENS, *bytes_as_text]
    tokenizer = Tokenizer(BPE(vocab={token: i for i, token in enumerate(tokens)}, merges=[]))
    tokenizer.pre_tokenizer = pre.ByteLevel(add_prefix_space=False, use_regex=True)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(
        [AddedToken(token, special=True, normalized=False) for token in SPECIAL_TOKENS]
    )
    return make_assets(
        tokenizer,
        Path("tokenizer.json"),
        model_vocab_size=model_vocab_size,
        chat_template=CHATML,
        bos_id=0,
        eos_ids=(2, 0),
        pad_id=0,
    )
