"""What preference stages need of a model: no dropout, and a copy of how it was."""

from __future__ import annotations

import copy

from sdk_builder.models.decoder import DecoderLayer
from sdk_builder.models.modeling import ShaktiForCausalLM


def without_dropout(model: ShaktiForCausalLM) -> None:
    """Take dropout off, as trl does with modules of dropout (Shakti has none): the likelihoods of
    one text by the model and its reference are to differ by their weights alone."""
    model.config.attention_dropout = 0.0  # what is saved, `save_model` takes from the checkpoint
    for layer in model.modules():
        if isinstance(layer, DecoderLayer):
            layer.dropout = 0.0


def reference_of(model: ShaktiForCausalLM) -> ShaktiForCausalLM:
    """A frozen copy."""
    return copy.deepcopy(model).eval().requires_grad_(False)
