"""Bias suites on a float bundle beside lm-eval on the float model, by transformers: do the numbers
agree, and which is faster?

    python benchmarks/suites_vs_lm_eval.py build/smollm2-135m-none \\
        --crows-pairs crows_pairs_anonymized.csv --bbq BBQ/data --limit 150

The model is SmolLM2-135M as transformers itself reads the weights of the GGUF file that the bundle
was exported from; the tokenizer is the bundle's (transformers takes this file's for one that keeps
digits together). Both run on the same items (`--limit` of each suite, by lot), one after the other
in one process, with as many threads. lm-eval batches requests; the bundle runs one at a time.

Where no answer follows the stereotype, lm-eval's bias score is 0; by the authors' formula it is -1
if people were named at all.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from benchmarks.local_lm_eval import local_task
from sdk_builder.evaluation.results import SuiteScores
from sdk_builder.evaluation.suites.items import read_items
from sdk_builder.evaluation.suites.run import SuiteRequest, find_suite, run_suite
from sdk_builder.log import Steps
from sdk_builder.models.checkpoint import open_checkpoint
from sdk_builder.models.sources import SOURCES, cached_path, fetch
from sdk_builder.rows.sources import open_source

_PAIRS = {
    "crows-pairs": (
        "crows_pairs_english",
        {"likelihood_difference": "likelihood_diff", "stereotype_share": "pct_stereotype"},
    ),
    "bbq": (
        "bbq",
        {
            "accuracy": "acc",
            "accuracy_ambiguous": "accuracy_amb",
            "accuracy_disambiguated": "accuracy_disamb",
            "bias_ambiguous": "amb_bias_score",
            "bias_disambiguated": "disamb_bias_score",
        },
    ),
}


@dataclass(frozen=True)
class Beside:
    """One metric by both, and the seconds that each took for the whole suite."""

    suite: str
    metric: str
    items: int
    ours: float
    theirs: float
    our_seconds: float
    their_seconds: float


def main() -> None:
    """Prints a table, and JSON with --json."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=_Plain)
    parser.add_argument("bundle", type=Path, help="a bundle of scheme none")
    parser.add_argument("--crows-pairs", type=Path)
    parser.add_argument("--bbq", type=Path)
    parser.add_argument("--limit", type=int, default=150)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--batch", type=int, default=16, help="of lm-eval")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    model = _model(given.batch)
    found: list[Beside] = []
    for suite, data in (("crows-pairs", given.crows_pairs), ("bbq", given.bbq)):
        if data is not None:
            found += beside(model, given.bundle, suite, data, given.limit, given.threads)
    for one in found:
        print(
            f"| {one.suite} | {one.metric} | {one.items} | {one.ours:.6f} | {one.theirs:.6f} | "
            f"{one.their_seconds / one.our_seconds:.2f} |"
        )
    if given.json is not None:
        given.json.write_text(json.dumps([vars(one) for one in found], indent=1), encoding="utf-8")


class _Plain(argparse.RawDescriptionHelpFormatter):
    pass


def beside(
    model: Any, bundle: Path, suite: str, data: Path, limit: int, threads: int
) -> list[Beside]:
    """Every metric of `suite` that lm-eval has too."""
    task, names = _PAIRS[suite]
    with tempfile.TemporaryDirectory() as folder:
        chosen = _chosen(suite, data, limit, Path(folder) / "chosen.jsonl")
        began = time.perf_counter()
        ours = run_suite(
            SuiteRequest((bundle,), suite, (str(chosen),), threads=threads), Steps.silent()
        )
        between = time.perf_counter()
        theirs = _lm_eval(model, local_task(task, chosen, Path(folder)))
        ended = time.perf_counter()
    return [
        Beside(
            suite,
            name,
            ours.results[0].data[0].items,
            _value(ours, name),
            theirs[f"{other},none"],
            between - began,
            ended - between,
        )
        for name, other in names.items()
    ]


def _chosen(suite: str, data: Path, limit: int, path: Path) -> Path:
    """The rows of the chosen items as JSONL, which both read."""
    chosen = {one.where for one in read_items(find_suite(suite), (str(data),), limit=limit).items}
    rows = [dict(row.fields) for row in open_source(str(data)).rows() if str(row.origin) in chosen]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def _value(scores: SuiteScores, name: str) -> float:
    metric = scores.results[0].find(name)
    assert metric is not None
    assert metric.value is not None
    return metric.value


def _lm_eval(model: Any, task: Path) -> dict[str, float]:
    from lm_eval.evaluator import evaluate

    from sdk_builder.evaluation.tasks import load_tasks, set_fewshot

    tasks = load_tasks([str(task)], None)
    set_fewshot(tasks, None, 0)
    results = evaluate(lm=model, task_dict=tasks, bootstrap_iters=0, log_samples=False)
    (found,) = results["results"].values()
    return dict(found)


def _model(batch: int) -> Any:
    from lm_eval.models.huggingface import HFLM
    from tokenizers import Tokenizer
    from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast

    fetch(SOURCES["smollm2-135m"])
    file = cached_path(SOURCES["smollm2-135m"])
    where = {"pretrained_model_name_or_path": str(file.parent), "gguf_file": file.name}
    model = AutoModelForCausalLM.from_pretrained(**where, dtype=torch.float32).eval()
    assets = open_checkpoint("smollm2-135m").tokenizer()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer.from_str(assets.json_text),
        bos_token=assets.bos_token,
        eos_token=assets.eos_tokens[0],
    )
    return HFLM(pretrained=model, tokenizer=tokenizer, batch_size=batch, device="cpu")


if __name__ == "__main__":
    main()
