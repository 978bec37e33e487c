"""open_checkpoint finds presets, sources and files; load_model fills a model sparingly."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import pytest
import torch

from sdk_builder.attention import BlockSparse
from sdk_builder.errors import CheckpointError, UnknownModelError, UsageError
from sdk_builder.models import Checkpoint, load_model, open_checkpoint, sources
from sdk_builder.models.preset_checkpoint import PresetCheckpoint
from sdk_builder.models.presets import PRESETS, Preset, PresetField
from tests.integration.models import memory
from tests.integration.models.builders import logits, tiny_llama, tiny_shakti, write_gguf


def tiny_preset() -> Preset:
    values = {
        "vocab_size": 300,
        "hidden_size": 64,
        "intermediate_size": 96,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "kv_heads_per_layer": [2, 1],
        "attention_bias": True,
    }
    fields = {name: PresetField(value, False, "test") for name, value in values.items()}
    return Preset("tiny", 0, "", fields)


def test_preset_is_marked_untrained_with_its_seed() -> None:
    source = open_checkpoint("shakti-100m", seed=7).source
    assert source.untrained
    assert source.seed == 7
    assert source.kind == "preset"
    assert open_checkpoint("shakti-100m").source.seed == 0


def test_shakti_500m_has_block_sparse_attention_as_published_and_no_other_preset() -> None:
    patterns = {name: open_checkpoint(name).config.pattern for name in PRESETS}
    assert patterns == {
        "shakti-100m": None,
        "shakti-250m": None,
        "shakti-500m": BlockSparse(block=64, local=8, stride=8, reach=4096 // 64),
    }


def test_preset_says_that_its_weights_are_noise() -> None:
    assert any("Untrained" in note for note in open_checkpoint("shakti-500m").source.notes)


def test_preset_weights_depend_on_seed_and_name_only() -> None:
    first, again, other = (PresetCheckpoint(tiny_preset(), seed=seed) for seed in (1, 1, 2))
    names = first.names()
    backwards = {name: again.tensor(name) for name in reversed(names)}
    for name in names:
        assert torch.equal(first.tensor(name), backwards[name])
    matrices = [name for name in names if first.tensor(name).dim() == 2]
    assert all(not torch.equal(first.tensor(n), other.tensor(n)) for n in matrices)
    one, two = (first.tensor(f"model.layers.{i}.mlp.down_proj.weight") for i in (0, 1))
    assert not torch.equal(one, two)


def test_preset_weights_have_the_stated_distribution() -> None:
    checkpoint = PresetCheckpoint(tiny_preset())
    embedding = checkpoint.tensor("model.embed_tokens.weight")
    assert abs(embedding.std().item() - 0.02) < 0.001
    assert abs(embedding.mean().item()) < 0.001
    assert torch.equal(checkpoint.tensor("model.norm.weight"), torch.ones(64))
    assert not checkpoint.tensor("model.layers.0.self_attn.qkv_proj.bias").any()
    assert torch.isfinite(logits(load_model(checkpoint), torch.tensor([[1, 2, 3]]))).all()


def test_unknown_preset_tensor_is_refused() -> None:
    with pytest.raises(CheckpointError, match="no tensor"):
        open_checkpoint("shakti-100m").tensor("lm_head.weight")


@pytest.mark.parametrize(
    ("typed", "nearest"), [("shakti-10m", "shakti-100m"), ("smolm2-135m", "smollm2-135m")]
)
def test_mistyped_name_gets_the_nearest(typed: str, nearest: str) -> None:
    with pytest.raises(UnknownModelError) as caught:
        open_checkpoint(typed)
    assert caught.value.nearest == nearest
    assert nearest in caught.value.hint


def test_name_like_no_other_gets_all_names() -> None:
    with pytest.raises(UnknownModelError) as caught:
        open_checkpoint("/no/such/thing")
    assert caught.value.nearest is None
    assert all(name in caught.value.hint for name in PRESETS)


@pytest.mark.parametrize("name", ["", "~nobody-has-this-name/x", "a\0b", "x" * 5000, "two\nlines"])
def test_text_that_is_no_path_is_an_unknown_model(name: str) -> None:
    with pytest.raises(UnknownModelError, match="No model, folder or file") as caught:
        open_checkpoint(name)
    assert "\n" not in caught.value.message


def test_preset_is_found_in_any_case() -> None:
    assert open_checkpoint("Shakti-100M").source.name == "shakti-100m"


@pytest.mark.parametrize("name", ["gone.gguf", "gone.safetensors"])
def test_missing_file_is_named(name: str, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=name):
        open_checkpoint(str(tmp_path / name))


def test_seed_for_a_checkpoint_with_weights_is_a_usage_error(tmp_path: Path) -> None:
    write_gguf(tmp_path / "m.gguf", tiny_llama())
    with pytest.raises(UsageError, match="seed"):
        open_checkpoint(str(tmp_path / "m.gguf"), seed=1)


def test_gguf_is_recognised_without_its_ending(tmp_path: Path) -> None:
    write_gguf(tmp_path / "model", tiny_llama())
    assert open_checkpoint(str(tmp_path / "model")).source.kind == "gguf"


def test_source_is_opened_from_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_gguf(tmp_path / "m.gguf", tiny_llama())
    content = (tmp_path / "m.gguf").read_bytes()
    made = replace(
        sources.SOURCES["smollm2-135m"],
        member="x/m.gguf",
        member_sha256=hashlib.sha256(content).hexdigest(),
        member_bytes=len(content),
    )
    monkeypatch.setattr(sources, "SOURCES", MappingProxyType({made.name: made}))
    monkeypatch.setenv("SHAKTI_CACHE", str(tmp_path / "cache"))
    sources.cached_path(made).parent.mkdir(parents=True)
    sources.cached_path(made).write_bytes(content)
    source = open_checkpoint("SmolLM2-135M-Instruct").source
    assert (source.name, source.family, source.licence) == (
        "smollm2-135m",
        "SmolLM2",
        "Apache-2.0",
    )
    assert [file.name for file in source.files] == ["m.gguf"]
    assert source.files[0].sha256 == made.member_sha256


def test_source_never_tells_a_path_of_this_machine(tmp_path: Path) -> None:
    write_gguf(tmp_path / "m.gguf", tiny_llama())
    tiny_shakti().save_pretrained(tmp_path / "folder")
    for model in ("m.gguf", "folder"):
        source = open_checkpoint(str(tmp_path / model)).source
        assert str(tmp_path) not in str(source)
        assert all("/" not in file.name for file in source.files)


def test_loaded_model_is_float32_in_evaluation_mode_and_tied(tmp_path: Path) -> None:
    tiny_shakti().save_pretrained(tmp_path)
    model = load_model(open_checkpoint(str(tmp_path)))
    assert not model.training
    assert {value.dtype for value in model.parameters()} == {torch.float32}
    assert {value.device.type for value in model.parameters()} == {"cpu"}
    assert model.lm_head.weight is model.model.embed_tokens.weight
    assert model.generation_config.eos_token_id == 2


class Incomplete:
    """A checkpoint that leaves tensors out or gives them in the wrong shape."""

    def __init__(self, inner: Checkpoint, drop: str = "", reshape: str = "") -> None:
        self.config, self.source = inner.config, inner.source
        self._inner, self._drop, self._reshape = inner, drop, reshape
        self.tokenizer = inner.tokenizer

    def names(self) -> list[str]:
        return [name for name in self._inner.names() if name != self._drop]

    def tensor(self, name: str) -> torch.Tensor:
        value = self._inner.tensor(name)
        return value[:-1] if name == self._reshape else value


def test_model_is_never_returned_half_filled() -> None:
    inner = PresetCheckpoint(tiny_preset())
    with pytest.raises(CheckpointError, match=r"no tensor for model\.norm\.weight"):
        load_model(Incomplete(inner, drop="model.norm.weight"))
    with pytest.raises(CheckpointError, match=r"model\.norm\.weight has shape \(63,\)"):
        load_model(Incomplete(inner, reshape="model.norm.weight"))


MEASURE = """
import json, sys
from sdk_builder.models import load_model, open_checkpoint
from tests.integration.models import memory
# One tiny load first: what a first use of the libraries costs is no copy of the weights.
load_model(open_checkpoint(sys.argv[1]))
before = memory.start()
model = load_model(open_checkpoint(sys.argv[2]))
size = sum(value.numel() * 4 for value in model.parameters())
print(json.dumps({"grown": memory.peak() - before, "size": size}))
"""


@pytest.mark.slow
@pytest.mark.skipif(not memory.AVAILABLE, reason="needs /proc")
@pytest.mark.parametrize("stored", ["float32", "bfloat16", "gguf"])
def test_peak_memory_of_loading_is_below_one_and_a_half_models(stored: str, tmp_path: Path) -> None:
    shape = {
        "vocab_size": 16000,
        "hidden_size": 512,
        "intermediate_size": 1536,
        "num_hidden_layers": 8,
        "num_attention_heads": 8,
        "num_key_value_heads": 4,
    }
    for name, fields in (("tiny", {}), ("large", shape)):
        model = tiny_llama(**fields)
        if stored == "gguf":
            write_gguf(tmp_path / name, model, tokenizer=False)
        else:
            model.to(getattr(torch, stored)).save_pretrained(tmp_path / name)
    argv = [sys.executable, "-c", MEASURE, str(tmp_path / "tiny"), str(tmp_path / "large")]
    done = subprocess.run(argv, check=True, capture_output=True, text=True, timeout=240)
    measured = json.loads(done.stdout.splitlines()[-1])
    assert measured["size"] > 150e6
    assert measured["size"] * 0.9 < measured["grown"] < measured["size"] * 1.5, measured
