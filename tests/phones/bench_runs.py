"""Running `shakti-sdk bench` against the lab, and reading what it left without its help.

Result files are read as plain JSON here, so that the SDK's reader does not vouch for its writer.
"""

from __future__ import annotations

import io
import json
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sdk_builder.cli import main
from tests.phones.lab import Phone

ROUNDS = 2
CASES = ("load", "prefill-32", "ttft-128", "decode-16")
OPTIONS = ("--rounds", str(ROUNDS), "--prefill", "32", "--decode", "16", "--max-wait", "0.5")
TIMEOUT_S = 120


@dataclass(frozen=True)
class Ended:
    """A command that ended."""

    code: int
    stdout: str
    stderr: str

    @property
    def document(self) -> dict[str, Any]:
        """The one JSON document on stdout."""
        parsed: dict[str, Any] = json.loads(self.stdout)
        return parsed

    def result(self, serial: str) -> dict[str, Any]:
        """The part of the document on one phone."""
        return next(row for row in self.document["results"] if row["device"] == serial)

    def file(self, serial: str) -> Path:
        """The result file of one phone."""
        return Path(self.result(serial)["file"])

    @property
    def said(self) -> str:
        """All of it, to search in."""
        return self.stdout + self.stderr


def command(bundle: Path, output: Path, *serials: str, options: tuple[str, ...] = ()) -> list[str]:
    """The arguments of a bench on some phones."""
    devices = [part for serial in serials for part in ("--device", serial)]
    return ["bench", str(bundle), *devices, "-o", str(output), *OPTIONS, *options, "--json"]


def bench(bundle: Path, output: Path, *serials: str, options: tuple[str, ...] = ()) -> Ended:
    """Run a bench to its end, in this process: starting Python for each would take minutes."""
    stdout, stderr, code = io.StringIO(), io.StringIO(), 0
    with redirect_stdout(stdout), redirect_stderr(stderr):
        try:
            main(command(bundle, output, *serials, options=options))
        except SystemExit as left:
            code = int(left.code or 0)
    return _shown(Ended(code, stdout.getvalue(), stderr.getvalue()))


def started(bundle: Path, output: Path, *serials: str) -> subprocess.Popen[str]:
    """A bench in a process of its own, which runs on."""
    return subprocess.Popen(
        [sys.executable, "-m", "sdk_builder", *command(bundle, output, *serials)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def ended(process: subprocess.Popen[str]) -> Ended:
    """Wait for a bench that was started."""
    stdout, stderr = process.communicate(timeout=TIMEOUT_S)
    return _shown(Ended(process.returncode, stdout, stderr))


def _shown(ended: Ended) -> Ended:
    """The same, also where pytest shows it when the test fails."""
    sys.stdout.write(f"bench ended with {ended.code}\n{ended.said}")
    return ended


@contextmanager
def when(true: Callable[[], object], act: Callable[[], object]) -> Iterator[None]:
    """Meanwhile, as soon as something is true, do something once; it must have been done."""
    over, done = threading.Event(), threading.Event()

    def watch() -> None:
        while not over.is_set():
            if true():
                act()
                done.set()
                return
            time.sleep(0.01)

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join(timeout=10)
    assert done.is_set(), "the fault never happened"


def lines(file: Path) -> list[dict[str, Any]]:
    """Every line of a result file; none may be damaged."""
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def case_id(case: dict[str, Any]) -> str:
    """``decode-16``: no case here has a depth or threads."""
    return case["kind"] + (f"-{case['tokens']}" if case["tokens"] else "")


def samples(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [record for record in records if record["type"] == "sample"]


def identity(sample: dict[str, Any]) -> tuple[Any, ...]:
    """What tells one execution from every other."""
    return (sample["round"], sample["attempt"], case_id(sample["case"]), sample["duration_ms"])


def valid(file: Path) -> Counter[tuple[int, str]]:
    """How many samples that count each case has in each round."""
    found = [one for one in samples(lines(file)) if one["invalid_reason"] is None]
    return Counter((one["round"], case_id(one["case"])) for one in found)


def in_gate(sample: dict[str, Any]) -> bool:
    """Whether the stand-in was cool when the app measured this."""
    return not any(sample[look]["thermal_status"] for look in ("before", "after"))


def assert_complete(file: Path) -> None:
    """Each case has one sample that counts in each round."""
    assert valid(file) == {(number, case): 1 for number in range(ROUNDS) for case in CASES}


def assert_all_kept(phone: Phone, file: Path) -> None:
    """What the app wrote is in the result file, once, and nothing else is."""
    kept = Counter(identity(one) for one in samples(lines(file)))
    assert kept == Counter(identity(one) for one in samples(phone.written()))


def assert_measured_once(phone: Phone) -> None:
    """The app measured no case of a round again that it had measured inside the gate."""
    good = [one for one in samples(phone.written()) if in_gate(one)]
    again = Counter((one["round"], case_id(one["case"])) for one in good)
    assert set(again.values()) <= {1}, again
