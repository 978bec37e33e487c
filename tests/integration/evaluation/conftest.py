"""A tiny Shakti model, its bundles, and local tasks of each kind; nothing is downloaded."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

# Read when huggingface_hub and datasets are imported, which happens within the tests.
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("HF_DATASETS_OFFLINE", "1")

import sdk_builder
from sdk_builder.models.preset_checkpoint import byte_tokenizer
from tests.integration.models.builders import VOCABULARY, tiny_shakti

CONTEXT = 160  # bytes: some of the texts below are longer
QUESTIONS = [
    ("The capital of France is", [" Paris", " B", " New York City"], 0),
    ("Two plus two is ", ["4", "7", "9"], 0),  # one token each, after a space
    ("Cats like to drink", [" gravel", " milk"], 1),
    ("A long story. " * 12 + "It ends", [" well", " in tears", " here"], 2),  # is cut
]


@dataclass(frozen=True)
class Tasks:
    """Files of local tasks. choices: multiple_choice; texts: rolling; answers: generate_until."""

    choices: Path
    texts: Path
    answers: Path

    @property
    def files(self) -> list[str]:
        return [str(one) for one in (self.choices, self.texts, self.answers)]


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The model as transformers saves it, with VGQA and a tokenizer of bytes."""
    folder = tmp_path_factory.mktemp("model") / "tiny"
    tiny_shakti(bos_token_id=0, eos_token_id=2).save_pretrained(folder)
    assets = byte_tokenizer(VOCABULARY)
    (folder / "tokenizer.json").write_text(assets.json_text, encoding="utf-8")
    settings = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": assets.bos_token,
        "eos_token": assets.eos_tokens[0],
        "chat_template": assets.chat_template,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(settings), encoding="utf-8")
    return folder


@pytest.fixture(scope="session")
def bundle(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its float bundle."""
    target = tmp_path_factory.mktemp("bundles") / "tiny-none"
    sdk_builder.export(str(folder), target, quant="none", context_length=CONTEXT)
    return target


@pytest.fixture(scope="session")
def q4(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its 4-bit bundle."""
    target = tmp_path_factory.mktemp("bundles") / "tiny-q4"
    sdk_builder.export(str(folder), target, quant="q4", context_length=CONTEXT)
    return target


@pytest.fixture(scope="session", autouse=True)
def datasets_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Local data is cached by its path and time: not in the user's folder."""
    import datasets

    before = datasets.config.HF_DATASETS_CACHE
    datasets.config.HF_DATASETS_CACHE = tmp_path_factory.mktemp("datasets")
    yield
    datasets.config.HF_DATASETS_CACHE = before


@pytest.fixture(scope="session")
def tasks(tmp_path_factory: pytest.TempPathFactory) -> Tasks:
    place = tmp_path_factory.mktemp("tasks")
    questions = [
        {"question": question, "choices": choices, "right": right}
        for question, choices, right in QUESTIONS
    ]
    texts = [{"text": "One short text."}, {"text": "A text of some length. " * 15}, {"text": "x"}]
    return Tasks(
        choices=write_task(
            place,
            "tiny_choices",
            questions,
            output_type="multiple_choice",
            doc_to_text="{{question}}",
            doc_to_target="right",
            doc_to_choice="choices",
            target_delimiter="",
            metric_list=[{"metric": "acc"}, {"metric": "acc_norm"}],
        ),
        texts=write_task(
            place,
            "tiny_texts",
            texts,
            output_type="loglikelihood_rolling",
            doc_to_text="",
            doc_to_target="{{text}}",
            metric_list=[{"metric": "byte_perplexity"}, {"metric": "word_perplexity"}],
        ),
        answers=write_task(
            place,
            "tiny_answers",
            questions,
            output_type="generate_until",
            doc_to_text="{{question}}",
            doc_to_target="{{choices[right]}}",
            generation_kwargs={"until": ["\n", "e"], "max_gen_toks": 24},
            metric_list=[{"metric": "exact_match"}],
        ),
    )


def write_task(place: Path, name: str, rows: list[dict], **fields: object) -> Path:
    """A task file and its data beside it."""
    data = place / f"{name}.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    task = {
        "task": name,
        "dataset_path": "json",
        "dataset_kwargs": {"data_files": {"test": str(data)}},
        "test_split": "test",
        **fields,
    }
    path = place / f"{name}.yaml"
    path.write_text(yaml.safe_dump(task), encoding="utf-8")
    return path
