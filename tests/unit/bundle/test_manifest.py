"""The manifest's records refuse what contradicts itself."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from sdk_builder.bundle import manifest as m
from tests.unit.bundle.samples import sample_manifest


def changed(record, **changes):
    """The record built anew with other fields, so that it is checked again."""
    return type(record)(**{**dict(record), **changes})


def test_sample_is_valid_and_names_its_files():
    assert sample_manifest().file_names == ("manifest.json", "model.pte", "tokenizer.json")


@pytest.mark.parametrize(
    ("kv_cache", "per_head"),
    [("fp32", 4 * 4), ("int8", 4 + 4 + 1)],  # int8: an fp32 scale and an int8 zero point
)
def test_kv_cache_of_a_token_is_keys_and_values_of_all_layers(kv_cache: str, per_head: int):
    manifest = sample_manifest()  # head_dim 4, KV heads 2 and 1
    stored = changed(manifest.quantization, kv_cache=kv_cache)
    assert changed(manifest, quantization=stored).kv_bytes_per_token == 2 * (2 + 1) * per_head


def test_records_cannot_be_changed():
    with pytest.raises(ValidationError, match="frozen"):
        sample_manifest().name = "other"


def test_kv_heads_need_one_number_a_layer():
    with pytest.raises(ValidationError, match="kv_heads has 1 entries for 2 layers"):
        changed(sample_manifest().model, kv_heads=(2,))


def test_heads_must_be_a_multiple_of_each_layers_kv_heads():
    with pytest.raises(ValidationError, match="layer 1: 4 heads are no multiple of 3 KV heads"):
        changed(sample_manifest().model, kv_heads=(2, 3))


def test_parts_must_add_up_to_the_program():
    parts = (m.ProgramPart(name="layers", size_bytes=5),)
    with pytest.raises(ValidationError, match="parts are 5 bytes together, size_bytes is 768"):
        changed(sample_manifest().program, parts=parts)


def test_chunk_larger_than_the_context_is_refused():
    with pytest.raises(ValidationError, match="max_chunk 129 is more than context_length 128"):
        changed(sample_manifest().program, max_chunk=129)


@pytest.mark.parametrize(
    "name", ["../model.pte", "/model.pte", "a/b", "a\\b", ".hidden", "", "model.pte\n", "x" * 129]
)
def test_file_outside_the_bundle_cannot_be_named(name):
    with pytest.raises(ValidationError):
        changed(sample_manifest().program, file=name)


@pytest.mark.parametrize("name", ["tokenizer.json", "manifest.json"])
def test_two_files_of_one_name_are_refused(name):
    program = changed(sample_manifest().program, file=name)
    with pytest.raises(ValidationError, match="must differ"):
        changed(sample_manifest(), program=program)


def test_tokenizer_larger_than_the_vocabulary_is_refused():
    tokenizer = changed(sample_manifest().tokenizer, vocab_size=301)
    with pytest.raises(ValidationError, match=r"tokenizer\.vocab_size 301 is more than"):
        changed(sample_manifest(), tokenizer=tokenizer)


@pytest.mark.parametrize("ids", [{"prompt_ids": (300,)}, {"expected_ids": (300,)}])
def test_golden_token_outside_the_vocabulary_is_refused(ids):
    golden = (changed(sample_manifest().golden[0], **ids),)
    with pytest.raises(ValidationError, match="token id 300 is outside the vocabulary of 300"):
        changed(sample_manifest(), golden=golden)


@pytest.mark.parametrize("field", [{"bos_id": 300}, {"eos_ids": (257, 300)}])
def test_special_token_outside_the_vocabulary_is_refused(field):
    tokenizer = changed(sample_manifest().tokenizer, **field)
    with pytest.raises(ValidationError, match="token id 300 is outside"):
        changed(sample_manifest(), tokenizer=tokenizer)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -1.0, "4.5"])
def test_number_that_is_none_is_refused(value):
    with pytest.raises(ValidationError):
        changed(sample_manifest().quantization, bits_per_weight=value)


def test_count_beyond_64_bits_is_refused():
    with pytest.raises(ValidationError):
        changed(sample_manifest().quantization, weights_bytes=2**63)
