"""Damaged files: a clear error, or a checkpoint that is whole and finite. Nothing else.

In particular no traceback from a library, no hang, and no allocation beyond what the file
itself could hold.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from gguf.constants import GGMLQuantizationType as Kind
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer

from sdk_builder.errors import CheckpointError, InputError
from sdk_builder.models import open_checkpoint
from sdk_builder.models.gguf_file import read_gguf
from sdk_builder.models.preset_checkpoint import byte_tokenizer
from tests.integration.models import memory
from tests.integration.models.builders import (
    byte_tokenizer_fields,
    tiny_llama,
    tiny_qwen2,
    write_gguf,
)

TINY = {
    "hidden_size": 32,
    "intermediate_size": 32,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
}
MOST_BYTES = 64 << 20  # of memory, for files of some 20 to 60 kB
EXAMPLES = settings(
    max_examples=300,
    deadline=5000,  # ms: a hang or a giant allocation would show here
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


@pytest.fixture(scope="module")
def gguf_bytes(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("gguf") / "m.gguf"
    write_gguf(path, tiny_llama(**TINY), Kind.Q4_0)
    return path.read_bytes()


@pytest.fixture(scope="module")
def folder_bytes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("folder")
    tiny_qwen2(**TINY, tie_word_embeddings=True).save_pretrained(folder)
    (folder / "tokenizer.json").write_text(byte_tokenizer(320).json_text)
    special = {"bos_token": "<|endoftext|>", "eos_token": "<|im_end|>", "chat_template": "{{ 1 }}"}
    (folder / "tokenizer_config.json").write_text(json.dumps(special))
    return {file.name: file.read_bytes() for file in folder.iterdir()}


def damage(data: bytes, draw: st.DataObject, *, head: int | None = None) -> bytes:
    """Flip bits, overwrite with extreme numbers, insert, or cut; mostly within `head` bytes."""
    changed = bytearray(data)
    where = st.integers(0, len(data) - 1)
    if head is not None:
        where = st.integers(0, head - 1) | where
    for _ in range(draw.draw(st.integers(1, 4))):
        at = min(draw.draw(where), len(changed) - 1)
        kind = draw.draw(st.sampled_from(["flip", "set", "extreme", "insert", "delete", "cut"]))
        if kind == "flip":
            changed[at] ^= 1 << draw.draw(st.integers(0, 7))
        elif kind == "set":
            changed[at] = draw.draw(st.integers(0, 255))
        elif kind == "extreme":
            changed[at : at + 8] = draw.draw(
                st.sampled_from(
                    [b"\xff" * 8, b"\0" * 8, b"\xff" * 7 + b"\x7f", b"\0\0\0\0\1\0\0\0"]
                )
            )
        elif kind == "insert":
            changed[at:at] = draw.draw(st.binary(min_size=1, max_size=9))
        elif kind == "delete":
            del changed[at : at + draw.draw(st.integers(1, 9))]
        else:
            del changed[at:]
        if not changed:
            break
    return bytes(changed)


def assert_whole_or_refused(path: Path) -> None:
    """Open, read every tensor and the tokenizer: InputError, or all of it usable."""
    before = memory.start() if memory.AVAILABLE else 0
    problem = ""
    try:
        checkpoint = open_checkpoint(str(path))
        for name in checkpoint.names():
            assert torch.isfinite(checkpoint.tensor(name)).all()
        assets = checkpoint.tokenizer()
        assert 0 < assets.vocab_size <= checkpoint.config.vocab_size
        assert all(0 <= one < assets.vocab_size for one in assets.eos_ids)
        Tokenizer.from_str(assets.json_text).encode("Hello, world 123")
        assert checkpoint.source.files
    except InputError as error:
        problem = error.message
    assert "\n" not in problem
    if memory.AVAILABLE:
        assert memory.peak() - before < MOST_BYTES


@EXAMPLES
@given(draw=st.data())
def test_damaged_gguf_is_refused_or_whole(
    draw: st.DataObject, gguf_bytes: bytes, tmp_path: Path
) -> None:
    path = tmp_path / "m.gguf"
    path.write_bytes(damage(gguf_bytes, draw, head=9000))
    assert_whole_or_refused(path)


@EXAMPLES
@given(draw=st.data())
def test_damaged_weights_are_refused_or_whole(
    draw: st.DataObject, folder_bytes: dict[str, bytes], tmp_path: Path
) -> None:
    for name, data in folder_bytes.items():
        (tmp_path / name).write_bytes(data)
    weights = folder_bytes["model.safetensors"]
    (tmp_path / "model.safetensors").write_bytes(damage(weights, draw, head=1500))
    assert_whole_or_refused(tmp_path)


@EXAMPLES
@given(
    draw=st.data(),
    name=st.sampled_from(
        ["config.json", "tokenizer.json", "tokenizer_config.json", "generation_config.json"]
    ),
)
def test_damaged_text_file_is_refused_or_whole(
    draw: st.DataObject, name: str, folder_bytes: dict[str, bytes], tmp_path: Path
) -> None:
    for other, data in folder_bytes.items():
        (tmp_path / other).write_bytes(data)
    (tmp_path / name).write_bytes(damage(folder_bytes[name], draw))
    assert_whole_or_refused(tmp_path)


@pytest.mark.slow
def test_every_prefix_of_a_gguf_is_refused(gguf_bytes: bytes, tmp_path: Path) -> None:
    path = tmp_path / "m.gguf"
    table = read_gguf_bytes(path, gguf_bytes)
    for size in [*range(0, table, 7), *range(table, len(gguf_bytes), 997)]:
        path.write_bytes(gguf_bytes[:size])
        with pytest.raises(CheckpointError):
            open_checkpoint(str(path))


@pytest.mark.slow
def test_every_byte_of_a_gguf_header_may_be_wrong(gguf_bytes: bytes, tmp_path: Path) -> None:
    path = tmp_path / "m.gguf"
    for at in range(read_gguf_bytes(path, gguf_bytes)):
        changed = bytearray(gguf_bytes)
        changed[at] ^= 0xFF
        path.write_bytes(changed)
        assert_whole_or_refused(path)


def read_gguf_bytes(path: Path, data: bytes) -> int:
    """Bytes before the first tensor's data."""
    path.write_bytes(data)
    return min(tensor.offset for tensor in read_gguf(path).tensors.values())


