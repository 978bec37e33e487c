"""Tokenizers from GGUF and from folders encode as transformers' own do."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import AutoTokenizer

from sdk_builder.errors import TokenizerError
from sdk_builder.models import open_checkpoint
from sdk_builder.models.preset_checkpoint import SPECIAL_TOKENS, byte_tokenizer
from sdk_builder.models.tokenizer_assets import (
    BYTE_FALLBACK,
    BYTE_LEVEL,
    TokenizerAssets,
    tokenizer_from_path,
)
from tests.integration.models.builders import byte_tokenizer_fields, tiny_llama, write_gguf

TEXTS = [
    "",
    " ",
    "the then  the\tthe\n\nthe \r\n the",
    "In 2024, 12345678 items cost $1,234.56 (12.5 %), 0x7fff",
    "12312312 123 the123the",
    "it's we'll I'M THEY'RE don't 'the'",
    "def f(x):\n    return {'a': [x ** 2 for _ in range(10)]}  # comment\n",
    "L'été à Zürich, naïve façade, Straße, İstanbul, ﬁne",
    "Привет, мир! Γειά σου Κόσμε",
    "你好，世界。今日は良い天気ですね。안녕하세요 세계",
    "नमस्ते दुनिया, ১২৩ ٤٥٦ ²³ ½ Ⅳ",
    "مرحبا بالعالم שלום עולם",
    "สวัสดีชาวโลก ខ្មែរ ไทย",
    "👍🏽 👩‍👩‍👧‍👦 🇮🇳 ☃️ 𝔘𝔫𝔦𝔠𝔬𝔡𝔢",
    "zero\u200bwidth\u00a0space\u3000wide\ufeff\u2028line",
    "\x00\x01\x7f control",
    "trailing spaces   ",
    "   leading",
    "https://example.org/a?b=c&d=%20#e user@example.org C:\\path\\file",
    "----====____....!!!???",
]
CHATML = "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n"


def gguf_assets(folder: Path, pre: str, **changes: Any) -> TokenizerAssets:
    fields = {**byte_tokenizer_fields(pre), **changes}
    write_gguf(folder / "m.gguf", tiny_llama(), tokenizer=False, changes=fields)
    return open_checkpoint(str(folder / "m.gguf")).tokenizer()


@pytest.fixture(scope="module")
def tokenizer_of(
    tmp_path_factory: pytest.TempPathFactory,
) -> Callable[[str], tuple[Tokenizer, Path]]:
    made: dict[str, tuple[Tokenizer, Path]] = {}

    def make(pre: str) -> tuple[Tokenizer, Path]:
        if pre not in made:
            folder = tmp_path_factory.mktemp(pre)
            made[pre] = Tokenizer.from_str(gguf_assets(folder, pre).json_text), folder
        return made[pre]

    return make


@pytest.mark.parametrize("pre", ["gpt-2", "llama-bpe", "qwen2"])
def test_ids_equal_those_of_transformers(
    pre: str, tokenizer_of: Callable[[str], tuple[Tokenizer, Path]]
) -> None:
    mine, folder = tokenizer_of(pre)
    theirs = AutoTokenizer.from_pretrained(folder, gguf_file="m.gguf")
    for text in [*TEXTS, CHATML]:
        # Qwen's own tokenizer composes text first; transformers' GGUF reader leaves that out.
        given_text = unicodedata.normalize("NFC", text) if pre == "qwen2" else text
        assert mine.encode(text).ids == theirs.encode(given_text, add_special_tokens=False), text


def test_smollm_is_gpt2_with_single_digits(
    tokenizer_of: Callable[[str], tuple[Tokenizer, Path]],
) -> None:
    smollm, gpt2 = tokenizer_of("smollm")[0], tokenizer_of("gpt-2")[0]
    assert smollm.encode("12312").tokens == ["1", "2", "3", "1", "2"]
    assert gpt2.encode("12312").tokens == ["123", "12"]
    for text in TEXTS:
        if not any(character.isnumeric() for character in text):
            assert smollm.encode(text).ids == gpt2.encode(text).ids


def test_default_cuts_as_llama_cpp_does(
    tokenizer_of: Callable[[str], tuple[Tokenizer, Path]],
) -> None:
    pieces = [
        piece for piece, _ in tokenizer_of("default")[0].pre_tokenizer.pre_tokenize_str(
            "Hello, the12345 world's  end!"
        )
    ]  # fmt: skip
    assert pieces == ["Hello", ",", "Ġthe", "123", "45", "Ġworld", "'", "s", "Ġ", "Ġend", "!"]


PRES = ["gpt-2", "smollm", "llama-bpe", "qwen2", "default"]


@pytest.mark.parametrize("pre", PRES)
@settings(deadline=None)
@given(text=st.text() | st.sampled_from(TEXTS))
def test_decoding_gives_the_text_back(
    pre: str, text: str, tokenizer_of: Callable[[str], tuple[Tokenizer, Path]]
) -> None:
    tokenizer = tokenizer_of(pre)[0]
    again = tokenizer.decode(tokenizer.encode(text).ids, skip_special_tokens=False)
    assert again == (unicodedata.normalize("NFC", text) if pre == "qwen2" else text)


@pytest.mark.parametrize("pre", PRES)
def test_chat_markers_are_single_ids(
    pre: str, tokenizer_of: Callable[[str], tuple[Tokenizer, Path]]
) -> None:
    encoded = tokenizer_of(pre)[0].encode(CHATML)
    assert encoded.ids.count(1) == 2
    assert encoded.ids.count(2) == 1
    assert encoded.tokens[:2] == ["<|im_start|>", "u"]


def test_gguf_metadata_becomes_assets(tmp_path: Path) -> None:
    assets = gguf_assets(tmp_path, "smollm", **{"tokenizer.ggml.padding_token_id": 2})
    assert assets.kind == BYTE_LEVEL
    assert (assets.bos_token, assets.bos_id) == ("<|endoftext|>", 0)
    assert (assets.eos_tokens, assets.eos_ids) == (("<|im_end|>",), (2,))
    assert (assets.pad_token, assets.pad_id) == ("<|im_end|>", 2)
    assert assets.vocab_size == 267
    assert not assets.add_bos
    assert assets.chat_template == "{% for m in messages %}{{ m['content'] }}{% endfor %}"
    assert len(assets.sha256) == 64


def test_end_of_turn_is_another_end(tmp_path: Path) -> None:
    changes = {"tokenizer.ggml.eos_token_id": 0, "tokenizer.ggml.eot_token_id": 2}
    assert gguf_assets(tmp_path, "smollm", **changes).eos_ids == (0, 2)


@pytest.mark.parametrize(("flag", "adds"), [(True, True), (False, False), (None, True)])
def test_bos_is_added_as_the_file_says_or_llama_3_does(
    flag: bool | None, adds: bool, tmp_path: Path
) -> None:
    assets = gguf_assets(tmp_path, "llama-bpe", **{"tokenizer.ggml.add_bos_token": flag})
    assert assets.add_bos is adds
    ids = Tokenizer.from_str(assets.json_text).encode("the").ids
    assert (ids[0] == 0) is adds


def test_bos_that_must_be_added_but_is_not_named_is_refused(tmp_path: Path) -> None:
    changes = {"tokenizer.ggml.add_bos_token": True, "tokenizer.ggml.bos_token_id": None}
    with pytest.raises(TokenizerError, match="none is named"):
        gguf_assets(tmp_path, "gpt-2", **changes)


def test_user_defined_token_is_whole_but_not_special(tmp_path: Path) -> None:
    fields = byte_tokenizer_fields()
    fields["tokenizer.ggml.tokens"].append("<think>")
    fields["tokenizer.ggml.token_type"].append(4)
    assets = gguf_assets(tmp_path, "gpt-2", **fields)
    tokenizer = Tokenizer.from_str(assets.json_text)
    ids = tokenizer.encode("a<think>b").ids
    assert ids[1] == 267
    assert tokenizer.decode(ids) == "a<think>b"


def test_assets_are_deterministic(tmp_path: Path) -> None:
    first = gguf_assets(tmp_path, "qwen2")
    assert gguf_assets(tmp_path, "qwen2") == first


# --- folders --------------------------------------------------------------------------------


def folder_with(
    folder: Path,
    *,
    tokenizer: Tokenizer | None = None,
    config: dict[str, Any] | None = None,
    generation: dict[str, Any] | None = None,
) -> Path:
    text = byte_tokenizer(320).json_text if tokenizer is None else tokenizer.to_str()
    (folder / "tokenizer.json").write_text(text)
    special = {"bos_token": "<|endoftext|>", "eos_token": "<|im_end|>"}
    settings_ = {**special, **(config or {})}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings_))
    if generation is not None:
        (folder / "generation_config.json").write_text(json.dumps(generation))
    return folder


def test_folder_gives_its_files(tmp_path: Path) -> None:
    config = {
        "eos_token": {"content": "<|im_end|>", "lstrip": False},
        "pad_token": "<|im_end|>",
        "chat_template": "inner",
    }
    folder_with(tmp_path, config=config, generation={"eos_token_id": [0, 2]})
    assets = tokenizer_from_path(tmp_path, 320, config_eos_ids=(1,))
    assert assets.json_text == (tmp_path / "tokenizer.json").read_text()
    assert assets.eos_ids == (0, 2, 1)
    assert assets.eos_tokens == ("<|endoftext|>", "<|im_end|>", "<|im_start|>")
    assert (assets.pad_id, assets.bos_id) == (2, 0)
    assert assets.chat_template == "inner"
    assert assets == tokenizer_from_path(tmp_path / "tokenizer.json", 320, config_eos_ids=(1,))


def test_template_file_goes_before_the_inner_one(tmp_path: Path) -> None:
    folder_with(tmp_path, config={"chat_template": "inner"})
    (tmp_path / "chat_template.jinja").write_text("outer")
    assert tokenizer_from_path(tmp_path, 320).chat_template == "outer"


def test_default_template_of_several_is_taken(tmp_path: Path) -> None:
    named = [{"name": "tool_use", "template": "t"}, {"name": "default", "template": "d"}]
    folder_with(tmp_path, config={"chat_template": named})
    assert tokenizer_from_path(tmp_path, 320).chat_template == "d"


@pytest.mark.parametrize("flag", [True, False, None])
@pytest.mark.parametrize("template", [True, False])
def test_bos_is_added_where_transformers_adds_it(
    template: bool, flag: bool | None, tmp_path: Path
) -> None:
    tokenizer = Tokenizer.from_str(byte_tokenizer(320).json_text)
    if template:
        tokenizer.post_processor = processors.TemplateProcessing(
            single=["<|endoftext|>", "$A"], special_tokens=[("<|endoftext|>", 0)]
        )
    config = {"tokenizer_class": "PreTrainedTokenizerFast"}
    folder = folder_with(
        tmp_path,
        tokenizer=tokenizer,
        config=config if flag is None else {**config, "add_bos_token": flag},
    )
    assets = tokenizer_from_path(folder, 320)
    theirs = AutoTokenizer.from_pretrained(folder)
    assert assets.add_bos is (theirs("a").input_ids[0] == 0)
    assert assets.bos_id == 0


def test_leftover_truncation_and_padding_are_removed(tmp_path: Path) -> None:
    tokenizer = Tokenizer.from_str(byte_tokenizer(320).json_text)
    tokenizer.enable_truncation(4)
    tokenizer.enable_padding(length=10)
    assets = tokenizer_from_path(folder_with(tmp_path, tokenizer=tokenizer), 320)
    assert len(Tokenizer.from_str(assets.json_text).encode("a long sentence").ids) == 15


def test_byte_fallback_is_recognised(tmp_path: Path) -> None:
    vocabulary = {"<unk>": 0, "<s>": 1, "</s>": 2}
    vocabulary |= {f"<0x{byte:02X}>": 3 + byte for byte in range(256)} | {"▁": 259, "a": 260}
    tokenizer = Tokenizer(models.BPE(vocabulary, [], unk_token="<unk>", byte_fallback=True))
    tokenizer.normalizer = normalizers.Replace(" ", "▁")
    config = {"bos_token": "<s>", "eos_token": "</s>"}
    assets = tokenizer_from_path(folder_with(tmp_path, tokenizer=tokenizer, config=config), 320)
    assert assets.kind == BYTE_FALLBACK
    assert assets.eos_ids == (2,)


def with_dropout(folder: Path) -> None:
    raw = json.loads((folder / "tokenizer.json").read_text())
    raw["model"]["dropout"] = 0.1
    (folder / "tokenizer.json").write_text(json.dumps(raw))


def other_kind(folder: Path) -> None:
    tokenizer = Tokenizer(models.WordLevel({"a": 0, "[UNK]": 1}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    (folder / "tokenizer.json").write_text(tokenizer.to_str())
    (folder / "tokenizer_config.json").unlink()


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (lambda folder: (folder / "tokenizer.json").unlink(), "has no tokenizer.json"),
        (lambda folder: (folder / "tokenizer.json").write_text("{"), "cannot be read"),
        (lambda folder: (folder / "tokenizer.json").write_bytes(b"\xff"), "not UTF-8"),
        (lambda folder: (folder / "tokenizer_config.json").write_text("["), "not valid JSON"),
        (lambda folder: (folder / "tokenizer_config.json").write_text("[]"), "JSON object"),
        (
            lambda folder: (folder / "tokenizer_config.json").write_text('{"eos_token": "<eos>"}'),
            "eos_token '<eos>' is not in",
        ),
        (
            lambda folder: (folder / "generation_config.json").write_text('{"eos_token_id": "2"}'),
            "eos_token_id '2'",
        ),
        (
            lambda folder: (folder / "generation_config.json").write_text('{"eos_token_id": 999}'),
            "end-of-text id 999 has no token",
        ),
        (with_dropout, "the tokenizer has dropout"),
        (other_kind, "tokenizers of type 'WordLevel' are not supported"),
    ],
)
def test_folder_whose_tokenizer_cannot_be_used_is_refused(
    damage: Callable[[Path], None], says: str, tmp_path: Path
) -> None:
    damage(folder_with(tmp_path))
    with pytest.raises(TokenizerError, match=says):
        tokenizer_from_path(tmp_path, 320)


def test_tokenizer_of_a_larger_vocabulary_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TokenizerError, match=r"ids up to 258, the model only 200"):
        tokenizer_from_path(folder_with(tmp_path), 200)


def test_given_tokenizer_replaces_the_own_one(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    folder_with(tmp_path / "other", config={"chat_template": "other"})
    write_gguf(tmp_path / "m.gguf", tiny_llama())
    for model in (str(tmp_path / "m.gguf"), "shakti-100m"):
        checkpoint = open_checkpoint(model, tokenizer=tmp_path / "other")
        assert checkpoint.tokenizer().chat_template == "other"


def test_preset_tokenizer_knows_every_byte_and_chatml() -> None:
    assets = open_checkpoint("shakti-100m").tokenizer()
    tokenizer = Tokenizer.from_str(assets.json_text)
    assert assets.vocab_size == 259
    assert [tokenizer.token_to_id(token) for token in SPECIAL_TOKENS] == [0, 1, 2]
    for text in TEXTS:
        assert tokenizer.decode(tokenizer.encode(text).ids) == text
        assert len(tokenizer.encode(text).ids) == len(text.encode())
    assert assets == byte_tokenizer(49152)
