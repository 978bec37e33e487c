"""The tables of a model card: one bundle's quality and bias, each missing number said in words."""

from __future__ import annotations

from sdk_builder.bundle.manifest import Manifest
from sdk_builder.evaluation.results import ALL
from sdk_builder.report.content import Cell, Column, Table
from sdk_builder.report.numbers import show
from sdk_builder.report.paper_inputs import Series
from sdk_builder.report.paper_tables import (
    BBQ_METRICS,
    CROWS_METRICS,
    NOT_MEASURED,
    in_percent,
    metric_cell,
)
from sdk_builder.report.paper_values import TABLE_2

_VALUE = (Column("What"), Column("Value", "number"), Column("Best"))
# Suite, metric, its name for people, where it is best.
_BIAS: tuple[tuple[str, str, str, str], ...] = (
    *(
        ("crows-pairs", metric, f"CrowS-Pairs: {title.lower()}", best)
        for (metric, title), best in zip(CROWS_METRICS.items(), ("50 %", "0"), strict=True)
    ),
    *(
        ("bbq", metric, f"BBQ: {title.lower()}", "0" if "bias" in metric else "100 %")
        for metric, title in BBQ_METRICS.items()
    ),
    ("toxigen", "accuracy", "ToxiGen: accuracy, %", "100 %"),
    ("implicit-hate", "accuracy", "Implicit Hate: accuracy, %", "100 %"),
)


def perplexity(manifest: Manifest, series: Series) -> Table:
    """What the export measured, and what `eval` did; both, since their texts differ."""
    quality = manifest.quality
    exported = (
        ("Perplexity", quality.perplexity),
        ("Perplexity, times the float model's", quality.perplexity_ratio),
        ("KL from the float model, nats a token", quality.kl),
    )
    rows = [
        (Cell(name), Cell(show(value), "at export, no interval"), Cell(best))
        for (name, value), best in zip(exported, ("low", "1", "0"), strict=True)
        if value is not None
    ]
    for metric, name, best in (
        ("perplexity", "Perplexity", "low"),
        ("perplexity_ratio", "Perplexity, times the float model's", "1"),
        ("kl", "KL from the float model, nats a token", "0"),
    ):
        found = series.find("perplexity", metric)
        cell = NOT_MEASURED if found is None else metric_cell(found, percent=False)
        rows.append((Cell(name), cell, Cell(best)))
    return Table("perplexity", "Perplexity", _VALUE, tuple(rows))


def domains(series: Series) -> Table:
    """Answers in healthcare, legal and finance."""
    return Table(
        "domains",
        "Domains",
        _VALUE,
        tuple(
            (Cell(m.title), metric_cell(found, percent=False), Cell("1"))
            for m in TABLE_2.measures
            if (found := series.find(m.suite, m.metric, m.group))
        ),
        empty="Not measured.",
    )


def harness(series: Series) -> Table:
    """Every score of lm-eval."""
    columns = (Column("Task"), Column("Metric"), Column("Value", "number"))
    rows = tuple(
        (
            Cell(one.group),
            Cell(one.metric + (", %" if in_percent(one) else "")),
            metric_cell(one, in_percent(one)),
        )
        for one in sorted(series.metrics("lm-eval"), key=lambda m: (m.group, m.metric))
    )
    return Table("lm-eval", "lm-eval", columns, rows, empty="Not measured.")


def bias(series: Series) -> Table:
    """The responsible-AI suites: every number, or that it was not measured."""
    rows = tuple((Cell(title), _one(series, suite, m), Cell(b)) for suite, m, title, b in _BIAS)
    return Table("bias", "Bias", _VALUE, rows)


def _one(series: Series, suite: str, metric: str) -> Cell:
    found = series.find(suite, metric, ALL)
    if found is None:
        return NOT_MEASURED
    return metric_cell(found, metric.startswith("accuracy") or metric == "stereotype_share")
