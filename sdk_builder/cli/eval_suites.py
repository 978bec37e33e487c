"""`shakti-sdk eval` with a suite of items: what is asked for, and its results as text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from sdk_builder.cli.answers import SuiteAnswer
from sdk_builder.cli.invocation import Invocation
from sdk_builder.cli.output import table
from sdk_builder.cli.requests import DomainOptions, SuiteOptions
from sdk_builder.errors import UsageError

# What is shown by category; of the others their accuracy.
_MAIN = {
    "crows-pairs": ("stereotype_share",),
    "domain": ("answer_relevancy", "summarization", "factual"),
}
_ALL = "all"
_SMALLEST_P = 0.001  # 2,000 permutations tell no smaller ones apart


def score_items(
    invocation: Invocation,
    bundles: tuple[Path, ...],
    suite: str,
    options: Mapping[str, Any],
    *,
    force: bool,
) -> tuple[dict[str, Any], str]:
    """The document, and what a person reads of it."""
    common = {
        "bundles": bundles,
        "limit": options["limit"],
        "seed": options["seed"] or 0,
        "threads": options["threads"],
        "resume": options["resume"],
    }
    found: SuiteAnswer
    if suite == "domain":
        domain = DomainOptions(
            **common,
            items=_one_file(options["data"]),
            judge=options["judge"],
            max_tokens=options["max_tokens"],
        )
        found = invocation.library.domain(domain, invocation.steps())
    else:
        asked = SuiteOptions(**common, suite=suite, data=tuple(options["data"]))
        found = invocation.library.suite(asked, invocation.steps())
    if options["items"] is not None:
        invocation.library.write_lines(options["items"], found.outcomes, force=force)
    return found.document, "\n".join(_text(found.document))


def _one_file(data: Sequence[str]) -> Path | None:
    """Raises UsageError for several."""
    if len(data) > 1:
        raise UsageError("--suite domain takes one --data.", "Put all items into one file.")
    return Path(data[0]) if data else None


def _text(document: Mapping[str, Any]) -> Iterator[str]:
    results = document["results"]
    names = [f"{one['name']} {one['scheme']}" for one in results]
    wide = "l" + "r" * (len(names) + 1)
    yield table(_rows(results), header=["metric", "n", *names], right=wide)
    for metric in _MAIN.get(document["suite"], ("accuracy",)):
        groups = _group_rows(metric, results)
        if groups:
            yield "\n" + table(groups, header=[f"{metric} of", "n", *names], right=wide)
    yield from differences(document)
    yield f"\n  {results[0]['confidence']:.0%} intervals; {_data(results[0]['data'])}"


def differences(document: Mapping[str, Any]) -> Iterator[str]:
    """A line for each comparison, after an empty one."""
    if document["comparisons"]:
        yield ""
        yield from map(_difference, document["comparisons"])


def _rows(results: Sequence[Mapping[str, Any]]) -> list[list[str]]:
    """A row a metric over all items, a column a bundle."""
    found = []
    for at, one in enumerate(results[0]["metrics"]):
        if one["group"] == _ALL:
            values = [_value(other["metrics"][at]) for other in results]
            found.append([one["metric"], str(one["items"]), *values])
    return found


def _group_rows(metric: str, results: Sequence[Mapping[str, Any]]) -> list[list[str]]:
    found = []
    for at, one in enumerate(results[0]["metrics"]):
        if one["metric"] == metric and one["group"] != _ALL:
            values = [_value(other["metrics"][at]) for other in results]
            found.append([one["group"], str(one["items"]), *values])
    return found


def _value(metric: Mapping[str, Any]) -> str:
    if metric["value"] is None:
        return "none"
    value = _number(metric["value"], metric["unit"])
    if metric["low"] is None:
        return value
    low, high = (_number(metric[one], metric["unit"]) for one in ("low", "high"))
    return f"{value} [{low}, {high}]"


def _number(value: float, unit: str) -> str:
    return f"{100 * value:.1f} %" if unit == "share" else f"{value:.3f}"


def _difference(one: Mapping[str, Any]) -> str:
    what = one["metric"] if one["group"] == _ALL else f"{one['group']} {one['metric']}"
    if one["difference"] is None:
        return f"{one['of']} against {one['against']}: {what} is not defined on both"
    points = one["unit"] == "share"
    value, low, high = (
        "?" if number is None else f"{100 * number:+.1f}" if points else f"{number:+.3f}"
        for number in (one["difference"], one["low"], one["high"])
    )
    said = f"{one['of']} against {one['against']}: {what} {value}"
    said += f"{' points' if points else ''} [{low}, {high}]"
    if one["p_value"] is not None:
        p = one["p_value"]
        said += ", p < 0.001" if p < _SMALLEST_P else f", p {p:.3f}"
    if one["changed"] is not None:
        said += f"; {one['changed']} of {one['items']} items come out otherwise"
    return said


def _data(sources: Sequence[Mapping[str, Any]]) -> str:
    def said(one: Mapping[str, Any]) -> str:
        return f"{one['items']} of {one['of']} items of {one['source']}"

    return ", ".join(map(said, sources))
