"""The model run with one layer's weights in memory at a time.

For whoever needs logits of some texts once: comparing a program with its model, calibrating.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchao.quantization import IntxUnpackedToInt8Tensor

from sdk_builder.attention import RingCache, is_global
from sdk_builder.models import layout
from sdk_builder.models.config import ShaktiConfig
from sdk_builder.models.decoder import Attend, DecoderLayer, rotate
from sdk_builder.models.rope import inverse_frequencies, rope_tables, rotary_angles

if TYPE_CHECKING:
    from sdk_builder.models.checkpoint import Parameters

_ROWS = 256  # positions whose logits are in memory at once


def streamed_logits(
    source: Parameters, sequences: Sequence[Sequence[int]], ring: RingCache | None = None
) -> list[Tensor]:
    """Logits of every position of each sequence of ids, ``[len, V]`` float32.

    Weights of `source` may be torchao's tensors. ring: of an attention pattern, None for
    full attention. Raises CheckpointError.
    """
    hidden, head = _streamed_hidden(source, sequences, ring)
    with torch.no_grad():
        logits = F.linear(torch.cat(hidden), head)
    return list(logits.split([len(one) for one in hidden]))


def streamed_losses(
    source: Parameters, ids: Sequence[int], ring: RingCache | None = None
) -> Tensor:
    """Negative log-likelihood of each of `ids` but the first, ``[len - 1]`` nats.

    As `streamed_logits`, without ever having all logits.
    """
    hidden, head = _streamed_hidden(source, [ids], ring)
    targets = torch.tensor(ids[1:]).split(_ROWS)
    with torch.no_grad():
        parts = [
            F.cross_entropy(F.linear(rows, head), wanted, reduction="none")
            for rows, wanted in zip(hidden[0][:-1].split(_ROWS), targets, strict=True)
        ]
    return torch.cat(parts)


def _streamed_hidden(
    source: Parameters, sequences: Sequence[Sequence[int]], ring: RingCache | None
) -> tuple[list[Tensor], Tensor]:
    """Hidden states ``[len, D]`` of each sequence after the final norm, and the head ``[V, D]``."""
    config = source.config
    attend = attend_causally if ring is None else attend_in_pattern(config, ring)
    longest = max(map(len, sequences))
    # Padding comes behind the tokens, where causal attention does not look.
    padded = torch.tensor([[*ids, *[0] * (longest - len(ids))] for ids in sequences])
    cos, sin = (table[None, :, None] for table in rope_tables(config, longest))
    table = source.tensor(layout.EMBEDDING)
    with torch.no_grad():
        hidden = embed(table, padded)
        if not config.tie_word_embeddings:
            del table
        for index in range(config.num_hidden_layers):
            prefix = layout.layer_prefix(index)
            names = layout.layer_shapes(config, index)
            layer = layer_module(config, index, {one: source.tensor(prefix + one) for one in names})
            hidden = layer(hidden, cos, sin, attend)
        norm = source.tensor(layout.FINAL_NORM)
        hidden = F.rms_norm(hidden, norm.shape, norm, config.rms_norm_eps)
    head = table if config.tie_word_embeddings else source.tensor(layout.HEAD)
    return [one[: len(ids)] for one, ids in zip(hidden, sequences, strict=True)], head


def embed(table: Tensor, ids: Tensor) -> Tensor:
    """Rows ``[..., D]`` of an embedding ``[V, D]`` that may be quantized; ids ``[...]``."""
    if not isinstance(table, IntxUnpackedToInt8Tensor):
        return table[ids]
    scale, zero_point = (one[ids][..., None] for one in (table.scale, table.zero_point))
    levels = table.qdata[ids].view(*scale.shape[:-1], -1)
    return ((levels - zero_point) * scale).flatten(-2)


def layer_module(
    config: ShaktiConfig, index: int, parameters: Mapping[str, Tensor]
) -> DecoderLayer:
    """The decoder's layer `index` with `parameters`, named within the layer."""
    with torch.device("meta"):
        module = DecoderLayer(config, index).eval()
    for name, value in parameters.items():
        assign(module, name, value)
    return module


def assign(module: nn.Module, name: str, value: Tensor) -> None:
    """Make `value` the parameter called `name`, without gradients."""
    owner, _, leaf = name.rpartition(".")
    setattr(module.get_submodule(owner), leaf, nn.Parameter(value, requires_grad=False))


def attend_causally(layer: int, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Causal attention within each sequence, as `decoder.Attend`."""
    q, k, v = q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2)
    mixed = F.scaled_dot_product_attention(
        q, k, v, is_causal=True, enable_gqa=q.shape[1] != k.shape[1]
    )
    return mixed.transpose(1, 2)


def attend_in_pattern(config: ShaktiConfig, ring: RingCache) -> Attend:
    """A pattern over all keys, block by block: each with its mask, and its sinks moved.

    `pattern.move_sinks` does the same in one piece, with more memory.
    """
    frequencies = inverse_frequencies(config)
    sinks = ring.pattern.sinks

    def attend(layer: int, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        if is_global(ring.pattern, layer):
            return attend_causally(layer, q, k, v)
        parts = []
        for start in range(0, q.shape[1], ring.block):
            stop = min(q.shape[1], start + ring.block)
            cos, sin = rotary_angles(frequencies, torch.tensor([ring.shift(start)]))
            moved = rotate(k[:, :sinks], cos[None, :, None], sin[None, :, None])
            keys = torch.cat((moved, k[:, sinks:]), dim=1)[:, :stop]
            query, key = torch.arange(start, stop)[:, None], torch.arange(stop)[None]
            mask = ring.pattern.visible(query, key)
            mixed = F.scaled_dot_product_attention(
                q[:, start:stop].transpose(1, 2),
                keys.transpose(1, 2),
                v[:, :stop].transpose(1, 2),
                attn_mask=mask,
                enable_gqa=q.shape[2] != k.shape[2],
            )
            parts.append(mixed.transpose(1, 2))
        return torch.cat(parts, dim=1)

    return attend
