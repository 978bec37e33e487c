"""Checkpoints in, one decoder out: configuration, presets, readers, transformers model.

Names are loaded when first used: `presets` must be readable without torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sdk_builder.models.checkpoint import Checkpoint, load_model, open_checkpoint
    from sdk_builder.models.config import ShaktiConfig
    from sdk_builder.models.decoder import Attend, Decoder
    from sdk_builder.models.modeling import ShaktiForCausalLM
    from sdk_builder.models.presets import PRESETS, Preset, parameter_count
    from sdk_builder.models.registration import register
    from sdk_builder.models.rope import rope_tables
    from sdk_builder.models.source_info import SourceFile, SourceInfo
    from sdk_builder.models.tokenizer_assets import TokenizerAssets

_HOME = {
    "Attend": "decoder",
    "Checkpoint": "checkpoint",
    "Decoder": "decoder",
    "PRESETS": "presets",
    "Preset": "presets",
    "ShaktiConfig": "config",
    "ShaktiForCausalLM": "modeling",
    "SourceFile": "source_info",
    "SourceInfo": "source_info",
    "TokenizerAssets": "tokenizer_assets",
    "load_model": "checkpoint",
    "open_checkpoint": "checkpoint",
    "parameter_count": "presets",
    "register": "registration",
    "rope_tables": "rope",
}

__all__ = [
    "Attend",
    "Checkpoint",
    "Decoder",
    "PRESETS",
    "Preset",
    "ShaktiConfig",
    "ShaktiForCausalLM",
    "SourceFile",
    "SourceInfo",
    "TokenizerAssets",
    "load_model",
    "open_checkpoint",
    "parameter_count",
    "register",
    "rope_tables",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
