"""Numbers that describe a handful of repeated timings, and how far they can be trusted.

Nothing here knows of benchmarks: values are positive numbers in any unit, and what comes out
has that unit unless it is a ratio. An interval covers the noise between the values that were
given; that a whole run may be off, it cannot know (`comparison` allows for that).

With few values a bootstrap keeps its word badly: it never leaves their range, and moves from
value to value. Its "95 %" interval of the median holds the true one in 75 % of cases for 3
values, 93.8 % for 5, 87.5 % for 7 and about 93 % for 10 or 20; `Summary.coverage` and
`Interval.coverage` say so.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sdk_builder.errors import UsageError

if TYPE_CHECKING:
    import numpy as np

TRIM_SHARE = 0.2
CONFIDENCE = 0.95
RESAMPLES = 4000
# Scales the median absolute deviation to the standard deviation of normal noise.
MAD_TO_SD = 1.4826


@dataclass(frozen=True)
class Interval:
    """What a number probably lies in.

    coverage: the share of such intervals that hold the true value, about; for few values it is
    mostly less than was asked for.
    """

    low: float
    high: float
    coverage: float


@dataclass(frozen=True)
class Spread:
    """How far values lie apart, in their own unit.

    mad: the median distance from the median, times 1.4826 (the standard deviation, if the
    noise is normal; outliers do not move it).
    """

    q25: float
    q75: float
    mad: float

    @property
    def iqr(self) -> float:
        """Distance between the quartiles."""
        return self.q75 - self.q25


@dataclass(frozen=True)
class Summary:
    """A set of values; low and high are a bootstrap interval of the median."""

    n: int
    median: float
    trimmed_mean: float
    q25: float
    q75: float
    low: float
    high: float
    coverage: float  # of low to high, about


def median(values: Sequence[float]) -> float:
    """The middle value; the mean of the two in the middle. Raises UsageError if there is none."""
    return quantile(values, 0.5)


def quantile(values: Sequence[float], share: float) -> float:
    """The value below which `share` of them lie, interpolated. Raises UsageError for no values."""
    ordered = sorted(_some(values))
    if not 0.0 <= share <= 1.0:
        raise UsageError(f"A quantile is between 0 and 1, not {share:g}.")
    position = share * (len(ordered) - 1)
    below = math.floor(position)
    above = min(below + 1, len(ordered) - 1)
    low, high = ordered[below], ordered[above]
    # The bounds keep rounding from leaving the two neighbours.
    return min(max(low + (high - low) * (position - below), low), high)


def trimmed_mean(values: Sequence[float], share: float = TRIM_SHARE) -> float:
    """The mean without the lowest and the highest `share` of the values (rounded down).

    Of 5 values and a share of 0.2: of the middle three. Raises UsageError for no values, or a
    share outside [0, 0.5).
    """
    if not 0.0 <= share < 0.5:
        raise UsageError(f"The share to trim is at least 0 and below 0.5, not {share:g}.")
    ordered = sorted(_some(values))
    # 0.2 * 5 may be a hair below 1.
    cut = math.floor(share * len(ordered) + 1e-9)
    kept = ordered[cut : len(ordered) - cut]
    return min(max(math.fsum(kept) / len(kept), kept[0]), kept[-1])


def spread(values: Sequence[float]) -> Spread:
    """Quartiles and median absolute deviation. Raises UsageError for no values."""
    middle = median(values)
    mad = median([abs(value - middle) for value in values])
    return Spread(quantile(values, 0.25), quantile(values, 0.75), MAD_TO_SD * mad)


def bootstrap_coverage(n: int, confidence: float = CONFIDENCE) -> float:
    """How often a bootstrap interval of the median of n values holds the true median.

    Whatever the noise looks like. Exact for odd n, where the interval ends at two of the values;
    for even n, where it ends between them, the mean of the two nearest.
    """
    middles = {n // 2 + 1, (n + 1) // 2}
    shares = []
    for middle in middles:
        # The k-th value is the lower end if enough resamples have their middle at or below it.
        k = 1
        while _binomial_upper(n, k / n, middle) < (1 - confidence) / 2:
            k += 1
        shares.append(max(0.0, 1.0 - 2.0 * (1.0 - _binomial_upper(n, 0.5, k))))
    return math.fsum(shares) / len(shares)


def summarize(values: Sequence[float], *, confidence: float = CONFIDENCE, seed: int = 0) -> Summary:
    """Describe `values`; the same values, in any order, give the same summary.

    Raises UsageError for no values, or a confidence outside (0, 1).
    """
    import numpy as np

    _check_confidence(confidence)
    ordered = sorted(_some(values))
    medians = _resampled_medians(ordered, np.random.default_rng(seed))
    low, high = (
        quantile(medians.tolist(), q) for q in ((1 - confidence) / 2, (1 + confidence) / 2)
    )
    around = spread(ordered)
    return Summary(
        n=len(ordered),
        median=median(ordered),
        trimmed_mean=trimmed_mean(ordered),
        q25=around.q25,
        q75=around.q75,
        low=low,
        high=high,
        coverage=bootstrap_coverage(len(ordered), confidence),
    )


def ratio_interval(
    base: Sequence[float], new: Sequence[float], *, confidence: float = CONFIDENCE, seed: int = 0
) -> Interval:
    """A bootstrap interval of median(new) / median(base).

    Deterministic; exchanging base and new gives the inverse interval. Raises UsageError for no
    values, values that are not above zero, or a confidence outside (0, 1).
    """
    import numpy as np

    _check_confidence(confidence)
    first, second = sorted(_positive(base)), sorted(_positive(new))
    random = np.random.default_rng(seed)
    # Both orders draw the same numbers: the shorter side first, or each side once with both
    # draws where they are equally long.
    if len(first) == len(second):
        draws = random.integers(0, len(first), size=(2, RESAMPLES, len(first)))
        logs = [
            _log_medians(second, draws[1]) - _log_medians(first, draws[0]),
            _log_medians(second, draws[0]) - _log_medians(first, draws[1]),
        ]
        differences = np.concatenate(logs)
    else:
        drawn = {
            len(side): _log_medians(side, random.integers(0, len(side), (RESAMPLES, len(side))))
            for side in sorted((first, second), key=len)
        }
        differences = drawn[len(second)] - drawn[len(first)]
    ordered = differences.tolist()
    return Interval(
        low=math.exp(quantile(ordered, (1 - confidence) / 2)),
        high=math.exp(quantile(ordered, (1 + confidence) / 2)),
        coverage=bootstrap_coverage(min(len(first), len(second)), confidence),
    )


def _resampled_medians(ordered: Sequence[float], random: np.random.Generator) -> np.ndarray:
    import numpy as np

    draws = random.integers(0, len(ordered), size=(RESAMPLES, len(ordered)))
    return np.median(np.asarray(ordered, dtype=np.float64)[draws], axis=1)


def _log_medians(ordered: Sequence[float], draws: np.ndarray) -> np.ndarray:
    import numpy as np

    return np.log(np.median(np.asarray(ordered, dtype=np.float64)[draws], axis=1))


def _binomial_upper(n: int, chance: float, least: int) -> float:
    """The probability of at least `least` successes in n tries."""
    return math.fsum(
        math.comb(n, i) * chance**i * (1 - chance) ** (n - i) for i in range(least, n + 1)
    )


def _some(values: Sequence[float]) -> Sequence[float]:
    if not values:
        raise UsageError("There are no values to describe.")
    return values


def _positive(values: Sequence[float]) -> Sequence[float]:
    if not all(value > 0 and math.isfinite(value) for value in _some(values)):
        raise UsageError("A ratio of medians needs values above zero.")
    return values


def _check_confidence(confidence: float) -> None:
    if not 0.0 < confidence < 1.0:
        raise UsageError(f"A confidence is between 0 and 1, not {confidence:g}.")
