"""`shakti-sdk eval`: measure a bundle's quality."""

from __future__ import annotations

from pathlib import Path

import click

from sdk_builder.cli.arguments import PATH, bundle_argument
from sdk_builder.cli.invocation import Invocation, command_options
from sdk_builder.cli.requests import Limits
from sdk_builder.errors import InputError


@click.command("eval")
@bundle_argument
@click.option("--suite", type=click.Choice(["perplexity"]), default="perplexity", show_default=True)
@click.option("--text", "text_file", type=PATH, required=True, help="A UTF-8 text file.")
@click.option(
    "--tokens", type=click.IntRange(min=2), metavar="N", help="Use the first N tokens only."
)
@click.option(
    "--window",
    type=click.IntRange(min=2),
    metavar="N",
    help="Tokens that the model sees at once.",
)
@click.option(
    "--stride",
    type=click.IntRange(min=1),
    metavar="N",
    help="Tokens from one window to the next.  [default: half the window]",
)
@command_options
def evaluate(
    invocation: Invocation,
    bundle: Path,
    *,
    suite: str,
    text_file: Path,
    tokens: int | None,
    window: int | None,
    stride: int | None,
) -> None:
    """Measure the quality of BUNDLE on the program itself, not on the model it came from."""
    text, limits = read_text(text_file), Limits(tokens, window, stride)
    result = invocation.library.perplexity(bundle, text, limits, invocation.steps())
    document = {
        "bundle": str(bundle),
        "suite": suite,
        "text": str(text_file),
        "perplexity": result.perplexity,
        "tokens": result.tokens,
        "window": result.window,
        "stride": result.stride,
    }
    invocation.result(
        document,
        f"perplexity {result.perplexity:.3f} over {result.tokens} tokens "
        f"(window {result.window}, stride {result.stride})",
    )


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
