"""The model of a run: opened from any checkpoint, and written so that it can be exported."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer
from transformers import PreTrainedTokenizerBase, PreTrainedTokenizerFast, Trainer

from sdk_builder.models.checkpoint import Checkpoint, load_model, open_checkpoint
from sdk_builder.models.config import ShaktiConfig
from sdk_builder.models.modeling import ShaktiForCausalLM
from sdk_builder.models.presets import PRESETS
from sdk_builder.models.source_info import SourceInfo
from sdk_builder.models.tokenizer_assets import TokenizerAssets
from sdk_builder.training.settings import StageSettings
from sdk_builder.training.sharding import is_sharded, whole


@dataclass(frozen=True)
class Opened:
    """A checkpoint whose header was read; weights are not.

    config: a copy, since trainers change the one that the model holds.
    """

    checkpoint: Checkpoint
    assets: TokenizerAssets
    config: ShaktiConfig

    @property
    def source(self) -> SourceInfo:
        """Origin; the first access hashes the files."""
        return self.checkpoint.source


def open_model(settings: StageSettings) -> Opened:
    """Raises UnknownModelError, CheckpointError, TokenizerError."""
    is_preset = settings.model.casefold() in PRESETS
    checkpoint = open_checkpoint(
        settings.model,
        seed=settings.seed if is_preset else None,
        tokenizer=settings.tokenizer,
    )
    return Opened(checkpoint, checkpoint.tokenizer(), deepcopy(checkpoint.config))


def load_weights(opened: Opened) -> ShaktiForCausalLM:
    """The whole model in float32. Raises CheckpointError."""
    return load_model(opened.checkpoint, torch.float32)


def make_tokenizer(assets: TokenizerAssets) -> PreTrainedTokenizerBase:
    """The tokenizer as transformers has it, with the chat template. Padding is the end of text
    where the checkpoint names none: trainers mask it."""
    pad = assets.pad_token or (assets.eos_tokens[-1] if assets.eos_tokens else None)
    return PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer.from_str(assets.json_text),
        bos_token=assets.bos_token,
        eos_token=assets.eos_tokens[0] if assets.eos_tokens else None,
        pad_token=pad,
        chat_template=assets.chat_template,
        clean_up_tokenization_spaces=False,
    )


def unwrapped(trainer: Trainer) -> Any:
    """The module that is trained, out of what compiled it or spread it over processes.

    Of a sharded one, every process has to ask, and the first one alone gets the weights.
    """
    if is_sharded(trainer.model):
        return whole(trainer)
    return trainer.accelerator.unwrap_model(trainer.model, keep_torch_compile=False)


def save_model(
    model: ShaktiForCausalLM,
    tokenizer: PreTrainedTokenizerBase,
    config: ShaktiConfig,
    dtype: torch.dtype,
    folder: Path,
) -> None:
    """Weights in `dtype`, configuration and tokenizer as `save_pretrained` writes them.

    config: of the checkpoint that training began with, whose special tokens, cache and dropout hold
    again; trainers change them for themselves. Raises OSError, SafetensorError.
    """
    for name in ("bos_token_id", "eos_token_id", "pad_token_id", "use_cache", "attention_dropout"):
        setattr(model.config, name, getattr(config, name))
        if name.endswith("_id") and model.generation_config is not None:
            setattr(model.generation_config, name, getattr(config, name))
    model.to(dtype).save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def dtype_of(source: SourceInfo) -> torch.dtype:
    """bf16 where the source's weights are, else float32."""
    return torch.bfloat16 if source.weight_format.casefold() == "bf16" else torch.float32
