from __future__ import annotations

import importlib.metadata
from pathlib import Path

import pytest

from sdk_builder import doctor


def not_installed(name: str) -> str:
    raise importlib.metadata.PackageNotFoundError(name)


@pytest.mark.parametrize("version", [(3, 10), (3, 13)])
def test_supported_python_is_ok(version: tuple[int, int]):
    assert doctor.python_finding(version).status == "ok"


def test_other_python_is_missing_with_a_fix():
    finding = doctor.python_finding((3, 14))
    assert finding.status == "missing"
    assert "3.10 to 3.13" in finding.fix


@pytest.mark.parametrize(
    ("version", "status"),
    [
        ("2.13.0", "ok"),
        ("2.13.1+cpu", "ok"),
        ("2.13", "ok"),
        ("2.130.0", "warning"),
        ("2.12", "warning"),
    ],
)
def test_package_is_compared_with_its_pin(version: str, status: str):
    finding = doctor.package_finding("torch", "2.13", lambda _: version)
    assert finding.status == status
    assert bool(finding.fix) == (status != "ok")


def test_missing_package_is_a_miss_with_a_fix():
    finding = doctor.package_finding("torch", "2.13", not_installed)
    assert (finding.status, finding.fix) == ("missing", doctor.REINSTALL)


def test_probe_shows_the_last_line():
    finding = doctor.probe("it", "print('noise'); print('fine')")
    assert (finding.status, finding.detail) == ("ok", "fine")


def test_probe_of_something_absent_is_a_miss():
    finding = doctor.probe("it", "import no_such_module_at_all")
    assert finding.status == "missing"
    assert "no_such_module_at_all" in finding.detail


def test_probe_that_crashes_is_a_miss_and_not_our_crash():
    finding = doctor.probe("it", "import os; os.abort()")
    assert finding.status == "missing"


def test_little_disk_or_memory_is_a_warning_with_a_fix():
    for finding in (
        doctor.disk_finding(Path("x"), 10**8),
        doctor.memory_finding(10**8),
        doctor.memory_finding(None),
    ):
        assert finding.status == "warning"
        assert finding.fix


def test_plenty_of_disk_and_memory_is_ok():
    assert doctor.disk_finding(Path("x"), 10**11).status == "ok"
    assert doctor.memory_finding(10**11).status == "ok"


@pytest.mark.slow
def test_this_machine_is_ready():
    missing = [finding for finding in doctor.examine() if finding.status == "missing"]
    assert missing == []
