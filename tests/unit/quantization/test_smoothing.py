"""Moving ranges between activations and weights changes nothing that a layer computes."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sdk_builder.models import ShaktiConfig, layout
from sdk_builder.models.decoder import DecoderLayer
from sdk_builder.models.rope import rope_tables
from sdk_builder.quantization.smoothing import smooth

LENGTH = 12


def config(*, bias: bool) -> ShaktiConfig:
    return ShaktiConfig(
        vocab_size=64,
        hidden_size=48,
        intermediate_size=80,
        num_hidden_layers=1,
        num_attention_heads=6,
        num_key_value_heads=2,
        attention_bias=bias,
    )


def attend(layer: int, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    q, k, v = (one.transpose(1, 2) for one in (q, k, v))
    return F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=True).transpose(1, 2)


def output(shape: ShaktiConfig, layer: dict[str, Tensor], hidden: Tensor) -> Tensor:
    module = DecoderLayer(shape, 0).eval()
    for name, value in layer.items():
        owner, _, leaf = name.rpartition(".")
        setattr(module.get_submodule(owner), leaf, nn.Parameter(value))
    cos, sin = (table[None, :, None] for table in rope_tables(shape, LENGTH))
    with torch.no_grad():
        return module(hidden, cos, sin, attend)


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("strength", [0.3, 0.5, 1.0])
def test_the_layer_computes_the_same(strength: float, bias: bool):
    torch.manual_seed(0)
    shape = config(bias=bias)
    layer = {name: torch.randn(size) * 0.2 for name, size in layout.layer_shapes(shape, 0).items()}
    extremes = {
        name: torch.rand(layer[name].shape[1]) * 9 + 0.01
        for name in (layout.QKV, layout.OUT, layout.GATE_UP, layout.DOWN)
    }
    hidden = torch.randn(2, LENGTH, 48)
    smoothed = smooth(layer, extremes, shape.kv_heads(0), strength)
    expected = output(shape, layer, hidden)
    found = output(shape, smoothed.layer, hidden)
    assert torch.allclose(found, expected, atol=1e-4, rtol=1e-4)
    assert not torch.equal(smoothed.layer[layout.DOWN], layer[layout.DOWN])


def test_scales_even_out_the_channels():
    torch.manual_seed(1)
    shape = config(bias=False)
    layer = {name: torch.randn(size) for name, size in layout.layer_shapes(shape, 0).items()}
    sizes = {name: layer[name].shape[1] for name in layer if layer[name].dim() == 2}
    extremes = {name: torch.ones(size) for name, size in sizes.items()}
    extremes[layout.DOWN][3] = 100.0
    smoothed = smooth(layer, extremes, shape.kv_heads(0), 0.5)
    scales = smoothed.scales[layout.DOWN]
    assert scales.argmax() == 3
    assert float((extremes[layout.DOWN] / scales)[3]) < 50.0
    assert float(scales.log().mean()) == pytest.approx(0.0, abs=1e-5)
