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
    ("fields", "said"),
    [
        ({"window": 0}, "greater than or equal to 1"),
        ({"window": 131_072}, "window of 131072 positions makes no sense"),
        ({"window": 9, "sparse": (8, 1, 1, 1)}, "exclude each other"),
        ({"sparse": (8, 3, 1, 2)}, "3 local, each 1st of 2 makes no sense"),
        ({"sparse": (8, 1, 1, 16_385)}, "makes no sense"),
        ({"sparse": (8, 1, 16_385, 1)}, "makes no sense"),
        ({"sparse": (24, 2, 2, 4)}, "Blocks of 24 positions and chunks of 64 tokens do not fit"),
        ({"global_every": 2}, "global_every needs window or sparse"),
        ({"sinks": 4}, "sinks needs window or sparse"),
        ({"window": 9, "sinks": 4097}, "There cannot be 4097 sinks"),
        ({"window": 9, "global_every": 1}, "to be 2 or more"),
    ],
)
def test_attention_without_a_layout_is_refused(fields: dict[str, object], said: str):
    if isinstance(blocks := fields.get("sparse"), tuple):
        names = ("block", "local", "stride", "reach")
        fields = fields | {"sparse": m.SparseBlocks(**dict(zip(names, blocks, strict=True)))}
    with pytest.raises(ValidationError, match=said):
        changed(sample_manifest().program, **{"max_chunk": 64, **fields})


def test_kv_cache_of_a_window_is_its_ring_but_in_global_layers():
    manifest = sample_manifest()  # head_dim 4, KV heads 2 and 1, fp32
    windowed = changed(manifest.program, window=20, max_chunk=8, global_every=2)
    ring = 4 + 1 + (20 - 1 + 8)
    wanted = 2 * 4 * 4 * (2 * ring + 1 * windowed.context_length)
    assert changed(manifest, program=windowed).kv_cache_bytes == wanted


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
