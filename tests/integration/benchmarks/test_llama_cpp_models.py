"""Our GGUF files in the real llama.cpp: the same model, quantized, measured.

Its programs are built by `python -m benchmarks.peers.llama_cpp`; nothing is built here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
import torch
from tokenizers import Tokenizer

from benchmarks.peers import llama_cpp, llama_perplexity
from benchmarks.peers.gguf_model import write_gguf
from benchmarks.peers.llama_cpp import LlamaCpp
from benchmarks.peers.running import llama_bench, llama_first_token, llama_speeds
from benchmarks.peers.windows import cut, measure
from sdk_builder.models import load_model
from sdk_builder.process import run
from tests.unit.benchmarks.test_gguf_model import LLAMA3, Drawn

FOUND = llama_cpp.find()
pytestmark = pytest.mark.skipif(
    FOUND is None, reason="llama.cpp is not built: python -m benchmarks.peers.llama_cpp"
)
WINDOW, COUNT = 64, 3
SHAPE: dict[str, Any] = {
    "hidden_size": 64,
    "intermediate_size": 96,
    "head_dim": 16,
    "vocab_size": 288,
}
MODELS: dict[str, dict[str, Any]] = {
    "plain": {},
    "untied": {"tie_word_embeddings": False},
    "heads wider than the model": {"head_dim": 32},
    "biases": {"attention_bias": True},
    "Llama 3's rotary scaling": {"rope_scaling": LLAMA3, "rope_theta": 500000.0},
    "KV heads by layer": {"kv_heads_per_layer": [4, 2, 1], "num_key_value_heads": 4},
}


@pytest.fixture
def peer() -> LlamaCpp:
    assert FOUND is not None
    return FOUND


def quiet(model: Drawn) -> Drawn:
    """The model with weights small enough for losses that say something."""
    for name, value in model._tensors.items():
        value.mul_(0.15 if value.dim() > 1 else 0.5)
        if name.endswith("norm.weight"):
            value.add_(1.0)
    return model


@pytest.mark.parametrize("fields", MODELS.values(), ids=MODELS)
def test_llama_cpp_computes_what_our_decoder_does(fields, peer, tmp_path):
    model = quiet(Drawn(**{**SHAPE, **fields}))
    path = write_gguf(model, tmp_path / "model.gguf")
    text = tmp_path / "text.txt"
    text.write_text("How much wood would a woodchuck chuck? " * 6, encoding="utf-8")
    tokenizer = Tokenizer.from_str(model.tokenizer().json_text)
    ids = tokenizer.encode(text.read_text(encoding="utf-8")).ids
    assert llama_perplexity.tokens(peer, path, text) == ids
    loaded = load_model(model)

    def score(window: Sequence[int]) -> torch.Tensor:
        with torch.inference_mode():
            return loaded(torch.tensor([list(window)])).logits[0]

    ours = measure(score, cut(ids, WINDOW, bos=None, limit=COUNT))
    theirs = llama_perplexity.measure(peer, path, text, WINDOW, COUNT)
    assert theirs.counted == ours.counted
    # llama.cpp keeps keys and values in half precision and prints four decimals.
    assert theirs.nll_per_token == pytest.approx(ours.nll_per_token, rel=1e-3)
    assert len({round(loss, 2) for loss in ours.nll_per_token}) > 1


def test_quantized_file_is_smaller_and_runs(peer, tmp_path):
    model = quiet(Drawn(**SHAPE, tie_word_embeddings=False))
    path, quantized = write_gguf(model, tmp_path / "f32.gguf"), tmp_path / "q4_0.gguf"
    run(
        [peer.program("llama-quantize"), "--pure", path, quantized, "Q4_0"],
        timeout_s=120,
        what="quantizing",
    )
    assert quantized.stat().st_size < path.stat().st_size / 3
    rows = llama_bench(peer, quantized, prompts=(8, 16), decoded=4, threads=1)
    assert sorted(llama_speeds(rows)) == ["decode", "prefill_16", "prefill_8"]
    assert all(rate > 0 for rate in llama_speeds(rows).values())
    assert llama_first_token(peer, quantized, "Hello", 1) > 0
