"""Cross entropy of a language model's head, for some rows of logits at a time.

All logits of a batch, ``[B*S, V]`` in float32 with their gradient, are often more than all else
that training needs. Here a block of rows is projected, its loss and at once its gradients are
made, and the logits are let go: nothing is computed twice. Notation as in `config.py`.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

IGNORED = -100
_MOST_LOGITS = 1 << 27  # of a block: 512 MiB in float32


def rows_at_once(vocabulary: int) -> int:
    """Rows of a block: a power of two, so that usual batches are whole blocks."""
    return 1 << max(6, (_MOST_LOGITS // vocabulary).bit_length() - 1)


def next_token_loss(
    hidden: Tensor, head: Tensor, labels: Tensor, rows: int | None = None
) -> Tensor:
    """Mean of -log p(next token) over the labels that count: a float32 scalar.

    hidden [B,S,D]; head [V,D]; labels [B,S] as the input ids, -100 ignored: position s predicts
    labels[s + 1]. rows: of a block; None: `rows_at_once`. Under autocast the products have its
    type, sums are float32. Not differentiable twice.
    """
    device = hidden.device.type
    if torch.is_autocast_enabled(device):
        dtype = torch.get_autocast_dtype(device)
        hidden, head = hidden.to(dtype), head.to(dtype)
    targets = F.pad(labels[:, 1:], (0, 1), value=IGNORED).reshape(-1)
    flat = hidden.reshape(-1, hidden.shape[-1])
    rows = rows_at_once(head.shape[0]) if rows is None else rows
    count = (targets != IGNORED).sum().clamp(min=1).to(torch.float32)
    if torch.is_grad_enabled() and (flat.requires_grad or head.requires_grad):
        loss: Tensor = _Blocks.apply(flat, head, targets, count, rows)
        return loss
    return _forward(flat, head, targets, rows) / count


def _forward(flat: Tensor, head: Tensor, targets: Tensor, rows: int) -> Tensor:
    total = torch.zeros((), dtype=torch.float32, device=flat.device)
    for start in range(0, flat.shape[0], rows):
        logits = F.linear(flat[start : start + rows], head).float()
        total = total + F.cross_entropy(
            logits, targets[start : start + rows], ignore_index=IGNORED, reduction="sum"
        )
    return total


class _Blocks(torch.autograd.Function):
    """Loss and both gradients in one pass over the blocks; backward only scales them."""

    @staticmethod
    def forward(
        ctx: Any, flat: Tensor, head: Tensor, targets: Tensor, count: Tensor, rows: int
    ) -> Tensor:
        with torch.autocast(flat.device.type, enabled=False):
            loss, d_flat, d_head = _loss_and_gradients(flat, head, targets, count, rows)
        ctx.save_for_backward(d_flat, d_head)
        return loss

    @staticmethod
    def backward(ctx: Any, d_loss: Tensor) -> Any:
        d_flat, d_head = ctx.saved_tensors
        scaled = (d_flat * d_loss.to(d_flat.dtype), (d_head * d_loss).to(d_flat.dtype))
        return (*scaled, None, None, None)


def _loss_and_gradients(
    flat: Tensor, head: Tensor, targets: Tensor, count: Tensor, rows: int
) -> tuple[Tensor, Tensor, Tensor]:
    """(loss, d flat [N,D], d head [V,D] float32) of flat [N,D] and head [V,D]."""
    total = torch.zeros((), dtype=torch.float32, device=flat.device)
    d_head = torch.zeros(head.shape, dtype=torch.float32, device=head.device)
    columns = torch.arange(head.shape[0], device=head.device)
    d_flat = []
    for start in range(0, flat.shape[0], rows):
        block, wanted = flat[start : start + rows], targets[start : start + rows]
        counts = wanted != IGNORED
        at = wanted.clamp(min=0)[:, None]
        logs = F.linear(block, head).float()
        logs.sub_(torch.logsumexp(logs, dim=-1, keepdim=True))
        total = total - (logs.gather(1, at)[:, 0] * counts).sum()
        # softmax - one-hot of rows that count, in place: a block is large. A scatter would make
        # the compiler write all of it once more.
        softmax = logs.exp_()
        softmax.add_(columns == at, alpha=-1).mul_((counts / count)[:, None])
        d_logits = softmax.to(flat.dtype)
        d_flat.append(d_logits @ head)
        d_head += (d_logits.T @ block).float()
    return total / count, torch.cat(d_flat), d_head
