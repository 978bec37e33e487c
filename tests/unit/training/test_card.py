"""The model card: its front matter is YAML, its tables are tables, whatever the names are."""

from __future__ import annotations

from typing import Any

import yaml

from sdk_builder.training.card import model_card
from sdk_builder.training.inputs import licence_of
from sdk_builder.training.settings import DataSettings

DOCUMENT: dict[str, Any] = {
    "schema": "shakti-training-1",
    "shakti_sdk": "0.1.0",
    "name": "my-model",
    "base_model": {"name": "smollm2-135m", "licence": "apache-2.0", "untrained": False},
    "parameters": 134_515_008,
    "data": [
        {"source": "hub:OWNER/SET/part:train", "weight": 2.0, "licence": "odc-by"},
        {"source": "texts.jsonl", "weight": 1.0, "licence": None},
    ],
    "stage": "pretrain",
    "steps": 1000,
    "tokens": 1_000_000,
    "final_loss": 2.34567,
    "eval_loss": None,
    "export_options": ["--quant", "q4", "--bits", "4.75"],
    "settings": {"learning_rate": 0.001, "seed": 0, "model": "x", "tokenizer": None},
}


def front_matter(card: str) -> Any:
    assert card.startswith("---\n")
    return yaml.safe_load(card.split("---\n")[1])


def test_card_says_what_was_trained_on_what_and_how():
    card = model_card(DOCUMENT)
    assert "134,515,008 parameters, 1,000 steps, 1,000,000 tokens" in card
    assert "| training loss, at the end | 2.3457 |" in card
    assert "| hub:OWNER/SET/part:train | 2.0 | odc-by |" in card
    assert "| texts.jsonl | 1.0 | unknown |" in card
    assert "| learning_rate | 0.001 |" in card
    assert "evaluation loss" not in card


def test_front_matter_has_licence_base_model_and_data_sets():
    found = front_matter(model_card(DOCUMENT))
    assert found["license"] == "apache-2.0"
    assert found["base_model"] == "smollm2-135m"
    assert found["datasets"] == ["OWNER/SET"]


def test_untrained_base_without_licence_is_said_and_not_named_as_base():
    base = {"name": "shakti-100m", "licence": None, "untrained": True}
    card = model_card({**DOCUMENT, "base_model": base, "final_loss": None})
    assert "from untrained weights" in card
    assert "license" not in front_matter(card)
    assert "base_model" not in front_matter(card)
    assert "training loss" not in card


def test_names_cannot_break_out_of_their_places():
    evil = 'a"b\n---\nlicense: mit | x'
    base = {"name": evil, "licence": evil, "untrained": False}
    data = [{"source": evil, "weight": 1.0, "licence": evil}]
    card = model_card({**DOCUMENT, "name": evil, "base_model": base, "data": data})
    assert front_matter(card)["license"] == evil
    assert '| a"b --- license: mit \\| x | 1.0 |' in card


def test_licence_is_table_1_s_where_the_source_is_one_of_its_sets():
    known = DataSettings(source="hub:HuggingFaceTB/smollm-corpus/fineweb-edu-dedup")
    assert licence_of(known) == "odc-by"
    assert licence_of(DataSettings(source="hub:OWNER/OTHER")) is None
    assert licence_of(DataSettings(source="hub:OWNER/OTHER", licence="mit")) == "mit"
