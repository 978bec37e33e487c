"""Exit codes, error messages, and what --help may import."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from sdk_builder import errors
from sdk_builder.cli.group import describe, has_flag
from sdk_builder.errors import EXIT_CODES, CheckpointError, ShaktiError, UnknownModelError
from tests.unit.cli.conftest import Shakti
from tests.unit.cli.fakes import failing

FAMILIES = [row for row in EXIT_CODES if row.family]
HEAVY = ("torch", "transformers", "executorch", "torchao", "numpy")


@pytest.mark.parametrize("row", FAMILIES, ids=lambda row: row.family)
def test_error_of_each_family_ends_with_its_exit_code(shakti: Shakti, row: errors.ExitCode):
    error: ShaktiError = getattr(errors, row.family)("It broke.", "Mend it.")

    outcome = shakti("export", "smollm2-135m", library=failing(error))

    assert outcome.code == row.code
    assert outcome.stderr == "error: It broke.\nhint: Mend it.\n"
    assert outcome.stdout == ""


def test_error_without_hint_is_one_line(shakti: Shakti):
    outcome = shakti("inspect", "b", library=failing(CheckpointError("It broke.")))
    assert outcome.stderr == "error: It broke.\n"


@pytest.mark.parametrize("row", FAMILIES, ids=lambda row: row.family)
def test_json_error_is_one_document_on_stdout_and_lines_on_stderr(
    shakti: Shakti, row: errors.ExitCode
):
    error: ShaktiError = getattr(errors, row.family)("It broke.", "Mend it.")

    outcome = shakti("verify", "bundle", "--json", library=failing(error))

    assert outcome.code == row.code
    assert outcome.document == {
        "error": {
            "code": row.code,
            "family": row.family,
            "cause": row.family,
            "message": "It broke.",
            "hint": "Mend it.",
        }
    }
    assert outcome.stderr.startswith("error: It broke.")


def test_cause_of_a_family_is_named_beside_the_family(shakti: Shakti):
    error = UnknownModelError("No such model.", nearest="shakti-100m")
    document = shakti("export", "x", "--json", library=failing(error)).document
    assert document["error"]["family"] == "InputError"
    assert document["error"]["cause"] == "UnknownModelError"
    assert document["error"]["hint"] == "Did you mean shakti-100m?"


def test_unforeseen_exception_is_one_line_and_exit_code_1(shakti: Shakti):
    outcome = shakti("export", "x", library=failing(KeyError("lm_head")))
    assert outcome.code == 1
    assert outcome.stderr.splitlines() == [
        "error: internal error: KeyError: 'lm_head'",
        "hint: Rerun with --debug for the traceback.",
    ]


def test_unforeseen_exception_with_many_lines_shows_the_first(shakti: Shakti):
    outcome = shakti("export", "x", library=failing(RuntimeError("one\ntwo\nthree")))
    assert "one" in outcome.stderr
    assert "two" not in outcome.stderr


def test_debug_adds_the_traceback(shakti: Shakti):
    error = CheckpointError("It broke.")
    assert "Traceback" not in shakti("export", "x", library=failing(error)).stderr
    debugged = shakti("export", "x", "--debug", library=failing(error))
    assert "Traceback (most recent call last)" in debugged.stderr
    assert debugged.stderr.endswith("error: It broke.\n")
    assert debugged.code == 3


def test_ctrl_c_ends_with_130_and_says_how_to_go_on(shakti: Shakti):
    outcome = shakti("export", "x", library=failing(KeyboardInterrupt()))
    assert outcome.code == 130
    assert outcome.stderr.startswith("error: Stopped.\nhint: Run the same command again")


def test_out_of_memory_is_not_called_a_bug():
    failure = describe(MemoryError())
    assert failure.code == 1
    assert "out of memory" in failure.message
    assert "smaller" in failure.hint


def test_unknown_option_is_a_usage_error_even_in_json(shakti: Shakti):
    outcome = shakti("export", "x", "--bogus", "--json")
    assert outcome.code == 2
    assert "--bogus" in outcome.document["error"]["message"]
    assert outcome.document["error"]["hint"] == "See shakti-sdk export --help"


@pytest.mark.parametrize(
    "arguments",
    [
        ("export",),
        ("export", "x", "--quant", "q3"),
        ("export", "x", "--device", "iphone"),
        ("export", "x", "--context", "0"),
        ("export", "x", "--seed", "-1"),
        ("run", "b", "hi", "--temperature", "-1"),
        ("run", "b", "hi", "--top-p", "0"),
        ("run", "b", "hi", "--top-p", "1.5"),
        ("run", "b", "hi", "--max-tokens", "0"),
        ("run", "b", "hi", "--raw", "--system", "x"),
        ("eval", "b"),
        ("eval", "b", "--text", "t", "--suite", "bbq"),
        ("verify",),
        ("completion", "tcsh"),
        ("models", "-q", "-v"),
    ],
    ids=" ".join,
)
def test_bad_option_is_a_usage_error(shakti: Shakti, arguments: tuple[str, ...]):
    outcome = shakti(*arguments)
    assert outcome.code == 2
    assert outcome.stderr.startswith("error: ")
    assert outcome.stdout == ""


def test_unknown_command_names_the_nearest(shakti: Shakti):
    outcome = shakti("exprot", "x")
    assert outcome.code == 2
    assert "Did you mean 'export'?" in outcome.stderr


def test_no_command_prints_help_and_is_a_usage_error(shakti: Shakti):
    outcome = shakti()
    assert outcome.code == 2
    assert "Commands:" in outcome.stderr


def test_version(shakti: Shakti):
    outcome = shakti("--version")
    assert outcome.code == 0
    assert outcome.stdout.startswith("shakti-sdk 0.")


@pytest.mark.parametrize("name", ["models", "export", "inspect", "verify", "run", "eval"])
def test_every_command_has_help_and_the_common_options(shakti: Shakti, name: str):
    outcome = shakti(name, "-h")
    assert outcome.code == 0
    for option in ("--json", "--verbose", "--quiet", "--debug", "--help"):
        assert option in outcome.stdout


def test_flag_after_double_dash_is_not_a_flag():
    assert has_flag(["run", "b", "--json"], "--json")
    assert not has_flag(["run", "b", "--", "--json"], "--json")


# --- in a Python of its own ---------------------------------------------------------------

IMPORTED = """
import atexit, sys
atexit.register(lambda: print(*sorted(sys.modules), file=sys.stderr))
from sdk_builder.cli import main
main(sys.argv[1:])
"""


def modules_after(*arguments: str, **environment: str) -> set[str]:
    """The modules that a command line has imported when it ends."""
    done = subprocess.run(
        [sys.executable, "-c", IMPORTED, *arguments],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return set(done.stderr.split())


@pytest.mark.parametrize(
    "arguments",
    [("--help",), ("--version",), ("models",), ("export", "-h"), ("run", "-h"), ("eval", "-h")],
    ids=" ".join,
)
def test_help_and_models_import_nothing_heavy(arguments: tuple[str, ...]):
    assert not modules_after(*arguments) & set(HEAVY)


def test_help_imports_no_command():
    commands = {name for name in modules_after("--help") if name.endswith("_cmd")}
    assert commands == set()


def test_completing_a_model_imports_nothing_heavy():
    modules = modules_after(
        _SHAKTI_SDK_COMPLETE="bash_complete", COMP_WORDS="shakti-sdk export s", COMP_CWORD="2"
    )
    assert "sdk_builder.models.sources" in modules
    assert not modules & set(HEAVY)


@pytest.mark.skipif(os.name == "nt", reason="POSIX pipes")
def test_reader_that_goes_away_ends_quietly_with_141():
    read_end, write_end = os.pipe()
    os.close(read_end)
    try:
        done = subprocess.run(
            [sys.executable, "-m", "sdk_builder", "models", "-q"],
            stdout=write_end,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
            check=False,
        )
    finally:
        os.close(write_end)
    assert done.returncode == 141
    assert done.stderr == ""


def test_ctrl_c_behind_a_failed_import_is_an_interruption():
    failed = ImportError("initialization failed")
    failed.__cause__ = KeyboardInterrupt()
    assert describe(failed).code == 130
    assert describe(ImportError("no module")).code == 1
