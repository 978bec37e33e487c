"""Set up shakti-sdk from a fresh checkout, with nothing but Python's own library.

    python3.11 bootstrap.py demo              install, export a real model, ask it a question
    python3.11 bootstrap.py test [ARGS ...]   install, then ruff, mypy and pytest with ARGS
    python3.11 bootstrap.py setup [EXTRA ...] install only (extras: dev, eval, train, all)
    python3.11 bootstrap.py lock              resolve the dependencies again: constraints.txt

Everything lands in .venv, or in the folder that SHAKTI_VENV names. A second run installs
nothing unless pyproject.toml or constraints.txt changed.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import threading
import time
import venv
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent
OLDEST = (3, 10)
NEWEST = (3, 13)
DISK_GB = 6  # torch's Linux wheel brings the CUDA libraries along
EXTRAS = ("all", "dev", "eval", "train")
FLOWER = ROOT / "recipes" / "federated-requirements.txt"
FLOWER_OLDEST = (3, 11)

BIG_DOWNLOAD = re.compile(r"\(\d{3,}(\.\d+)? MB\)")  # worth a line in a log

DEMO_MODEL = "smollm2-135m"
DEMO_BUNDLE = "build/smollm2-135m-q4"
DEMO_QUESTION = "What is the capital of France?"

LOCK_HEADER = """\
# Versions that pip may choose from (pip install -c constraints.txt ...), for every supported
# Python and platform and all extras. Made by: python3.11 bootstrap.py lock
"""


class SetupError(Exception):
    """Setting up failed for a reason that the user can do something about."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


# --- what to do, as data ----------------------------------------------------------------


@dataclass(frozen=True)
class Stamp:
    """What a virtual environment holds, written into it once that is complete."""

    lock: str  # hash of pyproject.toml and constraints.txt
    python: str  # "3.11"
    project: str  # the checkout that the editable install points at
    extras: tuple[str, ...]


@dataclass(frozen=True)
class Command:
    """One program to run; `shown` is how a person would type it."""

    argv: tuple[str, ...]
    shown: str


def python_problem(version: Sequence[int]) -> str | None:
    """Why this Python (major, minor, ...) cannot run shakti-sdk; None if it can."""
    if OLDEST <= tuple(version[:2]) <= NEWEST:
        return None
    found, oldest, newest = (".".join(map(str, v[:2])) for v in (version, OLDEST, NEWEST))
    return f"Python {found} cannot run shakti-sdk, which needs {oldest} to {newest}."


def space_problem(free_bytes: int, folder: Path) -> str | None:
    """Why this much free space will not do for an installation; None if it will."""
    if free_bytes >= DISK_GB * 10**9:
        return None
    return f"{folder} has {free_bytes / 10**9:.1f} GB free; installing needs about {DISK_GB} GB."


def lock_hash(files: Iterable[Path]) -> str:
    """SHA-256 over the names and contents of `files`, in the order given.

    Line endings do not count: a checkout on Windows has the same hash.
    """
    digest = hashlib.sha256()
    for path in files:
        digest.update(path.name.encode() + b"\0")
        digest.update(path.read_bytes().replace(b"\r\n", b"\n") + b"\0")
    return digest.hexdigest()


def read_stamp(folder: Path) -> Stamp | None:
    """The stamp of a virtual environment; None if it has no complete one."""
    try:
        fields = json.loads((folder / "shakti-stamp.json").read_text(encoding="utf-8"))
        return Stamp(**{**fields, "extras": tuple(fields["extras"])})
    except (OSError, ValueError, TypeError, KeyError):
        return None


def setup_actions(found: Stamp | None, wanted: Stamp) -> tuple[str, ...]:
    """Which of create, install, link bring a virtual environment to the `wanted` state.

    `link` alone points the editable install of a shared environment at this checkout.
    """
    if found is None or found.python != wanted.python:
        return ("create", "install")
    if found.lock != wanted.lock or not set(wanted.extras) <= set(found.extras):
        return ("install",)
    return () if found.project == wanted.project else ("link",)


def pip_install(python: Path, *options: str) -> Command:
    """pip's install with `options`."""
    argv = (str(python), "-m", "pip", "install", "--disable-pip-version-check", *options)
    return Command(argv, shlex.join(("pip", "install", *options)))


