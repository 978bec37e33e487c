"""Attention patterns on whole tensors, for training and `generate`: masks, and sinks that move.

The program on a phone computes the same from a small cache (`lowering/ring.py`). Notation as in
`config.py`; T is the number of keys.
"""

from __future__ import annotations

import torch
from torch import Tensor

from sdk_builder.attention import USUAL_CHUNK, Pattern, RingCache, is_global
from sdk_builder.models.config import ShaktiConfig
from sdk_builder.models.decoder import rotate
from sdk_builder.models.rope import inverse_frequencies, rotary_angles


class PatternView:
    """What the queries of one call see, layer by layer.

    full: full attention's mask ``[B,1,S,T]``, of booleans or of numbers to add, None for causal;
    queries ``[B or 1, S]``: positions in their texts; attention_mask ``[B,T]``: 0 for padding, or
    None; seen: keys of earlier calls. Blocks in which sinks move are those of the usual chunk.
    """

    def __init__(
        self,
        config: ShaktiConfig,
        full: Tensor | None,
        queries: Tensor,
        attention_mask: Tensor | None,
        seen: int,
    ) -> None:
        self._config, self._full, self._queries = config, full, queries
        self._attention_mask, self._seen = attention_mask, seen
        self._pattern = config.pattern
        self._local: dict[int, tuple[Tensor, Tensor]] = {}
        length = queries.shape[-1]
        if not seen and (full is None or full.shape[-1] == length):
            self._prepare(length)

    def of(self, layer: int, q: Tensor, k: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
        """Queries, keys and mask for `layer`. q ``[B,H,S,hd]``, k ``[B,KV,T,hd]``, rotated; where
        sinks have moved, both come back with twice the size."""
        pattern, length = self._pattern, k.shape[2]
        if pattern is None or is_global(pattern, layer) or sees_all(pattern, length):
            return q, k, self._full
        self._prepare(length)
        keys, mask = self._local[length]
        ring = RingCache(pattern, USUAL_CHUNK)
        if ring.shift(length - 1) == 0:
            return q, k, mask
        return *move_sinks(self._config, ring, q, k, self._queries, keys), mask

    def _prepare(self, length: int) -> None:
        """Make the mask for `length` keys, unless it is there: once for all layers, and before
        any of them whose forward pass is computed twice."""
        if self._pattern is None or sees_all(self._pattern, length) or length in self._local:
            return
        keys = self._keys(length)
        self._local[length] = keys, pattern_mask(self._pattern, self._queries, keys, self._full)

    def _keys(self, length: int) -> Tensor:
        """Positions of all keys ``[B or 1, T]``; without earlier ones, the queries' own, also of
        texts packed into one row."""
        if not self._seen and self._queries.shape[-1] == length:
            return self._queries
        columns = torch.arange(length, device=self._queries.device)[None]
        return columns - left_padding(self._attention_mask)


def sees_all(pattern: Pattern, length: int) -> bool:
    """Whether the pattern hides nothing in texts of `length` positions, so that no mask is due."""
    return length - 1 - pattern.back <= pattern.sinks


def left_padding(attention_mask: Tensor | None) -> Tensor | int:
    """How many columns of each row, ``[B,1]``, come before its text."""
    if attention_mask is None or attention_mask.dim() != 2:
        return 0
    return (attention_mask.cumsum(-1) == 0).sum(-1, keepdim=True)


def for_each_query(x: Tensor, heads: int) -> Tensor:
    """[B,KV,T,hd] -> [B,H,T,hd]. A GPU's kernels take groups or a mask; given both, attention is
    made of all its products at once."""
    return x if x.shape[1] == heads else x.repeat_interleave(heads // x.shape[1], dim=1)


def pattern_mask(pattern: Pattern, queries: Tensor, keys: Tensor, full: Tensor | None) -> Tensor:
    """Who looks at whom, ``[B or 1, 1, S, T]``: by the pattern, and by `full` where it is given.

    queries ``[B or 1, S]`` and keys ``[B or 1, T]``: positions; the result is of `full`'s kind.
    """
    seen: Tensor = pattern.visible(queries[:, None, :, None], keys[:, None, None, :])
    if full is None:
        return seen
    if full.dtype == torch.bool:
        return full & seen
    return full.masked_fill(~seen, torch.finfo(full.dtype).min)


def move_sinks(
    config: ShaktiConfig, ring: RingCache, q: Tensor, k: Tensor, queries: Tensor, keys: Tensor
) -> tuple[Tensor, Tensor]:
    """Queries and keys of twice the size, whose products see sinks where the pattern puts them.

    A sink that moves on is the same as a query that moves back: each query has a second half for
    sinks, whose keys have only that half. Shapes as in `PatternView.of` and `pattern_mask`.
    """
    pattern = ring.pattern
    reach = pattern.span + pattern.sinks - 1
    shift = (queries // ring.block * ring.block - reach).clamp(min=0)
    cos, sin = rotary_angles(inverse_frequencies(config, q.device), -shift)
    moved = rotate(q, cos[:, None].to(q.dtype), sin[:, None].to(q.dtype))
    is_sink = (keys < pattern.sinks)[:, None, :, None]
    both = torch.cat((k.masked_fill(is_sink, 0), k.masked_fill(~is_sink, 0)), dim=-1)
    return torch.cat((q, moved), dim=-1), both
