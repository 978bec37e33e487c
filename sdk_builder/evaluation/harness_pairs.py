"""What differs between bundles on lm-eval's tasks, document by document."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sdk_builder.evaluation.results import Comparison
from sdk_builder.evaluation.statistics import Table, difference, share, table

Key = tuple[str, str, str]  # task, metric, filter
ByDocument = Mapping[Key, Mapping[int, float]]


def by_document(results: Mapping[str, Any]) -> dict[Key, dict[int, float]]:
    """Of lm-eval's results with samples: each metric's value of each document, by its number.

    Only metrics that are the mean of these; not perplexities and the like.
    """
    found: dict[Key, dict[int, float]] = {}
    for task, samples in results.get("samples", {}).items():
        for one in samples:
            for metric in one.get("metrics", ()):
                value = one.get(metric)
                if isinstance(value, (bool, int, float)) and not math.isnan(value):
                    key = (task, metric, str(one["filter"]))
                    found.setdefault(key, {})[int(one["doc_id"])] = float(value)
    return {key: values for key, values in found.items() if _is_mean(results, key, values)}


def _is_mean(results: Mapping[str, Any], key: Key, values: Mapping[int, float]) -> bool:
    task, metric, name = key
    reported = results["results"].get(task, {}).get(f"{metric},{name}")
    return isinstance(reported, (int, float)) and math.isclose(
        reported, math.fsum(values.values()) / len(values), rel_tol=1e-9, abs_tol=1e-12
    )


def compare(of: ByDocument, against: ByDocument, labels: tuple[str, str]) -> Iterator[Comparison]:
    """Every metric that both have, on the documents that both were asked."""
    for (task, metric, name), values in of.items():
        others = against.get((task, metric, name), {})
        numbers = sorted(values.keys() & others.keys())
        if not numbers:
            continue
        first, second = ([one[n] for n in numbers] for one in (values, others))
        shown = difference(_table(first, numbers), _table(second, numbers), _MEAN)
        is_share = all(0 <= one <= 1 for one in (*first, *second))
        yield Comparison(
            suite="lm-eval",
            metric=metric if name == "none" else f"{metric} ({name})",
            group=task,
            of=labels[0],
            against=labels[1],
            difference=shown.value,
            low=shown.low,
            high=shown.high,
            p_value=shown.p_value,
            items=len(numbers),
            changed=sum(a != b for a, b in zip(first, second, strict=True)) if is_share else None,
            unit="share" if is_share else "score",
        )


_MEAN = share("value", "item")


def _table(values: Sequence[float], numbers: Sequence[int]) -> Table:
    rows = [{"item": 1.0, "value": one} for one in values]
    return table(rows, [str(one) for one in numbers])
