"""The table of commands."""

from __future__ import annotations

import click

from sdk_builder import __version__
from sdk_builder.cli.group import LazyCommand, ShaktiGroup

COMMANDS = {
    "models": LazyCommand(
        "sdk_builder.cli.models_cmd", "models", "Which models there are, and how large they get."
    ),
    "export": LazyCommand(
        "sdk_builder.cli.export_cmd", "export", "Turn a checkpoint into a verified bundle."
    ),
    "inspect": LazyCommand(
        "sdk_builder.cli.inspect_cmd", "inspect", "Show what is inside a bundle."
    ),
    "verify": LazyCommand(
        "sdk_builder.cli.verify_cmd", "verify", "Check a bundle, and that it does what it should."
    ),
    "run": LazyCommand(
        "sdk_builder.cli.run_cmd", "run", "Chat with a bundle, or complete text, on this machine."
    ),
    "eval": LazyCommand("sdk_builder.cli.eval_cmd", "evaluate", "Measure a bundle's quality."),
    "tune": LazyCommand(
        "sdk_builder.cli.tune_cmd", "tune", "Find the smallest export that is good enough."
    ),
    "train": LazyCommand(
        "sdk_builder.cli.train_cmd", "train", "Train a model, or go on where it was stopped."
    ),
    "devices": LazyCommand("sdk_builder.cli.devices_cmd", "devices", "List the attached phones."),
    "bench": LazyCommand(
        "sdk_builder.cli.bench_cmd", "bench", "Measure a bundle's speed on phones and here."
    ),
    "profile": LazyCommand(
        "sdk_builder.cli.profile_cmd", "profile", "Show where a bundle's time goes."
    ),
    "report": LazyCommand(
        "sdk_builder.cli.report_cmd", "report", "Make tables and plots from measurements."
    ),
    "compare": LazyCommand(
        "sdk_builder.cli.compare_cmd", "compare", "Test whether one measurement is slower."
    ),
    "card": LazyCommand("sdk_builder.cli.card_cmd", "card", "Write a model card of a bundle."),
    "demo": LazyCommand(
        "sdk_builder.cli.demo_cmd", "demo", "Build the Android app, and put it on phones."
    ),
    "doctor": LazyCommand(
        "sdk_builder.cli.doctor_cmd", "doctor", "Check this machine, with the fix for each miss."
    ),
    "completion": LazyCommand(
        "sdk_builder.cli.completion_cmd", "completion", "Print a shell completion script."
    ),
}


@click.group(
    cls=ShaktiGroup,
    lazy=COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Exit codes: 0 success, then one a family of errors; docs/cli.md has the table.",
)
@click.version_option(__version__, prog_name="shakti-sdk", message="%(prog)s %(version)s")
def cli() -> None:
    """A checkpoint goes in, a verified bundle comes out.

    The bundle runs on this machine and on Android phones, and every number about it is
    measured on exactly those bytes.
    """
