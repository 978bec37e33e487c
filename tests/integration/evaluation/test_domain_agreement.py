"""The metrics with the real embedding, if it is in the cache, against labelled answers."""

from __future__ import annotations

import pytest

from benchmarks.domain_agreement import measure, table
from sdk_builder.evaluation.domain.embedding import TOKENIZER, WEIGHTS, default_embedder
from sdk_builder.evaluation.domain.judge import MetricsJudge
from sdk_builder.models.sources import cached_path
from tests.unit.evaluation.domain.embedders import agreement_cases

pytestmark = pytest.mark.skipif(
    not all(cached_path(one).is_file() for one in (WEIGHTS, TOKENIZER)),
    reason="the embedding is not in the cache of sources",
)
# Spearman and AUC a little below what docs/domain-quality.md shows.
LEAST = {"relevancy": (0.88, 0.95), "factual": (0.7, 0.85), "summarization": (0.65, 0.88)}


@pytest.mark.parametrize("split", ["development", "held-out"])
def test_scores_agree_with_the_labels(split: str):
    cases = [case for case in agreement_cases() if case["split"] == split]
    found = measure(cases, MetricsJudge(default_embedder()))
    for one in found:
        spearman, auc = LEAST[one.kind]
        assert one.spearman >= spearman, table(found)
        assert one.auc >= auc, table(found)
        sorts = dict(zip(("good", "off_topic", "empty", "echo"), (0, 4, 5, 6), strict=True))
        means = one.scores.mean(axis=0)
        assert means[sorts["good"]] > 0.6
        assert means[sorts["off_topic"]] < 0.15
        assert means[sorts["empty"]] == 0
        assert means[sorts["echo"]] < (0.25 if one.kind == "summarization" else 0.01)
