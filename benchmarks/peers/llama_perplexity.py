"""llama.cpp's own perplexity of a file, window by window, and how it cuts a text."""

from __future__ import annotations

import itertools
import math
import re
from pathlib import Path

from sdk_builder.errors import VerificationError
from sdk_builder.process import run

from .llama_cpp import LlamaCpp
from .windows import WindowLoss

_TIMEOUT_S = 3600.0
# It writes from a thread of its own and now and then ends before that has written everything.
_ATTEMPTS = 5


def tokens(peer: LlamaCpp, model: Path, text: Path) -> list[int]:
    """The ids of all of `text`, without BOS. Raises ToolchainError."""
    argv = [str(peer.program("llama-tokenize")), "-m", str(model), "-f", str(text)]
    done = run(
        [*argv, "--ids", "--no-bos", "--log-disable"],
        timeout_s=_TIMEOUT_S,
        what="running llama-tokenize",
    )
    return [int(one) for one in re.findall(r"\d+", done.stdout)]


def measure(peer: LlamaCpp, model: Path, text: Path, window: int, count: int) -> WindowLoss:
    """Loss of the first `count` windows of `text`; see `windows.py` for the rule.

    Raises ToolchainError where llama-perplexity fails, VerificationError where it scored another
    number of windows.
    """
    argv = [str(peer.program("llama-perplexity")), "-m", str(model), "-f", str(text)]
    found: tuple[float, ...] = ()
    for _ in range(_ATTEMPTS):
        done = run(
            [*argv, "-ngl", "0", "-c", str(window), "--chunks", str(count)],
            timeout_s=_TIMEOUT_S,
            what="running llama-perplexity",
        )
        found = window_losses(done.stdout + done.stderr)
        if len(found) == count:
            return WindowLoss(found, count * (window - 1 - window // 2))
    raise VerificationError(f"llama-perplexity scored {len(found)} windows, not {count}.")


def window_losses(output: str) -> tuple[float, ...]:
    """Each window's own loss from llama-perplexity's running perplexities ``[3]14.02,``."""
    running = [float(value) for value in re.findall(r"\[\d+\](\d+\.\d+)(?=,)", output)]
    sums = [0.0, *(count * math.log(value) for count, value in enumerate(running, 1))]
    return tuple(after - before for before, after in itertools.pairwise(sums))
