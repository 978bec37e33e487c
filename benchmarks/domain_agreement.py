"""How far the metrics of the domain suite agree with labels that a person gave.

    python benchmarks/domain_agreement.py [--cases tests/unit/evaluation/domain/agreement.jsonl]

Each case has a question or a text and five answers, to which the empty answer and the prompt itself
are added. RANKS says how good each is by the metric's own definition. Printed for each metric: its
mean for each sort of answer; Spearman's rank correlation with the ranks; AUC, the probability that
an answer of the upper ranks scores above one of the lower; and the share of cases in which the good
answer beats all of a lower rank. `held-out` cases were written after the metrics were fixed.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sdk_builder.evaluation.domain.embedding import default_embedder
from sdk_builder.evaluation.domain.judge import MetricsJudge

CASES = Path(__file__).parents[1] / "tests/unit/evaluation/domain/agreement.jsonl"
SORTS = ("good", "partial", "contradicting", "near", "off_topic", "empty", "echo")
# A false answer is as relevant as a true one, and no more factual than none at all.
RANKS: Mapping[str, Mapping[str, int]] = {
    "relevancy": dict(zip(SORTS, (3, 2, 3, 1, 0, 0, 0), strict=True)),
    "factual": dict(zip(SORTS, (2, 1, 0, 0, 0, 0, 0), strict=True)),
    "summarization": dict(zip(SORTS, (2, 1, 0, 0, 0, 0, 0), strict=True)),
}
_UPPER = {"relevancy": 2, "factual": 1, "summarization": 1}
KINDS_OF = {"question": ("relevancy", "factual"), "summary": ("summarization",)}


@dataclass(frozen=True)
class Agreement:
    """Of one metric. scores, ranks: ``[cases, sorts]``."""

    kind: str
    scores: NDArray[np.float64]
    ranks: NDArray[np.int64]

    @property
    def spearman(self) -> float:
        """Over all answers of all cases; equal values have the mean of their ranks."""
        matrix = np.asarray(np.corrcoef(_ranked(self.scores.ravel()), _ranked(self.ranks.ravel())))
        return float(matrix[0, 1])

    @property
    def auc(self) -> float:
        """Of the upper ranks against the lower; equal scores count half."""
        upper = self.ranks >= _UPPER[self.kind]
        one, other = self.scores[upper][:, None], self.scores[~upper][None]
        return float(np.mean((one > other) + 0.5 * (one == other)))

    @property
    def good_first(self) -> float:
        """Share of cases whose good answer beats each answer of a lower rank."""
        good = self.scores[:, :1]
        lower = self.ranks < self.ranks[:, :1]
        return float(np.mean(((good > self.scores) | ~lower).all(axis=1)))


def _ranked(values: NDArray[Any]) -> NDArray[np.float64]:
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    middles = np.asarray(np.cumsum(counts) - (counts - 1) / 2)
    return middles[inverse]


def measure(cases: Sequence[Mapping[str, str]], judge: MetricsJudge) -> list[Agreement]:
    """The agreement of each metric over the cases that it applies to."""
    found = []
    for kind in RANKS:
        mine = [case for case in cases if kind in KINDS_OF[case["kind"]]]
        scores = [[_score(kind, case, sort, judge) for sort in SORTS] for case in mine]
        ranks = [[RANKS[kind][sort] for sort in SORTS] for _ in mine]
        found.append(Agreement(kind, np.array(scores), np.array(ranks)))
    return found


def _score(kind: str, case: Mapping[str, Any], sort: str, judge: MetricsJudge) -> float:
    answers = {**case, "empty": "", "echo": case["prompt"]}
    expected = "\n".join(case["claims"]) if kind == "factual" else case["reference"]
    return judge.score(kind, case["prompt"], expected, answers[sort])


def table(found: Sequence[Agreement]) -> list[str]:
    """As Markdown."""
    head = ["metric", "cases", *(sort.replace("_", " ") for sort in SORTS)]
    head += ["Spearman", "AUC", "good first"]
    rows = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    for one in found:
        means = [f"{value:.2f}" for value in one.scores.mean(axis=0)]
        marks = [f"{one.spearman:.2f}", f"{one.auc:.2f}", f"{one.good_first:.0%}"]
        rows.append(f"| {' | '.join([one.kind, str(len(one.scores)), *means, *marks])} |")
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", type=Path, default=CASES)
    options = parser.parse_args()
    lines = options.cases.read_text(encoding="utf-8").splitlines()
    cases = [json.loads(line) for line in lines if line.strip()]
    judge = MetricsJudge(default_embedder())
    for split in dict.fromkeys(case["split"] for case in cases):
        print(f"\n{split}\n")
        print("\n".join(table(measure([c for c in cases if c["split"] == split], judge))))


if __name__ == "__main__":
    main()
