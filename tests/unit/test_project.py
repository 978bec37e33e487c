"""The project's own files agree with each other."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from sdk_builder import doctor

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted({*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), ROOT / "android_demo/README.md"})
PYTHONS = ("3.10", "3.11", "3.12", "3.13")


def project() -> dict[str, Any]:
    with (ROOT / "pyproject.toml").open("rb") as file:
        return tomllib.load(file)["project"]


def requirements(*, extras: bool) -> list[Requirement]:
    table = project()
    lines = list(table["dependencies"])
    if extras:
        lines += [line for group in table["optional-dependencies"].values() for line in group]
    return [Requirement(line) for line in lines]


def locked() -> list[Requirement]:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    return [Requirement(line) for line in lines if line and not line.startswith("#")]


@pytest.mark.parametrize("python", PYTHONS)
def test_lock_satisfies_every_requirement(python: str):
    environment = {"python_version": python, "python_full_version": f"{python}.5"}
    versions = {
        canonicalize_name(pin.name): str(pin.specifier).removeprefix("==")
        for pin in locked()
        if pin.marker is None or pin.marker.evaluate(environment)
    }
    for requirement in requirements(extras=True):
        if requirement.name == "shakti-sdk":
            continue
        if requirement.marker is None or requirement.marker.evaluate(environment):
            version = versions[canonicalize_name(requirement.name)]
            assert requirement.specifier.contains(version), (requirement, version)


def test_lock_names_no_host_and_no_path():
    text = (ROOT / "constraints.txt").read_text(encoding="utf-8")
    assert not re.search(r"://|--|(^|\s)/", text)


def test_doctor_looks_at_every_requirement():
    known = {canonicalize_name(name) for name in (*doctor.PINS, *doctor.PACKAGES_PYTHON_3_10)}
    assert known == {canonicalize_name(one.name) for one in requirements(extras=False)}


@pytest.mark.parametrize(
    ("python", "pins"), [("3.10", doctor.PINS_PYTHON_3_10), ("3.11", doctor.PINS)]
)
def test_doctor_has_the_pins_of_the_project(python: str, pins: dict[str, str]):
    exact = {
        one.name: str(one.specifier).removeprefix("==").removesuffix(".*")
        for one in requirements(extras=False)
        if "==" in str(one.specifier)
        and (one.marker is None or one.marker.evaluate({"python_version": python}))
    }
    assert pins == exact


def test_bootstrap_and_doctor_support_the_pythons_of_the_project():
    import bootstrap

    assert project()["requires-python"] == ">=3.10,<3.14"
    assert (bootstrap.OLDEST, bootstrap.NEWEST) == ((3, 10), (3, 13))
    assert (doctor.OLDEST_PYTHON, doctor.NEWEST_PYTHON) == ((3, 10), (3, 13))
    assert set(bootstrap.EXTRAS) == set(project()["optional-dependencies"])


def test_device_requirements_are_a_subset_without_torch():
    lines = (ROOT / "requirements-device.txt").read_text(encoding="utf-8").splitlines()
    names = {Requirement(line).name for line in lines if line and not line.startswith("#")}
    assert names < {one.name for one in requirements(extras=False)}
    assert not names & {"torch", "torchao", "executorch", "transformers"}


def test_third_party_names_every_requirement():
    text = (ROOT / "THIRD_PARTY.md").read_text(encoding="utf-8")
    for requirement in requirements(extras=True):
        if requirement.name != "shakti-sdk":
            assert f"| {requirement.name} |" in text


def test_links_between_documents_lead_somewhere():
    for document in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))):
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", document.read_text("utf-8")):
            assert (document.parent / target).exists(), f"{document.name}: {target}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_of_a_page_leads_somewhere(page: Path):
    text = page.read_text(encoding="utf-8")
    for target in re.findall(r"\]\((?!\w+:)([^)\s]+)\)", text):
        name, _, anchor = target.partition("#")
        there = page.parent / name if name else page
        assert there.exists(), target
        if anchor and there.suffix == ".md":
            assert anchor in _anchors(there), target


def _anchors(page: Path) -> set[str]:
    """The headings of a page as links name them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}
