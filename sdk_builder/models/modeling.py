"""ShaktiForCausalLM: the decoder as a transformers model (training, generate, save, load).

Importing this module registers the model with transformers' Auto classes.
Notation as in `config.py`; T is the number of positions seen so far, cache included.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import DynamicCache, GenerationMixin, PreTrainedModel
from transformers.cache_utils import Cache
from transformers.masking_utils import create_causal_mask
from transformers.modeling_outputs import CausalLMOutputWithPast
from transformers.utils import can_return_tuple

from sdk_builder.models.config import ShaktiConfig
from sdk_builder.models.decoder import Attend, Decoder
from sdk_builder.models.loss import next_token_loss
from sdk_builder.models.pattern import PatternView, for_each_query, left_padding
from sdk_builder.models.registration import register
from sdk_builder.models.rope import inverse_frequencies, rotary_angles


class ShaktiForCausalLM(PreTrainedModel, GenerationMixin):
    """Decoder with a (tied) language-model head."""

    config_class = ShaktiConfig
    base_model_prefix = "model"
    supports_gradient_checkpointing = True
    _no_split_modules = ["DecoderLayer"]  # noqa: RUF012  (transformers' own convention)
    _skip_keys_device_placement = ["past_key_values"]  # noqa: RUF012
    _supports_sdpa = True
    _tied_weights_keys = {"lm_head.weight": "model.embed_tokens.weight"}  # noqa: RUF012

    def __init__(self, config: ShaktiConfig) -> None:
        super().__init__(config)
        self.model = Decoder(config)
        self.vocab_size = config.vocab_size
        self.lm_head = nn.Linear(config.hidden_size, config.vocab_size, bias=False)
        self.post_init()

    def get_input_embeddings(self) -> nn.Module:
        return self.model.embed_tokens

    def set_input_embeddings(self, value: nn.Embedding) -> None:
        self.model.embed_tokens = value

    @can_return_tuple
    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        position_ids: Tensor | None = None,
        past_key_values: Cache | None = None,
        inputs_embeds: Tensor | None = None,
        labels: Tensor | None = None,
        use_cache: bool | None = None,
        logits_to_keep: int | Tensor = 0,
        loss_only: bool = False,
        **kwargs: Any,
    ) -> CausalLMOutputWithPast:
        """Logits of the next token, and the loss when `labels` are given.

        input_ids [B,S] or inputs_embeds [B,S,D]; attention_mask [B,T], 0 for padding;
        position_ids [B,S] or [1,S]; labels [B,S], -100 ignored; logits_to_keep: the last n
        positions only (0 keeps all), or their indices. Logits are [B,S or n,V]. loss_only: the loss
        without logits, which are then never there all at once (`loss.py`).
        """
        if (input_ids is None) == (inputs_embeds is None):
            raise ValueError("Give exactly one of input_ids and inputs_embeds.")
        hidden = self.model.embed_tokens(input_ids) if inputs_embeds is None else inputs_embeds
        cache = self._cache(past_key_values, use_cache)
        seen = cache.get_seq_length() if cache is not None else 0
        is_plain = attention_mask is None and position_ids is None and cache is None
        if position_ids is None:
            columns = torch.arange(hidden.shape[1], device=hidden.device)[None] + seen
            padding = left_padding(attention_mask) if self.config.pattern is not None else 0
            position_ids = (columns - padding).clamp(min=0)

        # Whole texts need no mask but the causal one, which attention has built in. transformers
        # would look for packed texts, and under torch.compile make a mask for them, [B,1,S,S].
        mask = None
        if not is_plain:
            mask = create_causal_mask(
                config=self.config,
                inputs_embeds=hidden,
                attention_mask=attention_mask,
                past_key_values=cache,
                position_ids=position_ids,
            )
        cos, sin = rotary_angles(inverse_frequencies(self.config, hidden.device), position_ids)
        view = PatternView(self.config, mask, position_ids, attention_mask, seen)
        hidden = self.model(
            hidden, cos.to(hidden.dtype), sin.to(hidden.dtype), self._attend(cache, view)
        )
        if loss_only and labels is not None:
            alone = next_token_loss(hidden, self.lm_head.weight, labels)
            return CausalLMOutputWithPast(loss=alone)
        kept = slice(-logits_to_keep, None) if isinstance(logits_to_keep, int) else logits_to_keep
        logits = self.lm_head(hidden[:, kept])
        loss = None
        if labels is not None:
            loss = self.loss_function(
                logits=logits, labels=labels, vocab_size=self.config.vocab_size, **kwargs
            )
        return CausalLMOutputWithPast(loss=loss, logits=logits, past_key_values=cache)

    def _cache(self, given: Cache | None, use_cache: bool | None) -> Cache | None:
        wanted = self.config.use_cache if use_cache is None else use_cache
        if self.training and self.model.gradient_checkpointing:
            return None  # the recomputed forward would append every key twice
        if given is None and wanted and not self.training:
            return DynamicCache()
        return given

    def _attend(self, cache: Cache | None, view: PatternView) -> Attend:
        """Attention over cache and new keys, as `view` shows them. No mask means causal (or, for a
        single position, everything seen)."""
        dropout = self.config.attention_dropout if self.training else 0.0

        def attend(layer: int, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
            q, k, v = q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2)
            if cache is not None:
                k, v = cache.update(k, v, layer)
            q, k, mask = view.of(layer, q, k)
            if mask is not None and q.is_cuda:
                k, v = for_each_query(k, q.shape[1]), for_each_query(v, q.shape[1])
            mixed = F.scaled_dot_product_attention(
                q,
                k,
                v,
                attn_mask=mask,
                dropout_p=dropout,
                is_causal=mask is None and q.shape[2] > 1,
                scale=self.config.head_dim**-0.5,
                enable_gqa=q.shape[1] != k.shape[1],
            )
            return mixed.transpose(1, 2)

        return attend


register(ShaktiForCausalLM)