def install_command(python: Path, extras: Sequence[str]) -> Command:
    """Installs this checkout with `extras`, held to constraints.txt."""
    target = f".[{','.join(extras)}]" if extras else "."
    return pip_install(python, "-c", "constraints.txt", "-e", target)


def flower_command(python: Path, folder: Path) -> Command:
    """Installs Flower into a folder that is no part of the environment."""
    return pip_install(python, "--target", str(folder), "-r", str(FLOWER.relative_to(ROOT)))


def link_command(python: Path) -> Command:
    """Points the editable install at this checkout, leaving the dependencies alone."""
    return pip_install(python, "--no-deps", "-e", ".")


def names_tests(arguments: Sequence[str]) -> bool:
    """Whether pytest's arguments choose among the tests."""
    return any(not one.startswith("-") for one in arguments)


def pytest_command(python: Path, arguments: Sequence[str], processors: int) -> Command:
    """pytest with `arguments`, two tests at a time where there are two processors; naming tests or
    -n takes that back."""
    said = names_tests(arguments) or any(one.startswith("-n") for one in arguments)
    given = arguments if said or processors < 2 else ("-n", "2", *arguments)
    return Command((str(python), "-m", "pytest", *given), shlex.join(("pytest", *given)))


def sdk_command(python: Path, *arguments: str) -> Command:
    """A shakti-sdk command in the virtual environment."""
    shown = shlex.join(("shakti-sdk", *arguments))
    return Command((str(python), "-m", "sdk_builder", *arguments), shown)


def demo_commands(python: Path, *, exported: bool, replace: bool) -> list[Command]:
    """The demo: export unless a good bundle is there already, then ask a question."""
    export = ["export", DEMO_MODEL, "--device", "android", "--quant", "q4", "-o", DEMO_BUNDLE]
    if replace:
        export.append("--force")
    question = ("run", DEMO_BUNDLE, DEMO_QUESTION, "--temperature", "0", "--stats")
    commands = [] if exported else [sdk_command(python, *export)]
    return [*commands, sdk_command(python, *question)]


def check_commands(python: Path) -> list[Command]:
    """The checks that come before pytest."""
    checks = (("ruff", "check", "."), ("ruff", "format", "--check", "."), ("mypy",))
    return [Command((str(python), "-m", *check), shlex.join(check)) for check in checks]


def explain_pip_failure(log: str) -> SetupError:
    """What pip's output says about why it failed, and the fix."""
    if "No space left on device" in log or "[Errno 28]" in log:
        return SetupError(
            "The disk is full.", f"Free about {DISK_GB} GB, then run the same command again."
        )
    offline = ("NewConnectionError", "ConnectTimeout", "ReadTimeout", "ProxyError", "SSLError")
    if any(word in log for word in offline):
        return SetupError(
            "The package index cannot be reached.",
            "Check the connection (and proxy), then run the same command again: "
            "what was downloaded already is kept.",
        )
    if "No matching distribution found" in log:
        return SetupError(
            "A dependency has no package for this machine.",
            "shakti-sdk needs what ExecuTorch and PyTorch are published for: Linux x86-64 or "
            "arm64, macOS on Apple silicon, Windows x86-64.",
        )
    return SetupError("pip could not install shakti-sdk.", "See its output above.")


# --- doing it ---------------------------------------------------------------------------


def say(text: str) -> None:
    """One line about progress, on stderr: stdout is for results."""
    print(text, file=sys.stderr, flush=True)


def venv_folder() -> Path:
    """Where the virtual environment lives."""
    return Path(os.environ.get("SHAKTI_VENV") or ROOT / ".venv").expanduser().absolute()


def venv_python(folder: Path) -> Path:
    """The interpreter of the virtual environment in `folder`."""
    if os.name == "nt":
        return folder / "Scripts" / "python.exe"
    return folder / "bin" / "python"


