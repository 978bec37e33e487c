"""One layer at a time gives what the whole model gives."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from sdk_builder.models.checkpoint import load_model
from sdk_builder.models.config import ShaktiConfig
from sdk_builder.models.layout import parameter_shapes
from sdk_builder.models.streamed import streamed_logits
from sdk_builder.quantization.formats import FLOAT, INT8
from sdk_builder.quantization.tensors import quantize

SEQUENCES = [[1, 2, 3, 4, 5], [9], [7, 8, 7]]


class Random:
    """A small model whose matrices may be int8."""

    def __init__(self, *, tied: bool, quantized: bool) -> None:
        self.config = ShaktiConfig(
            vocab_size=40,
            hidden_size=32,
            intermediate_size=48,
            num_hidden_layers=2,
            num_attention_heads=4,
            kv_heads_per_layer=[2, 1],
            attention_bias=True,
            tie_word_embeddings=tied,
        )
        self.shapes = parameter_shapes(self.config)
        self.quantized = quantized

    def names(self) -> list[str]:
        return list(self.shapes)

    def tensor(self, name: str) -> Tensor:
        seed = torch.Generator().manual_seed(sum(name.encode()))
        value = torch.randn(self.shapes[name], generator=seed)
        return quantize(value, INT8 if self.quantized and value.dim() == 2 else FLOAT)


@pytest.mark.parametrize("quantized", [False, True])
@pytest.mark.parametrize("tied", [True, False])
def test_logits_are_those_of_the_whole_model(tied: bool, quantized: bool) -> None:
    source = Random(tied=tied, quantized=quantized)
    found = streamed_logits(source, SEQUENCES)
    model = load_model(source)
    table = model.model.embed_tokens.weight
    rows = table.dequantize() if quantized else table
    for ids, logits in zip(SEQUENCES, found, strict=True):
        with torch.no_grad():
            expected = model(inputs_embeds=rows[ids][None]).logits[0]
        assert logits.shape == (len(ids), 40)
        if quantized:  # a value between two levels may be rounded either way
            assert torch.cosine_similarity(logits, expected, dim=-1).min() > 0.999
        else:
            assert torch.allclose(logits, expected, atol=1e-4)
