"""Static embeddings read from files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace

from sdk_builder.errors import InputError
from sdk_builder.evaluation.domain.embedding import TOKENIZER, WEIGHTS, StaticEmbedder, load

TABLE = np.array([[3, 4], [0, 2], [1, 0]], np.float16)


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    path = tmp_path / "w.safetensors"
    save_file({"embedding.weight": TABLE}, path)
    return path


@pytest.fixture
def tokenizer(tmp_path: Path) -> Path:
    made = Tokenizer(WordLevel({"a": 0, "b": 1, "c": 2, "far": 9}, unk_token=None))
    made.pre_tokenizer = Whitespace()
    made.enable_truncation(1)  # as files may have it; a text is embedded whole
    path = tmp_path / "t.json"
    made.save(str(path))
    return path


@pytest.fixture
def embedder(weights: Path, tokenizer: Path) -> StaticEmbedder:
    return load(weights, tokenizer, key="tiny")


def test_text_is_the_mean_of_its_tokens_at_length_one(embedder: StaticEmbedder):
    found = embedder.embed(["a", "a b", "b c", "a a"])
    expected = [[0.6, 0.8], [1.5, 3], [0.5, 1], [0.6, 0.8]]
    lengths = np.linalg.norm(expected, axis=1, keepdims=True)
    np.testing.assert_allclose(found, expected / lengths, rtol=1e-6)
    assert found.dtype == np.float32


def test_text_without_known_tokens_is_zero(embedder: StaticEmbedder):
    assert embedder.embed(["", "far"]).tolist() == [[0, 0], [0, 0]]
    assert embedder.embed([]).shape == (0, 2)


@pytest.mark.parametrize("content", [b"", b"no safetensors", b"\xff" * 64])
def test_damaged_weights_are_said(content: bytes, weights: Path, tokenizer: Path):
    weights.write_bytes(content)
    with pytest.raises(InputError, match="cannot be read"):
        load(weights, tokenizer, key="")


def test_weights_without_the_tensor_are_said(tmp_path: Path, tokenizer: Path):
    path = tmp_path / "other.safetensors"
    save_file({"else": TABLE}, path)
    with pytest.raises(InputError, match="cannot be read"):
        load(path, tokenizer, key="")


@pytest.mark.parametrize("content", ["", "{}", "[1"])
def test_damaged_tokenizer_is_said(content: str, weights: Path, tokenizer: Path):
    tokenizer.write_text(content)
    with pytest.raises(InputError, match="is no tokenizer"):
        load(weights, tokenizer, key="")


def test_both_files_are_of_one_pinned_wheel():
    assert WEIGHTS.requirement == TOKENIZER.requirement
    assert WEIGHTS.wheel_sha256 == TOKENIZER.wheel_sha256
    assert "==" in WEIGHTS.requirement