def set_up(extras: Sequence[str]) -> Path:
    """Make or update the virtual environment; returns its interpreter.

    Raises SetupError.
    """
    folder = venv_folder()
    python = venv_python(folder)
    found = read_stamp(folder) if python.exists() else None
    wanted = Stamp(
        lock=lock_hash([ROOT / "pyproject.toml", ROOT / "constraints.txt"]),
        python=".".join(map(str, sys.version_info[:2])),
        project=str(ROOT),
        extras=tuple(sorted({*extras, *(found.extras if found else ())})),
    )
    actions = setup_actions(found, wanted)
    if not actions:
        return python
    if "create" in actions:
        create_environment(folder)
    stamp = folder / "shakti-stamp.json"
    stamp.unlink(missing_ok=True)  # until the end, the environment is not complete
    if "install" in actions:
        command = install_command(python, wanted.extras)
    else:
        command = link_command(python)
    install(command, folder / "install.log")
    stamp.write_text(json.dumps(asdict(wanted), indent=2) + "\n", encoding="utf-8")
    return python


def set_up_flower(python: Path) -> None:
    """Put Flower beside the environment, which has newer versions of packages than it takes: the
    tests of recipes/federated.py put it before them. Raises SetupError."""
    folder = venv_folder() / "flower"
    stamp, wanted = folder / "shakti-stamp.txt", lock_hash([FLOWER])
    if sys.version_info < FLOWER_OLDEST or (stamp.is_file() and stamp.read_text() == wanted):
        return
    shutil.rmtree(folder, ignore_errors=True)
    install(flower_command(python, folder), venv_folder() / "install-flower.log")
    stamp.write_text(wanted)


def create_environment(folder: Path) -> None:
    """Make an empty virtual environment, replacing an older or broken one.

    Raises SetupError where `folder` holds something else, or the disk has no room.
    """
    if folder.exists() and any(folder.iterdir()) and not (folder / "pyvenv.cfg").exists():
        raise SetupError(
            f"{folder} is there, but is not a virtual environment.",
            "Move it away, or name another folder in SHAKTI_VENV.",
        )
    home = next(parent for parent in (folder, *folder.parents) if parent.exists())
    if problem := space_problem(shutil.disk_usage(home).free, home):
        raise SetupError(problem, "Free some space, or name a folder elsewhere in SHAKTI_VENV.")
    say(f"Creating {folder}: a download of a few GB, several minutes")
    try:
        venv.EnvBuilder(with_pip=True, clear=True).create(folder)
    except subprocess.CalledProcessError as error:
        raise SetupError(
            "This Python cannot make virtual environments with pip.",
            "On Debian and Ubuntu: apt install python3-venv (python3.11-venv for 3.11).",
        ) from error
    except OSError as error:
        raise SetupError(f"Cannot create {folder}: {error.strerror or error}.") from error


def install(command: Command, log: Path) -> None:
    """Run pip, showing what it is at; its whole output goes into `log`.

    Raises SetupError, after printing the end of pip's output.
    """
    say(f"$ {command.shown}")
    start = time.monotonic()
    lines: list[str] = []
    pip = subprocess.Popen(
        command.argv,
        cwd=ROOT,
        env=child_environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        errors="replace",
    )
    with pip, Ticker(start) as ticker, log.open("w", encoding="utf-8") as kept:
        assert pip.stdout is not None  # PIPE
        for line in pip.stdout:
            kept.write(line)
            lines.append(line)
            ticker.show(line)
    if pip.returncode:
        say("".join(lines[-30:]).rstrip())
        raise explain_pip_failure("".join(lines))
    say(f"  installed in {time.monotonic() - start:.0f} s")


class Ticker:
    """pip's progress: one line that keeps moving on a terminal, few plain lines elsewhere."""

    def __init__(self, start: float) -> None:
        self.start = start
        self.text = "starting"
        self.live = sys.stderr.isatty()
        self.done = threading.Event()
        self.thread = threading.Thread(target=self._tick, daemon=True)

    def __enter__(self) -> Ticker:
        if self.live:
            self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.done.set()
        if self.live:
            self.thread.join()
            sys.stderr.write("\r\x1b[K")

    def show(self, line: str) -> None:
        """Take in one line of pip's output."""
        verb, _, rest = line.strip().partition(" ")
        unpacking = rest.startswith("collected packages")  # it names all of them on this line
        if verb in ("Collecting", "Downloading", "Building") or unpacking:
            self.text = "Installing packages" if unpacking else f"{verb} {rest}"
        if not self.live and (unpacking or BIG_DOWNLOAD.search(line)):
            say(f"  {self.text}")

    def _tick(self) -> None:
        while not self.done.wait(0.5):
            width = shutil.get_terminal_size().columns - 1
            seconds = time.monotonic() - self.start
            sys.stderr.write("\r\x1b[K" + f"  {seconds:4.0f} s  {self.text}"[:width])
            sys.stderr.flush()


