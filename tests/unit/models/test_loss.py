"""The loss made in blocks of rows is the plain one, and so are its gradients."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from sdk_builder.models.loss import next_token_loss, rows_at_once

B, S, D, V = 3, 17, 8, 50


@pytest.fixture
def parts() -> tuple[Tensor, Tensor, Tensor]:
    """hidden, head and labels, some of them ignored."""
    draw = torch.Generator().manual_seed(0)
    hidden = torch.randn(B, S, D, generator=draw, requires_grad=True)
    head = torch.randn(V, D, generator=draw, requires_grad=True)
    labels = torch.randint(V, (B, S), generator=draw)
    labels[0, 3:6] = -100
    return hidden, head, labels


def plain(hidden: Tensor, head: Tensor, labels: Tensor) -> Tensor:
    logits = (hidden @ head.T)[:, :-1].reshape(-1, V)
    return F.cross_entropy(logits, labels[:, 1:].reshape(-1), ignore_index=-100)


@pytest.mark.parametrize("rows", [1, 7, 51, 64, None])
def test_loss_and_gradients_are_the_plain_ones(parts: tuple[Tensor, Tensor, Tensor], rows):
    hidden, head, labels = parts
    expected = plain(hidden, head, labels)
    loss = next_token_loss(hidden, head, labels, rows)
    assert torch.allclose(loss, expected, rtol=1e-6)
    found = torch.autograd.grad(3 * loss, [hidden, head])
    wanted = torch.autograd.grad(3 * expected, [hidden, head])
    for one, other in zip(found, wanted, strict=True):
        assert torch.allclose(one, other, atol=1e-6)


def test_loss_without_gradients_is_the_same(parts: tuple[Tensor, Tensor, Tensor]):
    hidden, head, labels = parts
    with torch.no_grad():
        assert torch.allclose(next_token_loss(hidden, head, labels, 7), plain(*parts), rtol=1e-6)


def test_under_autocast_products_are_bf16_and_gradients_float32(
    parts: tuple[Tensor, Tensor, Tensor],
):
    hidden, head, labels = parts
    with torch.autocast("cpu", torch.bfloat16):
        loss = next_token_loss(hidden, head, labels, 16)
        expected = plain(hidden, head, labels)
    assert loss.dtype == torch.float32
    assert torch.allclose(loss, expected, rtol=1e-2)
    found = torch.autograd.grad(loss, [hidden, head])
    wanted = torch.autograd.grad(expected, [hidden, head])
    assert [one.dtype for one in found] == [torch.float32] * 2
    for one, other in zip(found, wanted, strict=True):
        assert torch.allclose(one, other, atol=5e-3)


def test_labels_that_are_all_ignored_are_no_loss(parts: tuple[Tensor, Tensor, Tensor]):
    hidden, head, labels = parts
    loss = next_token_loss(hidden, head, torch.full_like(labels, -100))
    assert loss.item() == 0.0
    assert torch.autograd.grad(loss, head)[0].abs().max() == 0


def test_blocks_hold_at_most_half_a_gibibyte_of_logits():
    assert rows_at_once(49152) == 2048
    assert rows_at_once(1 << 17) == 1024
    assert rows_at_once(10**9) == 64


@pytest.mark.parametrize("grad", [True, False])
def test_compiler_takes_it_in_one_graph(parts: tuple[Tensor, Tensor, Tensor], grad: bool):
    hidden, head, labels = parts
    compiled = torch.compile(
        lambda hidden, head: next_token_loss(hidden, head, labels, 16),
        backend="aot_eager" if grad else "eager",
        fullgraph=True,
    )
    with torch.set_grad_enabled(grad):
        assert torch.allclose(compiled(hidden, head), plain(*parts), rtol=1e-6)
