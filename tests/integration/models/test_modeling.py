"""ShaktiForCausalLM as a transformers model: save and load, generate, train."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn import functional as F
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedModel

from sdk_builder.attention import USUAL_CHUNK, RingCache, parse_attention
from sdk_builder.models import Decoder, ShaktiConfig, ShaktiForCausalLM, register, rope_tables
from sdk_builder.models.layout import parameter_shapes
from sdk_builder.models.pattern import sees_all
from sdk_builder.models.streamed import streamed_logits
from tests.integration.models.builders import logits, some_ids, tiny_llama, tiny_shakti

VARIANTS: dict[str, dict[str, Any]] = {
    "variable groups, tied": {},
    "uniform groups": {"kv_heads_per_layer": None, "num_key_value_heads": 2},
    "window, each second layer": {"attention_pattern": "window:6+sinks:2+global:2"},
    "block-sparse": {"attention_pattern": "block-sparse:4,1,2,3+sinks:2"},
    "biases, untied": {"attention_bias": True, "tie_word_embeddings": False},
    "llama 3 scaling": {
        "rope_scaling": {
            "rope_type": "llama3",
            "factor": 8.0,
            "low_freq_factor": 1.0,
            "high_freq_factor": 4.0,
            "original_max_position_embeddings": 64,
        }
    },
}


@pytest.fixture(params=VARIANTS.values(), ids=list(VARIANTS))
def model(request: pytest.FixtureRequest) -> PreTrainedModel:
    return tiny_shakti(**request.param)


def test_saved_model_comes_back_equal_through_automodel(
    model: ShaktiForCausalLM, tmp_path: Path
) -> None:
    model.save_pretrained(tmp_path)
    again = AutoModelForCausalLM.from_pretrained(tmp_path)
    assert isinstance(again, ShaktiForCausalLM)
    assert torch.equal(logits(again), logits(model))
    mine, theirs = again.config.to_dict(), model.config.to_dict()
    for name in ("_name_or_path", "dtype", "architectures", "transformers_version"):
        mine.pop(name, None), theirs.pop(name, None)
    assert mine == theirs
    assert isinstance(AutoConfig.from_pretrained(tmp_path), ShaktiConfig)


def test_registering_twice_changes_nothing() -> None:
    register()
    register()
    assert isinstance(AutoConfig.for_model("shakti"), ShaktiConfig)


def test_tied_head_is_the_embedding_after_loading(tmp_path: Path) -> None:
    tiny_shakti().save_pretrained(tmp_path)
    again = AutoModelForCausalLM.from_pretrained(tmp_path)
    assert again.lm_head.weight is again.model.embed_tokens.weight


def test_parameters_are_exactly_those_of_the_layout(model: ShaktiForCausalLM) -> None:
    shapes = {name: tuple(value.shape) for name, value in model.named_parameters()}
    assert shapes == parameter_shapes(model.config)


def test_generating_with_a_cache_equals_recomputing(model: ShaktiForCausalLM) -> None:
    ids = some_ids(batch=1, length=9)
    options = {"max_new_tokens": 24, "do_sample": False, "pad_token_id": 0, "eos_token_id": None}
    with_cache = model.generate(ids, use_cache=True, **options)
    without = model.generate(ids, use_cache=False, **options)
    assert with_cache.shape == (1, 33)
    assert torch.equal(with_cache, without)


def test_prefill_in_chunks_gives_the_logits_of_one_pass(model: ShaktiForCausalLM) -> None:
    ids = some_ids(batch=2, length=21)
    with torch.no_grad():
        first = model(ids[:, :8], use_cache=True)
        second = model(ids[:, 8:13], past_key_values=first.past_key_values, use_cache=True)
        third = model(ids[:, 13:], past_key_values=second.past_key_values, use_cache=True)
    chunks = torch.cat((first.logits, second.logits, third.logits), dim=1)
    torch.testing.assert_close(chunks, logits(model, ids), rtol=1e-4, atol=1e-5)


def test_left_padding_does_not_change_the_answer(model: ShaktiForCausalLM) -> None:
    long, short = some_ids(batch=1, length=12), some_ids(batch=1, length=5)
    padded = torch.cat((torch.zeros(1, 7, dtype=torch.long), short), dim=1)
    batch = torch.cat((long, padded))
    mask = torch.ones_like(batch)
    mask[1, :7] = 0
    options = {"max_new_tokens": 10, "do_sample": False, "pad_token_id": 0, "eos_token_id": None}
    together = model.generate(batch, attention_mask=mask, **options)
    assert torch.equal(together[1, 12:], model.generate(short, **options)[0, 5:])
    assert torch.equal(together[0], model.generate(long, **options)[0])


LONG = 700


class Source:
    """A model as a checkpoint."""

    def __init__(self, model: ShaktiForCausalLM) -> None:
        self.config, self._values = model.config, dict(model.named_parameters())

    def names(self) -> list[str]:
        return list(self._values)

    def tensor(self, name: str) -> torch.Tensor:
        return self._values[name].detach()


@pytest.mark.parametrize(
    "attention", ["window:100", "window:100+global:3", "block-sparse:16,2,3,12", "full"]
)
def test_model_attends_as_the_program_that_is_made_of_it(attention: str) -> None:
    """`streamed_logits` is what exports compare their programs with."""
    model = tiny_shakti(attention_pattern=attention, max_position_embeddings=1024)
    ids = some_ids(1, LONG)
    pattern = model.config.pattern
    ring = None if pattern is None else RingCache(pattern, USUAL_CHUNK)
    assert ring is None or ring.shift(LONG) > USUAL_CHUNK, "sinks move in this text"
    expected = streamed_logits(Source(model), ids.tolist(), ring)[0]
    torch.testing.assert_close(logits(model, ids)[0], expected, rtol=1e-3, atol=2e-4)
    with torch.no_grad():
        first = model(ids[:, :301], use_cache=True)
        rest = model(ids[:, 301:], past_key_values=first.past_key_values, use_cache=True)
    torch.testing.assert_close(rest.logits[0], expected[301:], rtol=1e-3, atol=2e-4)


@pytest.mark.parametrize("text", ["window:6+sinks:2", "window:5+sinks:0", "block-sparse:4,2,3,5"])
def test_no_mask_is_made_just_where_nothing_is_hidden(text: str) -> None:
    pattern = parse_attention(text)
    assert pattern is not None
    lengths = [length for length in range(1, 120) if sees_all(pattern, length)]
    assert lengths == list(range(1, len(lengths) + 1))
    longest = len(lengths)
    assert longest > 1
    assert all(pattern.visible(query, key) for query in range(longest) for key in range(query + 1))


def test_texts_packed_into_one_row_keep_their_own_patterns() -> None:
    model = tiny_shakti(attention_pattern="block-sparse:4,1,2,3+sinks:2")
    one, other = some_ids(1, 30).split([13, 17], dim=1)
    own = torch.cat((torch.arange(13), torch.arange(17)))[None]
    with torch.no_grad():
        packed = model(torch.cat((one, other), dim=1), position_ids=own, use_cache=False).logits
    torch.testing.assert_close(packed[:, :13], logits(model, one), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(packed[:, 13:], logits(model, other), rtol=1e-4, atol=1e-5)


def test_beam_search_and_sampling_run(model: ShaktiForCausalLM) -> None:
    options = {"max_new_tokens": 5, "pad_token_id": 0, "eos_token_id": None}
    assert model.generate(some_ids(), num_beams=3, do_sample=False, **options).shape == (2, 22)
    assert model.generate(some_ids(), do_sample=True, top_p=0.9, **options).shape == (2, 22)


@pytest.mark.parametrize("kept", [3, torch.tensor([0, 4])], ids=["last three", "two places"])
def test_logits_to_keep_keeps_those_positions(
    model: ShaktiForCausalLM, kept: int | torch.Tensor
) -> None:
    with torch.no_grad():
        some = model(some_ids(), logits_to_keep=kept).logits
    expected = logits(model)[:, -kept:] if isinstance(kept, int) else logits(model)[:, kept]
    torch.testing.assert_close(some, expected)


def test_embeddings_may_be_given_instead_of_ids(model: ShaktiForCausalLM) -> None:
    embedded = model.get_input_embeddings()(some_ids())
    with torch.no_grad():
        assert torch.equal(model(inputs_embeds=embedded).logits, logits(model))
    for wrong in ({}, {"input_ids": some_ids(), "inputs_embeds": embedded}):
        with pytest.raises(ValueError, match="exactly one"):
            model(**wrong)


def test_loss_is_the_cross_entropy_of_the_next_token(model: ShaktiForCausalLM) -> None:
    ids = some_ids()
    labels = ids.clone()
    labels[:, :4] = -100
    with torch.no_grad():
        loss = model(ids, labels=labels).loss
    expected = F.cross_entropy(logits(model)[:, 3:-1].flatten(0, 1), ids[:, 4:].flatten())
    torch.testing.assert_close(loss, expected)


@pytest.mark.filterwarnings("ignore:.*gradient_checkpointing:FutureWarning")
def test_checkpointed_gradients_equal_plain_ones(model: ShaktiForCausalLM) -> None:
    ids = some_ids()
    model.train()

    def gradients() -> dict[str, torch.Tensor]:
        model.zero_grad()
        model(ids, labels=ids).loss.backward()
        return {name: value.grad.clone() for name, value in model.named_parameters()}

    plain = gradients()
    model.gradient_checkpointing_enable()
    assert model.is_gradient_checkpointing
    again = gradients()
    assert all(value.abs().sum() > 0 for value in plain.values())
    for name, value in plain.items():
        torch.testing.assert_close(again[name], value)


@pytest.mark.parametrize("kind", ["hidden_dropout", "attention_dropout"])
def test_dropout_acts_in_training_only(kind: str) -> None:
    model = tiny_shakti(**{kind: 0.5})
    assert torch.equal(logits(model), logits(tiny_shakti()))
    model.train()
    assert not torch.equal(logits(model), logits(model))


def test_bfloat16_stays_close(model: ShaktiForCausalLM) -> None:
    reference = logits(model)
    low = logits(model.to(torch.bfloat16))
    assert F.cosine_similarity(low.flatten(), reference.flatten(), dim=0) > 0.995


def test_decoder_with_another_attention_gives_the_same_logits() -> None:
    """The seam that lowering uses: tables, decoder and an attention of the caller's own."""
    model = tiny_shakti()
    ids = some_ids()
    decoder: Decoder = model.model
    cos, sin = rope_tables(model.config, ids.shape[1])
    heads = model.config.num_attention_heads

    def attend(layer: int, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        assert k.shape[2] == v.shape[2] == model.config.kv_heads(layer)
        k, v = (x.repeat_interleave(heads // x.shape[2], dim=2) for x in (k, v))
        scores = torch.einsum("bshd,bthd->bhst", q, k) * q.shape[-1] ** -0.5
        ahead = torch.ones(q.shape[1], q.shape[1], dtype=torch.bool).triu(1)
        weights = scores.masked_fill(ahead, float("-inf")).softmax(-1)
        return torch.einsum("bhst,bthd->bshd", weights, v)

    with torch.no_grad():
        hidden = decoder(decoder.embed_tokens(ids), cos, sin, attend)
        mine = F.linear(hidden, model.lm_head.weight)
    torch.testing.assert_close(mine, logits(model), rtol=1e-4, atol=1e-5)


def test_decoder_exports_with_a_dynamic_length() -> None:
    model = tiny_shakti()

    class Program(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.decoder = model.model
            cos, sin = rope_tables(model.config, 64)
            self.cos, self.sin = torch.nn.Buffer(cos), torch.nn.Buffer(sin)

        def forward(self, ids: torch.Tensor) -> torch.Tensor:
            def attend(_: int, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
                q, k, v = q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2)
                mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=True)
                return mixed.transpose(1, 2)

            size = ids.shape[1]
            hidden = self.decoder.embed_tokens(ids)
            return self.decoder(hidden, self.cos[:size], self.sin[:size], attend)

    length = torch.export.Dim("length", min=2, max=64)
    program = torch.export.export(
        Program().eval(), (some_ids(1, 8),), dynamic_shapes=({1: length},)
    )
    ids = some_ids(1, 13)
    torch.testing.assert_close(program.module()(ids), Program()(ids), rtol=1e-4, atol=1e-5)


def test_static_cache_generates_the_same(model: ShaktiForCausalLM) -> None:
    options = {"max_new_tokens": 8, "do_sample": False, "pad_token_id": 0, "eos_token_id": None}
    ids = some_ids(1, 6)
    static = model.generate(ids, cache_implementation="static", disable_compile=True, **options)
    assert torch.equal(static, model.generate(ids, **options))


def test_uniform_shakti_equals_llama_with_the_same_weights() -> None:
    llama = tiny_llama()
    shakti = tiny_shakti(
        kv_heads_per_layer=None,
        num_key_value_heads=2,
        tie_word_embeddings=False,
        rope_theta=10000.0,
        rms_norm_eps=1e-6,
    )
    weights = llama.state_dict()
    fused = {}
    for name in shakti.state_dict():
        for whole, parts in (("qkv_proj", ("q", "k", "v")), ("gate_up_proj", ("gate", "up"))):
            if whole in name:
                fused[name] = torch.cat([weights[name.replace(whole, f"{p}_proj")] for p in parts])
        fused.setdefault(name, weights.get(name))
    shakti.load_state_dict(fused)
    torch.testing.assert_close(logits(shakti), logits(llama), rtol=1e-4, atol=1e-5)


@torch.no_grad()
def test_base_model_gives_what_goes_into_the_head(model: ShaktiForCausalLM) -> None:
    ids, mask = some_ids(), torch.ones(2, 17, dtype=torch.long)
    mask[1, :5] = 0  # padding on the left
    hidden = model.base_model(ids, attention_mask=mask, use_cache=False).last_hidden_state
    torch.testing.assert_close(
        model.lm_head(hidden), model(ids, attention_mask=mask, use_cache=False).logits
    )
