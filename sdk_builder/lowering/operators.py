"""What a phone can run: the kernels that an actual Android build of the runtime registers."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.resources import files

from sdk_builder.errors import UnsupportedOperatorError


def android_operators() -> frozenset[str]:
    """Names such as ``llama::custom_sdpa.out``, as the Android runtime listed them itself."""
    text = files("sdk_builder.lowering").joinpath("android_operators.txt").read_text("utf-8")
    return frozenset(line for line in text.splitlines() if line and not line.startswith("#"))


def missing_operators(operators: Iterable[str]) -> list[str]:
    """Those of `operators` that the Android runtime lacks, sorted."""
    return sorted(set(operators) - android_operators())


def require_android_operators(operators: Iterable[str]) -> None:
    """Raises UnsupportedOperatorError naming what the Android runtime lacks."""
    missing = missing_operators(operators)
    if missing:
        raise UnsupportedOperatorError(
            f"the Android runtime has no kernel for {', '.join(missing)}",
            "this program would not load on a phone; it must be lowered with other operators",
        )
