"""The one decoder: plain modules, fused projections, attention passed in by the caller.

Training, transformers' generation and lowering to a phone differ only in what happens
between the rotated query/key/value and the attention output (which cache, which mask,
which kernel). That part is the `Attend` callable; all else is here, once.

Notation as in `config.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from sdk_builder.models.config import ShaktiConfig

Attend = Callable[[int, Tensor, Tensor, Tensor], Tensor]
"""(layer, q [B,S,H,hd], k [B,S,KV,hd], v [B,S,KV,hd]) -> [B,S,H,hd]. q and k are rotated."""

Rotate = Callable[[Tensor, Tensor, Tensor], Tensor]
"""(x [B,S,N,hd], cos, sin) -> [B,S,N,hd]: `rotate`, or another with tables in its own form."""


class RMSNorm(nn.Module):
    """Root-mean-square norm over the last dimension: [..., D] -> [..., D]."""

    def __init__(self, size: int, eps: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(size))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        return F.rms_norm(x, (self.weight.shape[0],), self.weight, self.eps)


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotary embedding in the half-split convention of Llama.

    x [B,S,N,hd]; cos and sin [1,S,1,hd/2] or [B,S,1,hd/2]. Returns [B,S,N,hd].
    """
    half = x.shape[-1] // 2
    a, b = x[..., :half], x[..., half:]
    return torch.cat((a * cos - b * sin, b * cos + a * sin), dim=-1)


class Attention(nn.Module):
    """Grouped-query attention of one layer: [B,S,D] -> [B,S,D].

    `qkv_proj` rows: H query heads, then KV key heads, then KV value heads.
    """

    def __init__(self, config: ShaktiConfig, layer: int) -> None:
        super().__init__()
        self.layer = layer
        self.heads = config.num_attention_heads
        self.kv_heads = config.kv_heads(layer)
        self.head_dim = config.head_dim
        width = self.heads * self.head_dim
        self.qkv_proj = nn.Linear(
            config.hidden_size, config.qkv_rows(layer), bias=config.attention_bias
        )
        self.o_proj = nn.Linear(width, config.hidden_size, bias=False)

    def forward(
        self, x: Tensor, cos: Tensor, sin: Tensor, attend: Attend, rotate: Rotate = rotate
    ) -> Tensor:
        batch, length = x.shape[0], x.shape[1]
        fused = self.qkv_proj(x).view(batch, length, self.heads + 2 * self.kv_heads, self.head_dim)
        rotated = rotate(fused[:, :, : self.heads + self.kv_heads], cos, sin)
        q, k = rotated[:, :, : self.heads], rotated[:, :, self.heads :]
        v = fused[:, :, self.heads + self.kv_heads :]
        mixed = attend(self.layer, q, k, v)
        return self.o_proj(mixed.reshape(batch, length, self.heads * self.head_dim))


class MLP(nn.Module):
    """SwiGLU feed-forward: [B,S,D] -> [B,S,D]. `gate_up_proj` rows: F gate, then F up."""

    def __init__(self, config: ShaktiConfig) -> None:
        super().__init__()
        self.size = config.intermediate_size
        self.gate_up_proj = nn.Linear(config.hidden_size, 2 * self.size, bias=False)
        self.down_proj = nn.Linear(self.size, config.hidden_size, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        fused = self.gate_up_proj(x)
        return self.down_proj(F.silu(fused[..., : self.size]) * fused[..., self.size :])


class DecoderLayer(nn.Module):
    """Pre-norm attention and feed-forward with residuals: [B,S,D] -> [B,S,D]."""

    def __init__(self, config: ShaktiConfig, layer: int) -> None:
        super().__init__()
        self.input_layernorm = RMSNorm(config.hidden_size, config.rms_norm_eps)
        self.self_attn = Attention(config, layer)
        self.post_attention_layernorm = RMSNorm(config.hidden_size, config.rms_norm_eps)
        self.mlp = MLP(config)
        self.dropout = config.hidden_dropout

    def forward(
        self, hidden: Tensor, cos: Tensor, sin: Tensor, attend: Attend, rotate: Rotate = rotate
    ) -> Tensor:
        normal = self.input_layernorm(hidden)
        hidden = hidden + self._drop(self.self_attn(normal, cos, sin, attend, rotate))
        return hidden + self._drop(self.mlp(self.post_attention_layernorm(hidden)))

    def _drop(self, x: Tensor) -> Tensor:
        # Not an nn.Dropout: outside training no operator may reach the exported graph.
        return F.dropout(x, self.dropout) if self.training and self.dropout > 0 else x


class Decoder(nn.Module):
    """Token embedding, L layers and the final norm; the head is the caller's.

    `embed_tokens` is held here but not applied: callers embed in their own way (a quantized
    table on the phone) and pass hidden states.
    """

    def __init__(self, config: ShaktiConfig) -> None:
        super().__init__()
        self.embed_tokens = nn.Embedding(config.vocab_size, config.hidden_size)
        self.layers = nn.ModuleList(
            DecoderLayer(config, layer) for layer in range(config.num_hidden_layers)
        )
        self.norm = RMSNorm(config.hidden_size, config.rms_norm_eps)
        # Both are set by transformers' gradient_checkpointing_enable().
        self.gradient_checkpointing = False
        self._gradient_checkpointing_func = partial(checkpoint, use_reentrant=False)

    def forward(
        self, hidden: Tensor, cos: Tensor, sin: Tensor, attend: Attend, rotate: Rotate = rotate
    ) -> Tensor:
        """hidden [B,S,D] -> [B,S,D] after the final norm.

        cos, sin: [S,hd/2] when all rows are at the same positions, else [B,S,hd/2] or, ready to
        be used, [B,S,1,hd/2].
        """
        cos, sin = _per_head(cos), _per_head(sin)
        for layer in self.layers:
            if self.gradient_checkpointing and self.training:
                hidden = self._gradient_checkpointing_func(layer, hidden, cos, sin, attend, rotate)
            else:
                hidden = layer(hidden, cos, sin, attend, rotate)
        return self.norm(hidden)


def _per_head(table: Tensor) -> Tensor:
    """[S,hd/2] -> [1,S,1,hd/2]; [B,S,hd/2] -> [B,S,1,hd/2]; [B,S,1,hd/2] stays."""
    if table.dim() == 4:
        return table
    if table.dim() == 2:
        return table.view(1, table.shape[0], 1, table.shape[1])
    return table.unsqueeze(2)
