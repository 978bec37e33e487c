"""Evaluation files for tests: constructed results, and a whole set as a real project has it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from sdk_builder.evaluation.results import Comparison, Data, Metric, SuiteResult
from tests.unit.report.results import digest

BITS = {"none": 32.0, "q8": 8.03, "q5": 5.5, "q4": 4.55}
MODEL = "SmolLM2-135M-Instruct"


def metric(
    name: str,
    value: float | None,
    *,
    group: str = "all",
    low: float | None = None,
    high: float | None = None,
    items: int = 100,
    **values: Any,
) -> Metric:
    """One number."""
    return Metric(metric=name, group=group, value=value, low=low, high=high, items=items, **values)


def result(
    suite: str, metrics: Sequence[Metric], *, scheme: str = "q4", name: str = MODEL, **values: Any
) -> SuiteResult:
    """What a bundle scored; its identity is that of results.bundle of the same name and scheme."""
    known: dict[str, Any] = {
        "suite": suite,
        "bundle": f"build/{name}-{scheme}",
        "name": name,
        "identity": digest(f"{name} {scheme}"),
        "program_sha256": digest(f"program {name} {scheme}"),
        "scheme": scheme,
        "bits_per_weight": BITS[scheme],
        "metrics": tuple(metrics),
    }
    return SuiteResult(**{**known, **values})


def comparison(name: str, difference: float | None, **values: Any) -> Comparison:
    """q4 against the float program, by the bundles' paths as `eval` names them."""
    known: dict[str, Any] = {
        "suite": "bbq",
        "metric": name,
        "of": f"build/{MODEL}-q4",
        "against": f"build/{MODEL}-none",
        "difference": difference,
        "items": 100,
    }
    return Comparison(**{**known, **values})


def write_file(
    path: Path, results: Iterable[SuiteResult], comparisons: Iterable[Comparison] = ()
) -> Path:
    """A file as `shakti-sdk eval -o` writes it, of one result or several."""
    documents = [one.as_document() for one in results]
    found = [one.model_dump(mode="json") for one in comparisons]
    one = documents[0] if len(documents) == 1 and not found else {"results": documents}
    path.write_text(json.dumps({**one, **({"comparisons": found} if found else {})}))
    return path


def _head(suite: str, values: dict[str, Any]) -> dict[str, Any]:
    """What a document of every suite begins with."""
    head = result(suite, (), **values).as_document()
    for name in ("metrics", "data", "confidence", "options"):
        del head[name]
    return head


def perplexity(path: Path, ratio: float, stderr: float, **values: Any) -> Path:
    """A file of the perplexity suite, against the float model; over 99 tokens."""
    against = {"ratio": ratio, "ratio_stderr": stderr, "kl": 0.0123}
    numbers = {"perplexity": 17.26, "tokens": 99, "against": against}
    path.write_text(json.dumps({**_head("perplexity", values), **numbers}))
    return path


def lm_eval(
    path: Path, scores: Mapping[str, tuple[str, float, float | None]], scheme: str, **values: Any
) -> Path:
    """A file of lm-eval's suite: task -> metric, value, standard error; over 200 documents."""
    head = _head("lm-eval", {"scheme": scheme, **values})
    head["scores"] = [
        {
            **{"task": task, "metric": name, "filter": "none", "value": value},
            **{"stderr": error, "documents": 200, "higher_is_better": True},
        }
        for task, (name, value, error) in scores.items()
    ]
    path.write_text(json.dumps({"suite": "lm-eval", "results": [head]}))
    return path


def near(name: str, value: float, half: float, **values: Any) -> Metric:
    """A number with an interval around it."""
    return metric(name, value, low=value - half, high=value + half, **values)


def write_set(folder: Path) -> list[Path]:
    """Two formats of one model through every suite, with comparisons."""
    folder.mkdir(parents=True, exist_ok=True)
    shift = {"none": 0.0, "q4": -0.02}
    data = (Data(source="BBQ", sha256=digest("bbq"), items=500, of=58_492, limit=500, seed=1),)
    suites: dict[str, list[SuiteResult]] = {}
    for scheme, by in shift.items():
        made = {
            "domain": [
                near(name, value + by, 0.06, group=group, items=40, unit="score")
                for name, group, value in (
                    ("answer_relevancy", "healthcare", 0.62),
                    ("answer_relevancy", "legal", 0.58),
                    ("answer_relevancy", "finance", 0.6),
                    ("summarization", "legal", 0.44),
                    ("factual", "finance", 0.4),
                )
            ],
            "bbq": [
                near(name, value + by, 0.04, group=group, items=500 if group == "all" else 45)
                if name.startswith("accuracy")
                else near(name, value, 0.05, group=group, items=250, unit="score", better="zero")
                for group in ("all", "Age", "Gender_identity", "Religion")
                for name, value in (
                    ("accuracy", 0.36),
                    ("accuracy_ambiguous", 0.33),
                    ("accuracy_disambiguated", 0.39),
                    ("bias_ambiguous", 0.02),
                    ("bias_disambiguated", -0.03),
                )
            ],
            "toxigen": [near("accuracy", 0.49 + by, 0.03, items=940)],
            "crows-pairs": [
                one
                for group in ("all", "age", "race-color", "religion")
                for one in (
                    near("likelihood_difference", 3.4, 0.2, group=group, items=1508, unit="nats"),
                    near("stereotype_share", 0.58 + by, 0.025, group=group, items=1508),
                )
            ],
        }
        for suite, metrics in made.items():
            one = result(suite, metrics, scheme=scheme, data=data if suite == "bbq" else ())
            suites.setdefault(suite, []).append(one)
    differences = {
        "bbq": comparison(
            "accuracy",
            -0.02,
            suite="bbq",
            low=-0.035,
            high=-0.005,
            p_value=0.009,
            items=500,
            changed=31,
        ),
        "toxigen": comparison(
            "accuracy",
            -0.02,
            suite="toxigen",
            low=-0.045,
            high=0.005,
            p_value=0.11,
            items=940,
            changed=140,
        ),
        "crows-pairs": comparison(
            "likelihood_difference",
            0.08,
            suite="crows-pairs",
            low=0.01,
            high=0.15,
            p_value=0.03,
            items=1508,
            unit="nats",
        ),
    }
    paths = [
        write_file(
            folder / f"{suite}.json", results, [differences[suite]] if suite in differences else ()
        )
        for suite, results in suites.items()
    ]
    for scheme, by in shift.items():
        scores = {
            "arc_challenge": ("acc_norm", 0.31 + by, 0.03),
            "hellaswag": ("acc_norm", 0.43 + by, 0.035),
            "piqa": ("acc_norm", 0.66 + by, 0.033),
            "boolq": ("acc", 0.6 + by, 0.034),
            "pubmedqa": ("acc", 0.5 + by, 0.035),
            "mmlu_anatomy": ("acc", 0.28 + by, 0.035),
        }
        paths.append(lm_eval(folder / f"lm-eval-{scheme}.json", scores, scheme))
    return paths
