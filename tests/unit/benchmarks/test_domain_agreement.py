"""Rank correlation and AUC of the agreement table, worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.domain_agreement import RANKS, SORTS, Agreement, measure, table
from sdk_builder.evaluation.domain.judge import MetricsJudge
from tests.unit.evaluation.domain.embedders import WordEmbedder, agreement_cases


def agreement(scores: list[list[float]], ranks: list[list[int]]) -> Agreement:
    return Agreement("factual", np.array(scores), np.array(ranks))


def test_perfect_agreement():
    found = agreement([[0.9, 0.5, 0.1]], [[2, 1, 0]])
    assert found.spearman == pytest.approx(1)
    assert (found.auc, found.good_first) == (1, 1)


def test_ties_count_half():
    found = agreement([[0.9, 0.5, 0.5], [0.2, 0.5, 0.1]], [[2, 1, 0], [2, 1, 0]])
    # upper 0.9 0.5 0.2 0.5 against lower 0.5 0.1: 2 + 1.5 + 1 + 1.5 of 8
    assert found.auc == pytest.approx(6 / 8)
    assert found.good_first == 0.5
    # ranks of scores 6 4 4 2 4 1, of labels 5.5 3.5 1.5 5.5 3.5 1.5
    assert found.spearman == pytest.approx(
        np.corrcoef([6, 4, 4, 2, 4, 1], [5.5, 3.5, 1.5] * 2)[0, 1]
    )


def test_cases_have_all_that_the_table_needs():
    cases = agreement_cases()
    assert {case["split"] for case in cases} == {"development", "held-out"}
    assert all(set(ranks) == set(SORTS) for ranks in RANKS.values())
    rows = table(measure(cases, MetricsJudge(WordEmbedder())))
    assert len(rows) == 5
    assert "| relevancy | 22 |" in rows[2]
