"""manifest.json: one form as bytes, and one line for whatever is wrong with it."""

from __future__ import annotations

import hashlib
import json
import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sdk_builder.bundle import SCHEMA_VERSION, decode_manifest, encode_manifest, identity
from sdk_builder.bundle.manifest import Provenance
from sdk_builder.bundle.manifest_file import checksum_matches
from sdk_builder.errors import BundleError
from tests.unit.bundle.samples import manifests, sample_manifest

SAMPLE = encode_manifest(sample_manifest())
WHERE = "b/manifest.json"


def read(data: bytes):
    return decode_manifest(data, WHERE)


def edited(edit) -> bytes:
    """The sample after `edit` changed its JSON, written in the same form."""
    value = json.loads(SAMPLE)
    edit(value)
    return (json.dumps(value, sort_keys=True, indent=2) + "\n").encode()


def error_of(data: bytes) -> BundleError:
    with pytest.raises(BundleError) as caught:
        read(data)
    error = caught.value
    assert "\n" not in error.message
    assert WHERE in error.message
    assert error.hint
    return error


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(manifests())
def test_any_manifest_comes_back_equal_and_byte_for_byte(manifest):
    data = encode_manifest(manifest)
    again = read(data)
    assert again == manifest
    assert encode_manifest(again) == data
    assert checksum_matches(data)


def test_form_is_canonical():
    text = SAMPLE.decode()
    assert text == json.dumps(json.loads(text), sort_keys=True, indent=2, ensure_ascii=False) + "\n"


def test_checksum_can_be_checked_without_knowing_json():
    found = re.search(rb'\n  "checksum": "([0-9a-f]{64})"', SAMPLE)
    assert found
    zeroed = SAMPLE.replace(found[1], b"0" * 64)
    assert hashlib.sha256(zeroed).hexdigest().encode() == found[1]


@given(st.integers(0, len(SAMPLE) - 1), st.integers(1, 255))
def test_any_changed_byte_breaks_the_checksum(position, change):
    data = bytearray(SAMPLE)
    data[position] ^= change
    assert not checksum_matches(bytes(data))


@given(st.integers(0, len(SAMPLE) - 1), st.integers(1, 255))
def test_any_changed_byte_is_read_or_is_a_bundle_error(position, change):
    data = bytearray(SAMPLE)
    data[position] ^= change
    try:
        read(bytes(data))
    except BundleError as error:
        assert "\n" not in error.message


def test_any_truncation_is_a_bundle_error():
    for length in range(len(SAMPLE)):
        with pytest.raises(BundleError):
            read(SAMPLE[:length])


@given(st.binary(max_size=60).map(lambda data: data + b"}\n"))
def test_noise_is_a_bundle_error(data):
    with pytest.raises(BundleError):
        read(data)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"}\n",
        b"[{}\n",
        b"\xff{}\n",
        b'{"schema_version": "\xed\xa0\x80"}\n',
        b"[" * 100_000 + b"{}\n",
        b'{"a":' * 100_000 + b"{}" + b"}" * 100_000 + b"\n",
        b'{"schema_version": ' + b"9" * 10_000 + b"}\n",
        b'{"schema_version": "1.0", "checksum": "", "name": "\\ud800"}\n',
        b'{"schema_version": "1.0", "checksum": "", "name": 1e999}\n',
        b'{"schema_version": "1.0", "checksum": "", "name": NaN}\n',
    ],
)
def test_nasty_json_is_a_bundle_error(data):
    error_of(data)


def test_wrong_type_is_named_by_its_path():
    def edit(value):
        value["program"]["methods"][0]["name"] = 7

    assert error_of(edited(edit)).message == (
        "b/manifest.json: program.methods[0].name: Input should be a valid string."
    )


def test_missing_field_is_named_and_others_are_counted():
    def edit(value):
        del value["name"]
        del value["program"]["sha256"]

    message = error_of(edited(edit)).message
    assert message == "b/manifest.json: name: Field required (and 1 more)."


def test_missing_checksum_is_a_missing_field():
    error = error_of(edited(lambda value: value.pop("checksum")))
    assert error.message == "b/manifest.json: checksum: Field required."


def test_contradiction_is_told_in_our_words():
    def edit(value):
        value["model"]["layers"] = 3

    message = error_of(edited(edit)).message
    assert message == "b/manifest.json: model: kv_heads has 2 entries for 3 layers."


def test_field_given_twice_is_refused():
    data = SAMPLE.replace(b'{\n  "chat"', b'{\n  "name": "other",\n  "chat"', 1)
    assert "a field is given twice" in error_of(data).message


def test_unknown_field_is_refused_in_our_own_version():
    def edit(value):
        value["program"]["alignment\n"] = 16

    message = error_of(edited(edit)).message
    assert message == 'b/manifest.json: program."alignment\\n": unknown field.'


def test_unknown_fields_of_a_newer_minor_version_are_ignored():
    major = SCHEMA_VERSION.split(".")[0]

    def edit(value):
        value["schema_version"] = f"{major}.99"
        value["program"]["alignment"] = 16
        value["voice"] = {"name": "Asha"}

    manifest = read(edited(edit))
    assert manifest.program == sample_manifest().program
    assert manifest.schema_version == f"{major}.99"


def test_wrong_type_is_refused_in_a_newer_minor_version_too():
    def edit(value):
        value["schema_version"] = "1.99"
        value["name"] = 7

    error_of(edited(edit))


def test_newer_major_version_asks_for_an_upgrade():
    error = error_of(edited(lambda value: value.update(schema_version="2.0", anything=1)))
    assert "made by a newer shakti-sdk" in error.message
    assert "pip install --upgrade shakti-sdk" in error.hint


def test_older_major_version_asks_for_another_export():
    error = error_of(edited(lambda value: value.update(schema_version="0.9")))
    assert "made by an older shakti-sdk" in error.message


@pytest.mark.parametrize("version", [1, 1.0, "1", "1.0.0", "one", "", "١.٠", None])
def test_version_that_is_none_is_refused(version):
    error = error_of(edited(lambda value: value.update(schema_version=version)))
    assert "schema_version" in error.message


def test_text_that_is_not_unicode_cannot_be_written():
    with pytest.raises(BundleError, match="cannot hold"):
        encode_manifest(sample_manifest(name="\ud800"))


def test_identity_is_equal_for_equal_inputs_made_elsewhere():
    elsewhere = Provenance(created_at="2030-01-01T00:00:00Z", host="other", duration_s=9.0)
    assert identity(sample_manifest(provenance=elsewhere)) == identity(sample_manifest())
    assert identity(sample_manifest(name="other")) != identity(sample_manifest())
