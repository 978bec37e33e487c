"""The edges of a lowered program: its limits, its memory, and weights that look alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from sdk_builder.errors import SessionError
from sdk_builder.lowering.lower import LoweringOptions, lower
from sdk_builder.lowering.pte import read_program
from sdk_builder.models.config import ShaktiConfig
from sdk_builder.models.layout import parameter_shapes
from sdk_builder.models.modeling import ShaktiForCausalLM
from sdk_builder.quantization.reference import StoredWeights
from sdk_builder.quantization.schemes import find_scheme, plan_formats
from sdk_builder.quantization.source import QuantizedSource
from sdk_builder.runtime.engine import ExecutorchEngine, load_runtime
from tests.unit.lowering.liveness import assert_no_overlap, placed_tensors

CONTEXT, CHUNK, VOCABULARY = 24, 8, 96
OPTIONS = LoweringOptions(context_length=CONTEXT, max_chunk=CHUNK, bos_id=1, eos_ids=(2, 5))
IDS = torch.randint(3, VOCABULARY, (CONTEXT,), generator=torch.Generator().manual_seed(5)).tolist()
FLOAT_TOLERANCE = 2e-4  # sums in another order


class Tiny:
    """A checkpoint in memory: two layers of random weights."""

    def __init__(self, **changes: Any) -> None:
        fields: dict[str, Any] = {
            "vocab_size": VOCABULARY,
            "hidden_size": 64,
            "intermediate_size": 96,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "kv_heads_per_layer": [2, 1],
            "head_dim": 16,
        }
        self.config = ShaktiConfig(**{**fields, **changes})
        generator = torch.Generator().manual_seed(0)
        self.tensors = {
            name: torch.randn(shape, generator=generator) * 0.15 + (len(shape) == 1)
            for name, shape in parameter_shapes(self.config).items()
        }

    def names(self) -> list[str]:
        return list(self.tensors)

    def tensor(self, name: str) -> Tensor:
        return self.tensors[name].clone()


def lowered(
    checkpoint: Tiny, path: Path, quant: str = "none", options: LoweringOptions = OPTIONS
) -> ExecutorchEngine:
    plan = plan_formats(find_scheme(quant), parameter_shapes(checkpoint.config))
    lower(checkpoint.config, QuantizedSource(checkpoint, plan), path, options)
    return ExecutorchEngine(
        path, context_length=options.context_length, max_chunk=options.max_chunk, threads=1
    )


def all_logits(engine: ExecutorchEngine, ids: Sequence[int] = IDS) -> Tensor:
    size = engine.max_chunk
    return torch.cat([engine.score(ids[at : at + size], at) for at in range(0, len(ids), size)])


@torch.no_grad()
def expected_logits(checkpoint: Tiny, quant: str = "none") -> Tensor:
    """Of the weights as stored, dequantized, with float activations."""
    plan = plan_formats(find_scheme(quant), parameter_shapes(checkpoint.config))
    stored = StoredWeights(checkpoint, plan)
    model = ShaktiForCausalLM(checkpoint.config).eval()
    values: dict[str, Any] = {name: stored.tensor(name) for name in stored.names()}
    state = {n: v.dequantize() if hasattr(v, "qdata") else v for n, v in values.items()}
    model.load_state_dict(state, strict=False)
    model.tie_weights()
    found: Tensor = model(torch.tensor([IDS])).logits[0]
    return found


@pytest.fixture(scope="module")
def int8_engine(tmp_path_factory: pytest.TempPathFactory) -> ExecutorchEngine:
    return lowered(Tiny(), tmp_path_factory.mktemp("int8") / "model.pte", "q8")


# --- calls outside what the program was made for ----------------------------------------------


@pytest.mark.parametrize(
    ("ids", "start"),
    [
        ([5], CONTEXT),
        ([5] * CHUNK, CONTEXT - CHUNK + 1),
        ([5], -1),
        ([5] * (CHUNK + 1), 0),
        ([], 0),
        ([VOCABULARY], 0),
        ([3, -1], 0),
        ([10**12], 0),
    ],
)
@pytest.mark.parametrize("method", ["forward", "score"])
def test_a_call_outside_the_limits_is_an_error_and_the_program_lives_on(
    method: str, ids: list[int], start: int, int8_engine: ExecutorchEngine
) -> None:
    # Unchecked, some of these end the process inside the runtime, others overwrite its memory.
    before = int8_engine.forward(IDS[:CHUNK], 0)
    with pytest.raises(SessionError):
        getattr(int8_engine, method)(ids, start)
    assert torch.equal(int8_engine.forward(IDS[:CHUNK], 0), before)


def test_the_last_position_is_still_inside(int8_engine: ExecutorchEngine) -> None:
    assert all_logits(int8_engine).shape == (CONTEXT, VOCABULARY)
    assert int8_engine.forward([VOCABULARY - 1], CONTEXT - 1).isfinite().all()


def test_a_closed_engine_says_so(tmp_path: Path) -> None:
    engine = lowered(Tiny(), tmp_path / "model.pte")
    engine.close()
    with pytest.raises(SessionError, match="closed"):
        engine.forward([5], 0)


# --- the shapes that a program may be made with -----------------------------------------------


@pytest.mark.parametrize("chunk", [1, 2, 3, CONTEXT])
def test_any_chunk_computes_the_same(chunk: int, tmp_path: Path) -> None:
    options = replace(OPTIONS, max_chunk=chunk)
    engine = lowered(Tiny(), tmp_path / "model.pte", options=options)
    found, expected = all_logits(engine), expected_logits(Tiny())
    torch.testing.assert_close(found, expected, atol=FLOAT_TOLERANCE, rtol=0)


@pytest.mark.parametrize("quant", ["q4", "q5"])
def test_rows_that_do_not_divide_into_groups_are_computed_as_int8(
    quant: str, tmp_path: Path
) -> None:
    # Rows of 80 everywhere but in the feed-forward's second half (96) and the attention's (64).
    checkpoint = Tiny(hidden_size=80)
    plan = plan_formats(find_scheme(quant), parameter_shapes(checkpoint.config))
    assert {"fp32", "int8"} < {one.name for one in plan.values()}
    found = all_logits(lowered(checkpoint, tmp_path / "model.pte", quant))
    expected = expected_logits(checkpoint, quant)
    # int8 activations have 255 levels a token.
    assert (found - expected).norm() < 0.05 * expected.norm()


@pytest.mark.parametrize("quant", ["q8", "q4"])
def test_weights_that_differ_in_scale_only_are_kept_apart(quant: str, tmp_path: Path) -> None:
    checkpoint = Tiny()
    for layer in range(2):
        name = f"model.layers.{layer}.mlp.gate_up_proj.weight"
        gate = checkpoint.tensors[name][:96]
        checkpoint.tensors[name] = torch.cat((gate, 4 * gate))  # the same integers, twice
    found = all_logits(lowered(checkpoint, tmp_path / "model.pte", quant))
    expected = expected_logits(checkpoint, quant)
    assert (found - expected).norm() < 0.05 * expected.norm()


def test_scoring_leaves_the_cache_of_forward_alone(tmp_path: Path) -> None:
    engine, expected = lowered(Tiny(), tmp_path / "model.pte"), expected_logits(Tiny())
    engine.forward(IDS[:CHUNK], 0)
    engine.score([7] * CHUNK, 0)
    found = engine.forward(IDS[CHUNK : 2 * CHUNK], CHUNK)
    torch.testing.assert_close(found, expected[2 * CHUNK - 1], atol=FLOAT_TOLERANCE, rtol=0)


# --- the file -----------------------------------------------------------------------------------


@pytest.mark.parametrize("quant", ["none", "q5"])
def test_tensors_in_use_together_never_share_memory(quant: str, tmp_path: Path) -> None:
    lowered(Tiny(), tmp_path / "model.pte", quant)
    for plan in read_program(tmp_path / "model.pte").execution_plan[:2]:
        _, activations, states = plan.non_const_buffer_sizes
        assert_no_overlap(placed_tensors(plan, memory=1), activations)
        caches = placed_tensors(plan, memory=2)
        assert len(caches) == 4  # k and v of two layers
        spans = sorted((one.start, one.stop) for one in caches)
        assert all(stop <= start for (_, stop), (start, _) in pairwise(spans))
        assert spans[-1][1] <= states
        assert sum(stop - start for start, stop in spans) == 2 * 4 * CONTEXT * 16 * (2 + 1)


def test_the_runtime_answers_what_the_android_runner_asks(tmp_path: Path) -> None:
    lowered(Tiny(), tmp_path / "model.pte")
    module = load_runtime()._load_for_executorch(str(tmp_path / "model.pte"))
    expected = {
        "get_max_seq_len": [CHUNK],
        "get_max_context_len": [CONTEXT],
        "get_vocab_size": [VOCABULARY],
        "get_n_layers": [2],
        "get_bos_id": [1],
        "get_eos_ids": [2, 5],
        "enable_dynamic_shape": [True],
        "use_kv_cache": [True],
        "use_sdpa_with_kv_cache": [True],
    }
    assert {name: list(module.run_method(name, ())) for name in expected} == expected
    assert set(module.method_names()) == {"forward", "score", *expected}
