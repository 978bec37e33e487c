"""The test behind `compare`: is one set of logarithms above another by more than a shift?

Two things move the logarithms of durations apart when nothing changed. Noise within a run, with
outliers and with heating over the rounds: the exact rank-sum test (Mann-Whitney) asks nothing
of its shape, only that both sides have the same. And an offset that a run has as a whole, which
no number of rounds averages out: it has to be given, as a standard deviation, and the rank
test's p-value is averaged over it. With offsets of 0 the test is exact; in between it is an
approximation, right in the two limits (no offset, no noise) and checked by simulation.

Ties count against the alternative, which keeps the rank test valid and makes it a little
weaker where timings are coarse.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from statistics import NormalDist
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

ROUNDING = 1e-12  # of levels such as (1 - 0.95) / 3; p-values of ranks may equal them
_BISECTIONS = 60
_FAR = 60.0  # standard deviations; beyond any quantile that is asked for


@dataclass(frozen=True)
class Offset:
    """By how much two sides differ for no reason, on the logarithmic scale.

    df: degrees of freedom, where sd was estimated from runs; None: sd is known or assumed.
    """

    sd: float
    df: int | None = None

    def upper(self, values: np.ndarray) -> np.ndarray:
        """The probability that the offset is at least each of `values`."""
        import numpy as np

        if self.sd == 0.0:
            return np.asarray(values <= 0.0, dtype=np.float64)
        scaled = values / self.sd
        if self.df is None:
            tail = np.frompyfunc(math.erfc, 1, 1)(scaled / math.sqrt(2.0))
            return 0.5 * np.asarray(tail, dtype=np.float64)
        return _student_upper(scaled, self.df)

    def quantile(self, upper: float) -> float:
        """What the offset exceeds with probability `upper`."""
        if self.sd == 0.0:
            return 0.0
        if self.df is None:
            return self.sd * NormalDist().inv_cdf(1.0 - upper)
        import numpy as np

        return _rising(
            lambda at: float(1.0 - self.upper(np.array([at]))[0]),
            1.0 - upper,
            -self.sd * 1e4,
            self.sd * 1e4,
        )


@lru_cache(maxsize=64)
def rank_sum_distribution(m: int, n: int) -> tuple[float, ...]:
    """P(U = u), u from 0 to m·n, of the number of pairs in which the second side is larger."""
    import numpy as np

    # The largest of all values is from either side in proportion to their numbers.
    rows: list[np.ndarray] = [np.ones(1) for _ in range(n + 1)]  # no value on the first side
    for i in range(1, m + 1):
        row = [np.ones(1)]  # no value on the second side
        for j in range(1, n + 1):
            both = np.zeros(i * j + 1)
            both[: (i - 1) * j + 1] += rows[j] * (i / (i + j))
            both[i:] += row[j - 1] * (j / (i + j))
            row.append(both)
        rows = row
    return tuple(rows[n].tolist())


def smallest_p(m: int, n: int) -> float:
    """The smallest p-value that any data of this size can have; 1 if a side is empty."""
    return 1.0 / math.comb(m + n, n)


def sizes_needed(alpha: float) -> int:
    """How many values each side needs for the test to reach `alpha` at all."""
    n = 1
    while smallest_p(n, n) > alpha + ROUNDING:
        n += 1
    return n


class ShiftTest:
    """How far `new` lies above `base`; both are logarithms, neither is empty."""

    def __init__(self, base: Sequence[float], new: Sequence[float], offset: Offset) -> None:
        import numpy as np

        self.sizes = (len(base), len(new))
        self.offset = offset
        pairs = np.subtract.outer(np.asarray(new), np.asarray(base)).ravel()
        self._falling = np.sort(pairs)[::-1]
        self._distribution = np.asarray(rank_sum_distribution(*self.sizes))
        self.center = float(np.median(pairs))  # Hodges and Lehmann's estimate of the shift

    def p_above(self, shift: float) -> float:
        """One-sided p-value of "the true shift is at most `shift`"; small: it is above."""
        return float(p_values(self._falling - shift, self._distribution, self.offset))

    def p_below(self, shift: float) -> float:
        """One-sided p-value of "the true shift is at least `shift`"; small: it is below."""
        return float(p_values(shift - self._falling[::-1], self._distribution, self.offset))

    def interval(self, confidence: float) -> tuple[float, float] | None:
        """The shifts that a test on each side does not refuse; None: too few values for one."""
        level = (1.0 - confidence) / 2.0 + ROUNDING
        if smallest_p(*self.sizes) > level:
            return None
        reach = _FAR * self.offset.sd if self.offset.df is None else 1e4 * self.offset.sd
        lowest, highest = float(self._falling[-1]) - reach, float(self._falling[0]) + reach
        low = _rising(self.p_above, level, lowest, highest)
        high = -_rising(lambda shift: self.p_below(-shift), level, -highest, -lowest)
        return min(low, self.center), max(high, self.center)

    def detectable(self, noise_sd: float, alpha: float, power: float) -> float:
        """The smallest shift above the tested one that is found with `power` (approximate)."""
        noise = noise_sd * _detectable_by_ranks(*self.sizes, alpha, power)
        offset = self.offset.quantile(alpha) + self.offset.sd * NormalDist().inv_cdf(power)
        return math.hypot(noise, offset)


@lru_cache(maxsize=64)
def _detectable_by_ranks(m: int, n: int, alpha: float, power: float) -> float:
    """The shift, in standard deviations of normal noise, that the rank test finds with `power`.

    Simulated: for a few values, ranks are too coarse for the usual approximation.
    """
    import numpy as np

    level, allowed = 0.0, 0  # by how many pairs the sides may overlap at this level
    for probability in rank_sum_distribution(m, n):
        level += probability
        if level > alpha + ROUNDING:
            break
        allowed += 1
    random = np.random.default_rng(0)
    trials = min(4000, max(200, 2_000_000 // (m * n)))
    pairs = random.normal(size=(trials, n, 1)) - random.normal(size=(trials, 1, m))
    # The shift that lifts all pairs but those allowed ones above zero.
    lowest = np.sort(pairs.reshape(trials, m * n), axis=1)[:, max(allowed - 1, 0)]
    return float(np.quantile(-lowest, power))


def p_values(falling: np.ndarray, distribution: np.ndarray, offset: Offset) -> np.ndarray:
    """p-values of the averaged rank test, along the last axis.

    falling: all differences new - base, less the shift, in falling order. For a fixed offset d
    the rank test counts the differences above d; since it counts at least j of them exactly
    when the j-th largest is above d, the average over d is a sum over the differences.
    """
    none_above = offset.upper(falling)
    return none_above @ distribution[:-1] + distribution[-1]


def holm(p_by_case: Sequence[float]) -> list[float]:
    """Holm's adjusted p-values: refusing those up to alpha errs at all with at most alpha."""
    order = sorted(range(len(p_by_case)), key=lambda i: p_by_case[i])
    adjusted = [1.0] * len(p_by_case)
    reached = 0.0
    for rank, i in enumerate(order):
        reached = max(reached, min(1.0, (len(order) - rank) * p_by_case[i]))
        adjusted[i] = reached
    return adjusted


def _rising(function: Callable[[float], float], level: float, low: float, high: float) -> float:
    """Where a function that rises reaches `level`, between low and high."""
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2.0
        if function(middle) > level:
            high = middle
        else:
            low = middle
    return low


def _student_upper(t: np.ndarray, df: int) -> np.ndarray:
    """P(T >= t) of Student's distribution, by the finite series for whole degrees of freedom."""
    import numpy as np

    angle = np.arctan(np.abs(t) / math.sqrt(df))
    sine, cosine = np.sin(angle), np.cos(angle)
    odd = df % 2 == 1
    term = cosine.copy() if odd else np.ones_like(cosine)
    total = np.zeros_like(cosine)
    for k in range(df // 2):
        total += term
        step = (2 * k + 2) / (2 * k + 3) if odd else (2 * k + 1) / (2 * k + 2)
        term = term * cosine**2 * step
    within = 2.0 / math.pi * (angle + sine * total) if odd else sine * total
    tail = np.clip((1.0 - within) / 2.0, 0.0, 0.5)
    return np.where(t >= 0, tail, 1.0 - tail)
