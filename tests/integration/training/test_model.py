"""The model as training uses it: the loss alone, without logits or masks, in one compiled graph."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from sdk_builder.models.config import ShaktiConfig
from sdk_builder.models.modeling import ShaktiForCausalLM

SHAPE: dict[str, Any] = {
    "vocab_size": 97,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "kv_heads_per_layer": [2, 1],
    "max_position_embeddings": 256,
}


def model_of(pattern: str) -> ShaktiForCausalLM:
    torch.manual_seed(0)
    model = ShaktiForCausalLM(ShaktiConfig(**SHAPE, attention_pattern=pattern)).train()
    model.config.use_cache = False
    return model


@pytest.fixture
def ids() -> Tensor:
    return torch.randint(97, (2, 130), generator=torch.Generator().manual_seed(1))


def gradients(model: Any, **inputs: Any) -> tuple[Tensor, list[Tensor]]:
    """The loss, and what it gives each parameter."""
    model.zero_grad()
    loss = model(**inputs).loss
    loss.backward()
    return loss.detach(), [one.grad.clone() for one in model.parameters()]


def assert_near(found: tuple[Tensor, list[Tensor]], wanted: tuple[Tensor, list[Tensor]]) -> None:
    assert torch.allclose(found[0], wanted[0], rtol=1e-6)
    for one, other in zip(found[1], wanted[1], strict=True):
        assert torch.allclose(one, other, atol=1e-6)


@pytest.mark.parametrize("pattern", ["full", "window:16", "block-sparse:16,2,2"])
def test_loss_alone_is_the_loss_beside_logits(pattern: str, ids: Tensor):
    model = model_of(pattern)
    alone = model(input_ids=ids, labels=ids, loss_only=True)
    assert alone.logits is None
    wanted = gradients(model, input_ids=ids, labels=ids)
    assert_near(gradients(model, input_ids=ids, labels=ids, loss_only=True), wanted)


@pytest.mark.parametrize("pattern", ["full", "window:16"])
def test_whole_texts_need_no_mask(pattern: str, ids: Tensor):
    model = model_of(pattern).eval()
    positions = torch.arange(130)[None]
    with torch.no_grad():
        plain = model(input_ids=ids).logits
        for more in ({"attention_mask": torch.ones_like(ids)}, {"position_ids": positions}):
            assert torch.allclose(model(input_ids=ids, **more).logits, plain, atol=1e-5)


@pytest.mark.parametrize("checkpointing", [False, True])
@pytest.mark.parametrize("pattern", ["full", "window:16"])
def test_compiler_takes_the_model_and_its_loss_in_one_graph(
    pattern: str, checkpointing: bool, ids: Tensor
):
    model = model_of(pattern)
    inputs = {"input_ids": ids, "labels": ids, "loss_only": True}
    wanted = gradients(model, **inputs)
    model.model.gradient_checkpointing = checkpointing
    torch.compiler.reset()
    compiled = torch.compile(model, backend="aot_eager", fullgraph=True)
    assert_near(gradients(compiled, **inputs), wanted)