@pytest.mark.parametrize(
    "change",
    [
        lambda fields: fields["tokenizer.ggml.tokens"].__setitem__(5, "!"),
        lambda fields: fields["tokenizer.ggml.merges"].append("no such"),
        lambda fields: fields["tokenizer.ggml.merges"].append("onepiece"),
        lambda fields: fields["tokenizer.ggml.token_type"].append(1),
        lambda fields: fields.update({"tokenizer.ggml.pre": "unheard-of"}),
        lambda fields: fields.update({"tokenizer.ggml.model": "llama"}),
        lambda fields: fields.pop("tokenizer.ggml.tokens"),
        lambda fields: fields.pop("tokenizer.ggml.merges"),
        lambda fields: fields.pop("tokenizer.ggml.model"),
        lambda fields: fields.update({"tokenizer.ggml.eos_token_id": 319}),
        lambda fields: fields.update({"tokenizer.ggml.tokens": [f"t{i}" for i in range(400)]}),
    ],
)
def test_tokenizer_that_contradicts_itself_is_refused(
    change: Callable[[dict[str, object]], object], tmp_path: Path
) -> None:
    fields = byte_tokenizer_fields()
    change(fields)
    write_gguf(tmp_path / "m.gguf", tiny_llama(**TINY), tokenizer=False, changes=fields)
    checkpoint = open_checkpoint(str(tmp_path / "m.gguf"))
    with pytest.raises(InputError, match=r"m\.gguf") as caught:
        checkpoint.tokenizer()
    assert "\n" not in caught.value.message
