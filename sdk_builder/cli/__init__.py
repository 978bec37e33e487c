"""The `shakti-sdk` command: parse, call one library function, print.

`root.py` lists the commands, one module each; `group.py` loads them when they are asked for
and is the one place where an exception becomes an exit code; `library.py` is the seam to
the rest of the package, which tests replace with small fakes.
"""

from __future__ import annotations

from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command (by default sys.argv's) and leave with its exit code (SystemExit)."""
    import logging

    from sdk_builder.cli.root import cli

    # torch announces what its next release may refuse in torchao: nothing a user can act on.
    logging.getLogger("torch.utils._pytree").setLevel(logging.ERROR)
    cli.main(args=arguments, prog_name="shakti-sdk")