def child_environment() -> dict[str, str]:
    """Our environment, with UTF-8 for the children on every platform."""
    return {**os.environ, "PYTHONUTF8": "1"}


def execute(command: Command, *, quiet: bool = False) -> int:
    """Run one command in the checkout; returns its exit code."""
    if not quiet:
        say(f"$ {command.shown}")
    sink = subprocess.DEVNULL if quiet else None
    return subprocess.run(
        command.argv, cwd=ROOT, env=child_environment(), stdout=sink, stderr=sink, check=False
    ).returncode


# --- commands ---------------------------------------------------------------------------


def demo(arguments: Sequence[str]) -> int:
    """Install, export SmolLM2 to a bundle unless there is a good one, ask it a question."""
    if arguments:
        raise SetupError("demo takes no arguments.")
    python = set_up(())
    there = (ROOT / DEMO_BUNDLE).exists()
    good = there and execute(sdk_command(python, "verify", DEMO_BUNDLE), quiet=True) == 0
    if good:
        say(f"{DEMO_BUNDLE} is there and verifies.")
    elif there:
        say(f"{DEMO_BUNDLE} does not verify: exporting it again.")
    for command in demo_commands(python, exported=good, replace=there):
        if code := execute(command):
            return code
    say(f"\nTo chat with it: {python.parent / 'shakti-sdk'} run {DEMO_BUNDLE}")
    return 0


def test(arguments: Sequence[str]) -> int:
    """ruff, mypy, then pytest with `arguments`; all of them run, pytest's summary is last."""
    python = set_up(("dev",))
    if not names_tests(arguments):
        try:
            set_up_flower(python)
        except SetupError as error:
            say(f"warning: {error} Tests with Flower are skipped.")
    failed = [command.shown for command in check_commands(python) if execute(command)]
    code = execute(pytest_command(python, arguments, os.cpu_count() or 1))
    for shown in failed:
        say(f"error: {shown} failed, see above")
    return code or (1 if failed else 0)


def setup(arguments: Sequence[str]) -> int:
    """Install only."""
    if unknown := set(arguments) - set(EXTRAS):
        raise SetupError(f"No such extra: {min(unknown)}.", f"Extras: {', '.join(EXTRAS)}.")
    python = set_up(arguments)
    say(f"Ready: {python.parent}")
    return 0


def lock(arguments: Sequence[str]) -> int:
    """Resolve the dependencies of every Python, platform and extra into constraints.txt."""
    python = set_up(("dev",))
    resolve = ("uv", "pip", "compile", "pyproject.toml", "--universal", "--all-extras")
    options = ("--python-version", "3.10", "--no-header", "--no-annotate", "--quiet")
    argv = (*resolve, *options, *arguments)
    say(f"$ {shlex.join(argv)}")
    done = subprocess.run(
        (str(python), "-m", *argv), cwd=ROOT, stdout=subprocess.PIPE, check=False, text=True
    )
    if done.returncode == 0:
        path = ROOT / "constraints.txt"
        path.write_text(LOCK_HEADER + done.stdout, encoding="utf-8", newline="\n")
    return done.returncode


COMMANDS: dict[str, Callable[[Sequence[str]], int]] = {
    "demo": demo,
    "test": test,
    "setup": setup,
    "lock": lock,
}


def main(arguments: Sequence[str]) -> int:
    """Run one command; returns the exit code."""
    if not arguments or arguments[0] not in COMMANDS:
        asked = bool(arguments) and arguments[0] in ("-h", "--help")
        print(__doc__.strip(), file=sys.stdout if asked else sys.stderr)
        return 0 if asked else 2
    if problem := python_problem(sys.version_info[:2]):
        say(f"error: {problem}\nhint: Run this with another one: python3.11 bootstrap.py ...")
        return 2
    try:
        return COMMANDS[arguments[0]](arguments[1:])
    except SetupError as error:
        say(f"error: {error}" + (f"\nhint: {error.hint}" if error.hint else ""))
        return 1
    except KeyboardInterrupt:
        say("\nStopped. Run the same command again to go on.")
        return 130


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
