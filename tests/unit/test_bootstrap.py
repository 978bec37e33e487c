"""bootstrap.py decides what to do as data; nothing is installed here."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path

import pytest

import bootstrap
from bootstrap import SetupError, Stamp

PYTHON = Path("venv/bin/python")
STAMP = Stamp(lock="1" * 64, python="3.11", project="/src", extras=("dev",))


@pytest.mark.parametrize("version", [(3, 10), (3, 11, 7), (3, 13)])
def test_supported_python_is_no_problem(version: tuple[int, ...]):
    assert bootstrap.python_problem(version) is None


@pytest.mark.parametrize("version", [(2, 7), (3, 9, 18), (3, 14), (4, 0)])
def test_other_python_is_named_with_what_is_needed(version: tuple[int, ...]):
    problem = bootstrap.python_problem(version)
    assert problem is not None
    assert f"Python {version[0]}.{version[1]} " in problem
    assert "3.10 to 3.13" in problem


def test_too_little_space_is_named():
    assert bootstrap.space_problem(10**10, Path("x")) is None
    assert "1.5 GB free" in str(bootstrap.space_problem(1_500_000_000, Path("x")))


# --- stamps -------------------------------------------------------------------------------


def test_lock_hash_changes_with_content_and_not_with_line_endings(tmp_path: Path):
    lock = tmp_path / "constraints.txt"
    lock.write_bytes(b"a==1\nb==2\n")
    first = bootstrap.lock_hash([lock])
    lock.write_bytes(b"a==1\r\nb==2\r\n")
    assert bootstrap.lock_hash([lock]) == first
    lock.write_bytes(b"a==1\nb==3\n")
    assert bootstrap.lock_hash([lock]) != first


def test_stamp_round_trips(tmp_path: Path):
    (tmp_path / "shakti-stamp.json").write_text(json.dumps(asdict(STAMP)))
    assert bootstrap.read_stamp(tmp_path) == STAMP


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"extras": []}', '{"extras": 1}'])
def test_damaged_stamp_counts_as_none(tmp_path: Path, text: str):
    (tmp_path / "shakti-stamp.json").write_text(text)
    assert bootstrap.read_stamp(tmp_path) is None


def test_missing_stamp_counts_as_none(tmp_path: Path):
    assert bootstrap.read_stamp(tmp_path) is None


@pytest.mark.parametrize(
    ("found", "actions"),
    [
        (None, ("create", "install")),
        (STAMP, ()),
        (replace(STAMP, extras=("dev", "eval")), ()),
        (replace(STAMP, extras=()), ("install",)),
        (replace(STAMP, lock="2" * 64), ("install",)),
        (replace(STAMP, python="3.12"), ("create", "install")),
        (replace(STAMP, project="/elsewhere"), ("link",)),
        (replace(STAMP, project="/elsewhere", lock="2" * 64), ("install",)),
    ],
    ids=[
        "nothing there",
        "current",
        "more than needed",
        "extra missing",
        "lock changed",
        "other python",
        "shared with another checkout",
        "shared and lock changed",
    ],
)
def test_setup_does_only_what_is_missing(found: Stamp | None, actions: tuple[str, ...]):
    assert bootstrap.setup_actions(found, STAMP) == actions


# --- commands -----------------------------------------------------------------------------


def test_install_is_editable_and_held_to_the_constraints():
    command = bootstrap.install_command(PYTHON, ("dev", "eval"))
    assert command.argv[:4] == (str(PYTHON), "-m", "pip", "install")
    assert command.argv[-4:] == ("-c", "constraints.txt", "-e", ".[dev,eval]")
    assert bootstrap.install_command(PYTHON, ()).argv[-1] == "."


def test_flower_is_installed_beside_the_environment():
    command = bootstrap.flower_command(PYTHON, Path("venv/flower"))
    assert command.argv[:4] == (str(PYTHON), "-m", "pip", "install")
    assert command.shown == (
        "pip install --target venv/flower -r recipes/federated-requirements.txt"
    )


def test_flower_that_is_there_is_not_installed_again(tmp_path, monkeypatch):
    monkeypatch.setenv("SHAKTI_VENV", str(tmp_path))
    made: list[str] = []

    def install(command: bootstrap.Command, log: Path) -> None:
        assert log.parent == tmp_path
        (tmp_path / "flower").mkdir()
        made.append(command.shown)

    monkeypatch.setattr(bootstrap, "install", install)
    monkeypatch.setattr(bootstrap, "FLOWER_OLDEST", (3, 0))
    bootstrap.set_up_flower(PYTHON)
    bootstrap.set_up_flower(PYTHON)
    assert len(made) == 1
    (tmp_path / "flower" / "shakti-stamp.txt").write_text("of other requirements")
    bootstrap.set_up_flower(PYTHON)
    assert len(made) == 2


def test_first_demo_exports_and_asks():
    commands = bootstrap.demo_commands(PYTHON, exported=False, replace=False)
    assert [command.shown for command in commands] == [
        "shakti-sdk export smollm2-135m --device android --quant q4 -o build/smollm2-135m-q4",
        "shakti-sdk run build/smollm2-135m-q4 'What is the capital of France?' "
        "--temperature 0 --stats",
    ]
    assert commands[0].argv[:3] == (str(PYTHON), "-m", "sdk_builder")


def test_second_demo_only_asks():
    commands = bootstrap.demo_commands(PYTHON, exported=True, replace=True)
    assert [command.argv[3] for command in commands] == ["run"]


def test_demo_replaces_a_bundle_that_does_not_verify():
    export = bootstrap.demo_commands(PYTHON, exported=False, replace=True)[0]
    assert export.argv[-1] == "--force"


def test_checks_before_pytest_are_ruff_and_mypy():
    shown = [command.shown for command in bootstrap.check_commands(PYTHON)]
    assert shown == ["ruff check .", "ruff format --check .", "mypy"]


# --- errors -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("log", "message"),
    [
        ("ERROR: Could not install: [Errno 28] No space left on device", "disk is full"),
        ("NewConnectionError(...)\nERROR: No matching distribution found for x", "reached"),
        ("ERROR: No matching distribution found for executorch==1.5.1", "no package for this"),
        ("ERROR: something else", "could not install"),
    ],
)
def test_pip_failure_is_explained(log: str, message: str):
    assert message in str(bootstrap.explain_pip_failure(log))


def test_folder_that_is_no_environment_is_left_alone(tmp_path: Path):
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(SetupError, match="not a virtual environment"):
        bootstrap.create_environment(tmp_path)
    assert (tmp_path / "thesis.txt").read_text() == "mine"


def test_venv_folder_comes_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("SHAKTI_VENV", str(tmp_path))
    assert bootstrap.venv_folder() == tmp_path
    monkeypatch.delenv("SHAKTI_VENV")
    assert bootstrap.venv_folder() == bootstrap.ROOT / ".venv"


@pytest.mark.parametrize(
    ("arguments", "processors", "shown"),
    [
        ((), 2, "pytest -n 2"),
        (("-x", "--durations=5"), 16, "pytest -n 2 -x --durations=5"),
        ((), 1, "pytest"),
        (("-n", "4"), 8, "pytest -n 4"),
        (("-n0",), 8, "pytest -n0"),
        (("tests/unit/test_log.py",), 8, "pytest tests/unit/test_log.py"),
    ],
)
def test_all_tests_run_two_at_a_time_and_named_ones_alone(
    arguments: tuple[str, ...], processors: int, shown: str
):
    command = bootstrap.pytest_command(Path("python"), arguments, processors)
    assert command.shown == shown
    assert command.argv == ("python", "-m", *shown.split())


@pytest.mark.parametrize("arguments", [[], ["frobnicate"]])
def test_unknown_command_prints_usage_and_ends_with_2(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
):
    assert bootstrap.main(arguments) == 2
    assert "bootstrap.py demo" in capsys.readouterr().err


def test_unknown_extra_is_an_error_with_a_hint(capsys: pytest.CaptureFixture[str]):
    assert bootstrap.main(["setup", "evil"]) == 1
    assert capsys.readouterr().err == (
        "error: No such extra: evil.\nhint: Extras: all, dev, eval, train.\n"
    )


def test_bootstrap_imports_only_the_standard_library():
    code = "import sys, bootstrap; print(*{name.split('.')[0] for name in sys.modules})"
    done = subprocess.run(
        [sys.executable, "-I", "-c", f"import sys; sys.path.insert(0, '.'); {code}"],
        cwd=bootstrap.ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    ours = {"bootstrap", "__main__"}
    foreign = {
        name
        for name in done.stdout.split()
        if name not in sys.stdlib_module_names | ours and not name.startswith(("_", "site"))
    }
    assert foreign <= {"sitecustomize", "usercustomize", "distutils"}
