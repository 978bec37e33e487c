"""The app's reader of bundles is held to the host's: by constants here, by cases on the JVM."""

from __future__ import annotations

import base64
import json
import re
import zipfile
from collections import Counter
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import BaseModel

from sdk_builder.bundle import SCHEMA_VERSION, Bundle
from sdk_builder.bundle.manifest import MANIFEST_NAME, Manifest
from sdk_builder.bundle.record import FILE_NAME
from sdk_builder.verify.golden import LEAST_SHARE
from tests.app import bundle_cases

ROOT = Path(__file__).parents[2]
APP = ROOT / "android_demo" / "app" / "src" / "main" / "kotlin" / "io" / "shakti" / "demo"


def kotlin(name: str) -> str:
    return (APP / name).read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def cases(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("bundle-cases")
    bundle_cases.write_cases(folder)
    return folder


@pytest.fixture(scope="module")
def manifests(cases) -> list[dict[str, Any]]:
    lines = (cases / bundle_cases.MANIFESTS_FILE).read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def test_app_reads_our_schema_and_file_names():
    parser = kotlin("bundle/ManifestParser.kt")
    assert f'SCHEMA_VERSION = "{SCHEMA_VERSION}"' in parser
    assert f'MANIFEST_NAME = "{MANIFEST_NAME}"' in parser
    assert f'Regex("{FILE_NAME}")' in kotlin("bundle/ManifestFields.kt")


def test_app_asks_as_much_of_golden_tokens():
    assert f"LEAST_SHARE = {LEAST_SHARE}" in kotlin("engine/Golden.kt")


def test_app_knows_every_field_of_the_schema():
    known = set(re.findall(r'"([a-z_0-9]+)"', kotlin("bundle/ManifestFields.kt")))
    assert fields_of(Manifest) - known == set()
    assert len(fields_of(Manifest)) > 80


def fields_of(record: type[BaseModel]) -> set[str]:
    """The names of all fields of a record and of those within it."""
    found: set[str] = set()
    for name, field in record.model_fields.items():
        found.add(name)
        for inner in records_in(field.annotation):
            found |= fields_of(inner)
    return found


def records_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [inner for part in get_args(annotation) for inner in records_in(part)]


def test_cases_hold_every_verdict_many_times(manifests):
    counts = Counter(case["verdict"] for case in manifests)
    assert counts["accepted"] > 400
    assert counts["refused"] > 2000
    assert counts["newer"] >= 2
    assert counts["too_large"] >= 4


def test_refusals_have_many_reasons_and_the_checksum_is_seldom_one(manifests):
    reasons = Counter(
        re.sub(r"\d+|[\w.\[\]]+: ", "", case["why"])
        for case in manifests
        if case["verdict"] == "refused"
    )
    assert len(reasons) > 40
    assert reasons["checksum"] < 0.2 * sum(reasons.values())


def test_what_the_app_must_read_is_in_the_file(manifests):
    accepted = [case for case in manifests if case["verdict"] == "accepted"]
    for case in accepted[:50]:
        fields = json.loads(base64.b64decode(case["data"]))
        assert case["says"]["name"] == fields["name"]
        assert case["says"]["program"][1] == fields["program"]["size_bytes"]
        assert case["says"]["tokenizer"][5] == fields["tokenizer"]["eos_ids"]


def test_zips_are_what_a_stream_can_be_read_from(cases):
    """Stored entries need their sizes ahead of them: a data descriptor behind is of no use."""
    for path in sorted((cases / bundle_cases.ZIPS_FOLDER).iterdir()):
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
        assert entries[0].filename == MANIFEST_NAME  # its sizes bound what is written
        for entry in entries:
            assert entry.compress_type == zipfile.ZIP_STORED
            assert not entry.flag_bits & 0x8
        with Bundle.open(path) as bundle:
            assert bundle.program_path.stat().st_size == bundle.manifest.program.size_bytes
