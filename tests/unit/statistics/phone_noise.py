"""Durations as phones give them, on the logarithmic scale, many comparisons at once."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from sdk_builder.benchmark.analysis.comparison import RUN_TO_RUN_SD
from sdk_builder.benchmark.analysis.shift import Offset, p_values, rank_sum_distribution

ALPHA = 0.05


@dataclass(frozen=True)
class Phone:
    """How durations scatter; all as shares of the duration.

    noise_sd: of each sample. outlier_share of them take outlier_size longer. drift: heating
    makes a run's last round slower than its first by an amount between 0 and this, another one
    in each run. run_sd: how far whole runs lie apart, for each case by itself or for all alike.
    """

    noise_sd: float = 0.02
    outlier_share: float = 0.05
    outlier_size: float = 0.20
    drift: float = 0.02
    run_sd: float = 0.01
    alike: bool = False

    def side(
        self,
        random: np.random.Generator,
        comparisons: int,
        cases: int,
        rounds: int,
        *,
        slower: float = 0.0,
    ) -> np.ndarray:
        """Logarithms of durations [comparison, case, round] of one run each."""
        shape = (comparisons, cases, rounds)
        offsets = random.normal(0.0, self.run_sd, (comparisons, 1 if self.alike else cases, 1))
        slopes = random.uniform(0.0, self.drift, (comparisons, 1, 1))
        outliers = random.random(shape) < self.outlier_share
        return (
            math.log1p(slower)
            + offsets
            + slopes * np.linspace(0.0, 1.0, rounds)
            + random.normal(0.0, self.noise_sd, shape)
            + np.where(outliers, math.log1p(self.outlier_size), 0.0)
        )


def p_slower(
    base: np.ndarray, new: np.ndarray, margin: float, run_to_run_sd: float = RUN_TO_RUN_SD
) -> np.ndarray:
    """The p-values that `compare` gives two single runs before Holm, [comparison, case]."""
    pairs = (new[..., :, None] - base[..., None, :]).reshape(*base.shape[:2], -1)
    falling = -np.sort(-pairs, axis=-1) - math.log1p(margin)
    distribution = np.asarray(rank_sum_distribution(base.shape[-1], new.shape[-1]))
    return p_values(falling, distribution, Offset(run_to_run_sd * math.sqrt(2.0)))


def any_alarm(p: np.ndarray) -> float:
    """The share of comparisons in which Holm refuses at least one case."""
    return float((p.min(axis=1) * p.shape[1] <= ALPHA + 1e-12).mean())


def found_share(p: np.ndarray) -> float:
    """The share of cases that are found slower when only they are: Holm's first step."""
    return float((p[:, 0] * p.shape[1] <= ALPHA + 1e-12).mean())
