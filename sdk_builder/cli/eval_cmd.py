"""`shakti-sdk eval`: measure a bundle's quality."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from sdk_builder.cli.answers import HarnessScores, Perplexity
from sdk_builder.cli.arguments import PATH
from sdk_builder.cli.eval_suites import differences, score_items
from sdk_builder.cli.invocation import Invocation, command_options
from sdk_builder.cli.output import table
from sdk_builder.cli.requests import HarnessOptions, PerplexityOptions
from sdk_builder.errors import InputError, UsageError

LIKELIHOODS = ("crows-pairs", "bbq", "toxigen", "implicit-hate")
SUITES = ("perplexity", "lm-eval", *LIKELIHOODS, "domain")
_ALL_TAKE = ("threads", "resume")
_TAKES: dict[str, tuple[str, ...]] = {
    "perplexity": ("text_file", "tokens", "window", "stride", "against"),
    "lm-eval": ("tasks", "include_path", "limit", "fewshot", "chat"),
    **dict.fromkeys(LIKELIHOODS, ("data", "limit", "seed", "items")),
    "domain": ("data", "limit", "seed", "items", "judge", "max_tokens"),
}
_NEEDS = {"perplexity": "text_file", "lm-eval": "tasks"}
_FLAGS = {
    "text_file": "--text",
    "include_path": "--include-path",
    "max_tokens": "--max-tokens",
}


@click.command("eval")
@click.argument("bundles", type=PATH, nargs=-1, required=True, metavar="BUNDLE...")
@click.option("--suite", type=click.Choice(SUITES), default="perplexity", show_default=True)
@click.option("--text", "text_file", type=PATH, help="perplexity: a UTF-8 text file.")
@click.option(
    "--tokens",
    type=click.IntRange(min=2),
    metavar="N",
    help="perplexity: use the first N tokens only.",
)
@click.option(
    "--window",
    type=click.IntRange(min=2),
    metavar="N",
    help="perplexity: tokens that the model sees at once.",
)
@click.option(
    "--stride",
    type=click.IntRange(min=1),
    metavar="N",
    help="perplexity: tokens from one window to the next.  [default: half the window]",
)
@click.option(
    "--against",
    metavar="BUNDLE|MODEL",
    help="perplexity: compare with this bundle or float model, token by token.",
)
@click.option(
    "--tasks", metavar="TASK[,...]", help="lm-eval: names of tasks or groups, or YAML files."
)
@click.option("--include-path", type=PATH, metavar="DIR", help="lm-eval: a folder of more tasks.")
@click.option(
    "--limit",
    type=click.IntRange(min=1),
    metavar="N",
    help="lm-eval: the first N documents of each task. Suites of items: N of each source, by lot, "
    "with its categories' shares.",
)
@click.option(
    "--data",
    multiple=True,
    metavar="FILE|hub:NAME",
    help="Suites of items: where they are; may be repeated.  [default: the suite's on the hub]",
)
@click.option(
    "--seed",
    type=click.IntRange(min=0),
    metavar="N",
    help="Suites of items: of the lot, and of the intervals.  [default: 0]",
)
@click.option(
    "--items", type=PATH, metavar="FILE", help="Suites of items: also write each item's outcome."
)
@click.option(
    "--fewshot",
    type=click.IntRange(min=0),
    metavar="N",
    help="lm-eval: examples before each question.  [default: the task's own]",
)
@click.option("--chat", is_flag=True, help="lm-eval: ask in the bundle's chat turns.")
@click.option(
    "--judge",
    metavar="PACKAGE.MODULE:FUNCTION",
    help="domain: what scores the answers.  [default: metrics of this machine]",
)
@click.option(
    "--max-tokens",
    type=click.IntRange(min=1),
    metavar="N",
    help="domain: longest answer.  [default: 192]",
)
@click.option("--threads", type=click.IntRange(min=1), metavar="N", help="Worker threads.")
@click.option(
    "--resume",
    type=PATH,
    metavar="FILE",
    help="Keep results in FILE as they come, and do not compute again what it has.",
)
@click.option("-o", "--output", type=PATH, metavar="FILE", help="Also write the result as JSON.")
@click.option("--force", is_flag=True, help="Replace the output if it exists.")
@command_options
def evaluate(
    invocation: Invocation,
    bundles: tuple[Path, ...],
    *,
    suite: str,
    output: Path | None,
    force: bool,
    **options: Any,
) -> None:
    """Measure the quality of bundles on the programs themselves, not on what they came from.

    perplexity: how well a text is predicted. lm-eval: tasks of EleutherAI's harness, which is
    installed with: pip install 'shakti-sdk[eval]'. crows-pairs, bbq, toxigen, implicit-hate: bias
    and toxicity. domain: answers about healthcare, law and finance.

    Several bundles are shown side by side, and each is compared with the float one (else the first)
    item by item.
    """
    _require_own_options(suite, options)
    for path in (output, options["items"]):
        invocation.library.require_new(path, force=force)
    if suite in LIKELIHOODS or suite == "domain":
        document, text = score_items(invocation, bundles, suite, options, force=force)
    else:
        run = _perplexity if suite == "perplexity" else _harness
        document, text = run(invocation, bundles, options)
    if output is not None:
        invocation.library.write_result(output, document, force=force)
    invocation.result(document, text)
    if output is not None and suite != "perplexity":
        shown = shlex.join(["report", "--paper", str(output)])
        invocation.remark(f"\nNext: shakti-sdk {shown}")


def _require_own_options(suite: str, options: dict[str, Any]) -> None:
    """Raises UsageError for an option of another suite, or without what the suite is about."""
    for name, value in options.items():
        is_given = value is not None and value is not False and value != ()
        if not is_given or name in (*_ALL_TAKE, *_TAKES[suite]):
            continue
        owners = ", ".join(other for other, names in _TAKES.items() if name in names)
        raise UsageError(f"{_flag(name)} belongs to --suite {owners}.")
    needed = _NEEDS.get(suite)
    if needed is not None and options[needed] is None:
        raise UsageError(f"--suite {suite} needs {_flag(needed)}.", "See shakti-sdk eval --help")


def _flag(name: str) -> str:
    return _FLAGS.get(name, f"--{name}")


# --- perplexity ---------------------------------------------------------------------------


def _perplexity(
    invocation: Invocation, bundles: tuple[Path, ...], options: dict[str, Any]
) -> tuple[dict[str, Any], str]:
    text_file: Path = options["text_file"]
    asked = PerplexityOptions(
        bundles=bundles,
        text=read_text(text_file),
        text_name=str(text_file),
        tokens=options["tokens"],
        window=options["window"],
        stride=options["stride"],
        against=options["against"],
        threads=options["threads"],
        resume=options["resume"],
    )
    found = invocation.library.perplexity(asked, invocation.steps())
    if len(found) == 1:
        return found[0].document, "\n".join(_sentences(found[0]))
    document = {"suite": "perplexity", "results": [one.document for one in found]}
    return document, _perplexity_table(found)


def _sentences(found: Perplexity) -> list[str]:
    result = found.result
    lines = [
        f"perplexity {result.perplexity:.3f} over {result.tokens} tokens "
        f"(window {result.window}, stride {result.stride})"
    ]
    against = result.against
    if against is not None:
        lines += [
            f"{against.ratio:.4f} ± {against.ratio_stderr:.4f} × that of {against.name} "
            f"({against.perplexity:.3f})",
            f"KL {against.kl:.4f} nats a token, same best token at {against.top1:.1%}",
        ]
    return lines


def _perplexity_table(found: Sequence[Perplexity]) -> str:
    header = ["bundle", "perplexity", "nll", "± stderr"]
    rows = []
    for one in found:
        result, against = one.result, one.result.against
        row = [one.bundle.name, f"{result.perplexity:.3f}"]
        row += [f"{result.nll:.4f}", f"{result.nll_stderr:.4f}"]
        if against is not None:
            row += [f"{against.ratio:.4f}", f"{against.kl:.4f}", f"{against.top1:.1%}"]
        rows.append(row)
    first = found[0].result
    if first.against is not None:
        header += ["ratio", "KL", "same best"]
    where = f"{first.tokens} tokens, window {first.window}, stride {first.stride}"
    if first.against is not None:
        where += f"; against {first.against.name} ({first.against.perplexity:.3f})"
    return f"{table(rows, header=header, right='l' + 'r' * (len(header) - 1))}\n\n  {where}"


def read_text(path: Path) -> str:
    """The text of a UTF-8 file. Raises InputError."""
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(f"Cannot read {path}: {error.strerror or error}.") from error
    except UnicodeDecodeError as error:
        raise InputError(
            f"{path} is not UTF-8 text (byte {error.start}).", "Convert it to UTF-8 first."
        ) from error


# --- lm-eval ------------------------------------------------------------------------------


def _harness(
    invocation: Invocation, bundles: tuple[Path, ...], options: dict[str, Any]
) -> tuple[dict[str, Any], str]:
    tasks = tuple(name.strip() for name in options["tasks"].split(",") if name.strip())
    if not tasks:
        raise UsageError("--tasks names no task.", "For example: --tasks arc_easy,mine.yaml")
    asked = HarnessOptions(
        bundles=bundles,
        tasks=tasks,
        include=options["include_path"],
        limit=options["limit"],
        fewshot=options["fewshot"],
        chat=options["chat"],
        threads=options["threads"],
        resume=options["resume"],
    )
    found = invocation.library.harness(asked, invocation.steps())
    text = [_score_table(found.scores), *differences(found.document)]
    return found.document, "\n".join(text)


def _score_table(found: Sequence[HarnessScores]) -> str:
    """A row a metric, a column a bundle."""
    names = [one.bundle.name for one in found]
    rows = []
    for index, score in enumerate(found[0].scores):
        label = score.metric if score.filter == "none" else f"{score.metric} ({score.filter})"
        row = [score.task, str(score.documents), label]
        for one in found:
            same = one.scores[index]
            error = "" if same.stderr is None else f" ± {same.stderr:.4f}"
            row.append(f"{same.value:.4f}{error}")
        rows.append(row)
    return table(rows, header=["task", "n", "metric", *names], right="lrl" + "r" * len(names))
