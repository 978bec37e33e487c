"""The real SmolLM2-135M-Instruct, if it is in the cache (`SHAKTI_CACHE/sources`)."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from tokenizers import Tokenizer
from transformers import AutoModelForCausalLM, AutoTokenizer

from sdk_builder.models import load_model, open_checkpoint
from sdk_builder.models.presets import parameter_count
from sdk_builder.models.sources import SOURCES, cached_path
from tests.integration.models.test_tokenizers import TEXTS

SOURCE = SOURCES["smollm2-135m"]
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not cached_path(SOURCE).is_file(), reason="SmolLM2 is not in the cache of sources"
    ),
]
PROMPT = "<|im_start|>user\nWhat is the capital of France?<|im_end|>\n<|im_start|>assistant\n"


@pytest.fixture(scope="module")
def folder() -> Path:
    return cached_path(SOURCE).parent


def test_shape_and_origin_are_the_published_ones() -> None:
    checkpoint = open_checkpoint("smollm2-135m")
    config = checkpoint.config
    assert parameter_count(config.to_dict()) == SOURCE.parameters
    assert (config.num_attention_heads, config.num_key_value_heads) == (9, 3)
    assert (config.hidden_size, config.vocab_size) == (576, 49152)
    assert config.tie_word_embeddings
    source = checkpoint.source
    assert (source.weight_format, source.licence) == ("Q4_1", "Apache-2.0")
    assert source.files[0].sha256 == SOURCE.member_sha256


def test_logits_equal_transformers_and_the_answer_is_right(folder: Path) -> None:
    checkpoint = open_checkpoint("smollm2-135m")
    tokenizer = Tokenizer.from_str(checkpoint.tokenizer().json_text)
    ids = torch.tensor([tokenizer.encode(PROMPT).ids])
    mine = load_model(checkpoint)
    answer = mine.generate(ids, max_new_tokens=16, do_sample=False, pad_token_id=2)
    assert tokenizer.decode(answer[0, ids.shape[1] :].tolist()) == "The capital of France is Paris."
    with torch.no_grad():
        logits = mine(ids).logits
    del mine
    theirs = AutoModelForCausalLM.from_pretrained(
        folder, gguf_file=cached_path(SOURCE).name, dtype=torch.float32
    ).eval()
    with torch.no_grad():
        expected = theirs(ids).logits
    torch.testing.assert_close(logits, expected, rtol=1e-4, atol=1e-3)


def test_tokenizer_equals_transformers_but_for_digits(folder: Path) -> None:
    assets = open_checkpoint("smollm2-135m").tokenizer()
    mine = Tokenizer.from_str(assets.json_text)
    theirs = AutoTokenizer.from_pretrained(folder, gguf_file=cached_path(SOURCE).name)
    for text in [*TEXTS, PROMPT]:
        ids = mine.encode(text).ids
        assert mine.decode(ids, skip_special_tokens=False) == text
        if not any(character.isnumeric() for character in text):
            assert ids == theirs.encode(text, add_special_tokens=False), text
    # transformers' GGUF reader does not know that this model was trained on single digits.
    assert mine.encode("In 2024").tokens == ["In", "Ġ", "2", "0", "2", "4"]


def test_special_tokens_and_template(folder: Path) -> None:
    assets = open_checkpoint("smollm2-135m").tokenizer()
    mine = Tokenizer.from_str(assets.json_text)
    assert mine.encode("<|im_start|><|im_end|><|endoftext|>").ids == [1, 2, 0]
    assert (assets.bos_id, assets.eos_ids, assets.add_bos) == (1, (2,), False)
    assert assets.chat_template is not None
    assert "SmolLM" in assets.chat_template
    assert assets.vocab_size == 49152
