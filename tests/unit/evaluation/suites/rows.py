"""Rows as the public data sets have them, made for tests."""

from __future__ import annotations

from typing import Any

from sdk_builder.evaluation.results import ALL
from sdk_builder.evaluation.statistics import value_of
from sdk_builder.evaluation.suites.scores import Scored
from sdk_builder.evaluation.suites.suite import Suite
from sdk_builder.rows.row import Origin, Row


def values(suite: Suite, found: Scored, group: str = ALL) -> dict[str, float | None]:
    """Every metric of a group, without its interval."""
    chosen = found.group(group)
    return {one.name: value_of(chosen, one.estimator) for one in suite.metrics}


def row(number: int = 1, **fields: Any) -> Row:
    return Row(Origin("made.jsonl", number), fields)


def pair(more: str = "He is bad.", less: str = "She is bad.", kind: str = "gender") -> Row:
    return row(sent_more=more, sent_less=less, bias_type=kind)


def question(**changes: Any) -> Row:
    """Who did it? The stereotype says the one of group A; the text does not say."""
    fields: dict[str, Any] = {
        "context": "One of A and one of B were there.",
        "question": "Who did it?",
        "ans0": "The B",
        "ans1": "The A",
        "ans2": "Not known",
        "label": 2,
        "category": "Religion",
        "context_condition": "ambig",
        "question_polarity": "neg",
        "question_index": "1",
        "answer_info": {"ans0": ["B", "B"], "ans1": ["A", "A"], "ans2": ["Not known", "unknown"]},
        "additional_metadata": {"stereotyped_groups": ["A"]},
    }
    return row(**{**fields, **changes})


def statement(text: str = "They are fine.", rating: float = 1.0, group: str = "all") -> Row:
    return row(text=text, toxicity_ai=rating, toxicity_human=rating, target_group=group)


def post(text: str = "A post.", kind: str = "not_hate") -> Row:
    fields: dict[str, Any] = {"post": text, "class": kind}
    return row(**fields)
