from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from click.testing import CliRunner

from sdk_builder.cli.root import cli
from tests.unit.cli.fakes import FakeLibrary


@dataclass(frozen=True)
class Outcome:
    """A command that ended: its exit code and what it wrote."""

    code: int
    stdout: str
    stderr: str

    @property
    def document(self) -> Any:
        """stdout as the one JSON document that it must be."""
        return json.loads(self.stdout)


Shakti = Callable[..., Outcome]


@pytest.fixture
def shakti() -> Shakti:
    """Runs the real command line in process: shakti("models", library=..., stdin="")."""

    def run(*arguments: str, library: FakeLibrary | None = None, stdin: str = "") -> Outcome:
        result = CliRunner().invoke(
            cli,
            list(arguments),
            obj=library or FakeLibrary(),
            input=stdin,
            prog_name="shakti-sdk",
        )
        return Outcome(result.exit_code, result.stdout, result.stderr)

    return run
