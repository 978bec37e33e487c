"""`shakti-sdk train`: the stages of training."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem

from sdk_builder.cli.arguments import PATH
from sdk_builder.cli.invocation import Invocation, command_options
from sdk_builder.cli.output import human_bytes, table
from sdk_builder.cli.requests import TRAINING_STAGES, TrainOptions
from sdk_builder.errors import InputError, Interrupted, ShaktiError, ToolchainError, UsageError
from sdk_builder.log import Steps, format_seconds

if TYPE_CHECKING:
    from sdk_builder.cli.answers import TrainedModel

# What every process of a machine finds by itself, so that one of them says it for all.
_COMMON = (UsageError, InputError, ToolchainError, Interrupted)


def complete_setting(
    context: click.Context, parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Names of the stage's settings, each with its = sign."""
    from sdk_builder.training.settings import SETTINGS

    kind = SETTINGS.get(context.params.get("stage") or "pretrain")
    names = [] if kind is None else [f"{name}=" for name in kind.model_fields]
    return [CompletionItem(name) for name in names if name.startswith(incomplete)]


@click.command("train")
@click.argument("stage", type=click.Choice(TRAINING_STAGES))
@click.argument("overrides", nargs=-1, metavar="[KEY=VALUE]...", shell_complete=complete_setting)
@click.option("--config", type=PATH, metavar="FILE", help="A YAML file of settings.")
@click.option(
    "--fresh", is_flag=True, help="Start over, and replace a trained model that is already there."
)
@click.option(
    "--self-distill",
    is_flag=True,
    help="qat: teach from texts that the model writes itself (self_distill=true).",
)
@click.option(
    "--plan", is_flag=True, help="Show memory, data and steps, and stop before the training."
)
@command_options
def train(
    invocation: Invocation,
    *,
    stage: str,
    overrides: tuple[str, ...],
    config: Path | None,
    fresh: bool,
    plan: bool,
    self_distill: bool,
) -> None:
    """Train a model, or go on where a training was stopped.

    \b
    shakti-sdk train pretrain --config recipes/configs/train/pretrain-cpu.yaml steps=100

    Settings come from --config; KEY=VALUE changes them, as in data.0.source=texts.jsonl. The
    trained model is a folder that `shakti-sdk export` takes; checkpoints and logs.jsonl are in the
    folder beside it that ends in .run. The same command goes on from the newest checkpoint there.
    docs/training.md has all settings.

    On several GPUs: torchrun --nproc-per-node 8 -m sdk_builder train STAGE ...
    """
    from sdk_builder.training.processes import is_first, local_rank

    if self_distill:
        if stage != "qat":
            raise UsageError(f"--self-distill is for qat, not for {stage}.", "Leave it out.")
        overrides = (*overrides, "self_distill=true")
    options = TrainOptions(stage=stage, config=config, overrides=overrides, fresh=fresh)
    steps = invocation.steps() if is_first() else Steps.silent()
    try:
        if plan:
            found = invocation.library.plan_training(options, steps)
        else:
            trained = invocation.library.train(options, steps)
    except ShaktiError as error:
        if local_rank() and isinstance(error, _COMMON):
            raise click.exceptions.Exit(error.exit_code) from error
        raise
    if not is_first():
        return
    if plan:
        document, text = dict(found.document), _plan_text(found.document)
        if found.problem is not None:
            invocation.failed(document, text, found.problem)
        invocation.result(document, text)
        return
    invocation.result(trained.as_document(), _text(trained))
    export = shlex.join(["export", str(trained.folder), *trained.export_options])
    invocation.remark(f"\nNext: shakti-sdk {export}")


def _text(trained: TrainedModel) -> str:
    parts = [f"{trained.steps} steps"]
    if trained.tokens is not None:
        parts.append(f"{trained.tokens:,} tokens")
    if trained.final_loss is not None:
        parts.append(f"loss {trained.final_loss:.4f}")
    if trained.eval_loss is not None:
        parts.append(f"evaluation loss {trained.eval_loss:.4f}")
    if trained.resumed_from is not None:
        parts.append(f"resumed from step {trained.resumed_from}")
    return f"{trained.folder}: {', '.join([*parts, format_seconds(trained.duration_s)])}"


def _plan_text(plan: Mapping[str, Any]) -> str:
    lines = [
        f"{plan['stage']} of {plan['model']}: {plan['parameters'] / 1e6:.1f} M parameters, "
        f"{plan['precision']}, {plan['processes']} process{'es' * (plan['processes'] > 1)}, "
        f"{plan['accumulation']} micro batches a step"
    ]
    if plan["steps"] is not None:
        tokens = f", up to {plan['tokens']:,} tokens" if plan["tokens"] else ""
        lines.append(f"{plan['steps']} steps{tokens}")
    else:
        lines.append(f"{plan['epochs']:g} epochs")
    memory = dict(plan["memory"])
    needed, there = memory.pop("needed_bytes"), memory.pop("available_bytes")
    rows = [
        [name.removesuffix("_bytes").replace("_", " "), human_bytes(size)]
        for name, size in memory.items()
    ]
    rows += [
        ["needed, with what is to spare", human_bytes(needed)],
        ["there is", human_bytes(there)],
    ]
    lines.append(table(rows, right="lr"))
    lines += [f"  {one['source']}: {one['kept']} of {one['read']} rows" for one in plan["data"]]
    return "\n".join(lines)
