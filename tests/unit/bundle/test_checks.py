"""check_files finds any change to any file of a bundle."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sdk_builder.bundle import Bundle, BundleWriter, check_files, write_zip
from sdk_builder.errors import BundleError
from tests.unit.bundle.samples import PROGRAM, TOKENIZER, sample_manifest, write_bundle

NAMES = ("manifest.json", "model.pte", "tokenizer.json")


@pytest.fixture
def folder(tmp_path) -> Path:
    return write_bundle(tmp_path / "tiny")


def statuses(path: Path) -> dict[str, str]:
    with Bundle.open(path) as bundle:
        return {result.name: result.status for result in check_files(bundle)}


ALL_PASS = {
    "manifest schema": "pass",
    "manifest checksum": "pass",
    "program size": "pass",
    "program hash": "pass",
    "tokenizer hash": "pass",
    "golden prompts": "pass",
}


def test_bundle_as_written_passes(folder):
    assert statuses(folder) == ALL_PASS


def test_zip_of_it_passes(folder, tmp_path):
    assert statuses(write_zip(folder, tmp_path / "tiny.zip")) == ALL_PASS


@settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    name=st.sampled_from(NAMES), place=st.floats(0, 1, exclude_max=True), change=st.integers(1, 255)
)
def test_any_changed_byte_is_found(folder, name, place, change):
    intact = (folder / name).read_bytes()
    damaged = bytearray(intact)
    damaged[int(place * len(intact))] ^= change
    (folder / name).write_bytes(damaged)
    try:
        found = "fail" in statuses(folder).values()
    except BundleError:
        found = True  # the manifest could not even be read
    finally:
        (folder / name).write_bytes(intact)
    assert found


def test_changed_program_fails_by_its_hash(folder):
    (folder / "model.pte").write_bytes(PROGRAM[::-1])
    assert statuses(folder) == {**ALL_PASS, "program hash": "fail"}


def test_program_of_the_wrong_size_is_not_hashed(folder):
    (folder / "model.pte").write_bytes(PROGRAM + b"x")
    assert statuses(folder) == {**ALL_PASS, "program size": "fail", "program hash": "skipped"}


def test_missing_program_is_a_failed_check(folder):
    (folder / "model.pte").unlink()
    assert statuses(folder) == {**ALL_PASS, "program size": "fail", "program hash": "skipped"}


def test_missing_tokenizer_is_a_failed_check(folder):
    (folder / "tokenizer.json").unlink()
    assert statuses(folder) == {**ALL_PASS, "tokenizer hash": "fail"}


def test_edited_manifest_is_told_from_a_damaged_one(folder):
    path = folder / "manifest.json"
    path.write_text(path.read_text().replace('"temperature": 0.7', '"temperature": 0.9'))
    assert statuses(folder) == {**ALL_PASS, "manifest checksum": "fail"}


def test_bundle_without_golden_prompts_skips_that_check(tmp_path):
    with BundleWriter(tmp_path / "plain") as writer:
        writer.write_bytes("model.pte", PROGRAM)
        writer.write_text("tokenizer.json", TOKENIZER)
        bundle = writer.commit(sample_manifest(golden=()))
    assert {r.name: r.status for r in check_files(bundle)} == {
        **ALL_PASS,
        "golden prompts": "skipped",
    }
