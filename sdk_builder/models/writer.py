"""The float model writing many texts at once: for calibration, and for distillation."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sdk_builder.models.config import ShaktiConfig
from sdk_builder.models.decoder import Decoder
from sdk_builder.models.rope import rope_tables


class Writer:
    """The model with a KV cache for `count` sequences of up to `length` tokens, one position at a
    time. decoder and head on one device and in one type."""

    def __init__(
        self, decoder: Decoder, head: nn.Module, config: ShaktiConfig, count: int, length: int
    ) -> None:
        self._decoder, self._head = decoder, head
        table = decoder.embed_tokens.weight
        self._cos, self._sin = (one.to(table) for one in rope_tables(config, length))
        self._caches = [
            table.new_empty(2, count, config.kv_heads(layer), length, config.head_dim)
            for layer in range(config.num_hidden_layers)
        ]

    @torch.no_grad()
    def next_logits(self, ids: Tensor, position: int) -> Tensor:
        """ids ``[N, 1]`` at `position` -> ``[N, V]`` float32."""

        def attend(layer: int, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
            cache = self._caches[layer]
            cache[0, :, :, position], cache[1, :, :, position] = k[:, 0], v[:, 0]
            seen = cache[:, :, :, : position + 1]
            mixed = F.scaled_dot_product_attention(
                q.transpose(1, 2), seen[0], seen[1], enable_gqa=q.shape[2] != k.shape[2]
            )
            return mixed.transpose(1, 2)

        span = slice(position, position + 1)
        hidden = self._decoder.embed_tokens(ids)
        hidden = self._decoder(hidden, self._cos[span], self._sin[span], attend)
        logits: Tensor = self._head(hidden)[:, 0].float()
        return logits
