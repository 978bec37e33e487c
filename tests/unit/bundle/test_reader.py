"""Opening bundles: folders, zips, and what is neither."""

from __future__ import annotations

import os
import shutil
import stat
import zipfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sdk_builder.bundle import Bundle, check_files, write_zip
from sdk_builder.bundle.manifest_file import MAX_MANIFEST_BYTES
from sdk_builder.errors import BundleError
from tests.unit.bundle.samples import PROGRAM, TOKENIZER, sample_manifest, write_bundle


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return write_bundle(tmp_path_factory.mktemp("bundles") / "tiny")


@pytest.fixture(scope="module")
def zipped(folder) -> Path:
    return write_zip(folder, folder.parent / "tiny.zip")


@pytest.fixture
def own_folder(folder, tmp_path) -> Path:
    """A copy that a test may damage."""
    return Path(shutil.copytree(folder, tmp_path / "own"))


def refused(path: Path) -> BundleError:
    with pytest.raises(BundleError) as caught:
        Bundle.open(path)
    assert "\n" not in caught.value.message
    assert str(path) in caught.value.message
    return caught.value


def test_folder_is_read_in_place(folder):
    bundle = Bundle.open(folder)
    assert bundle.path == folder
    assert bundle.manifest == sample_manifest()
    assert bundle.program_path == folder / "model.pte"
    assert bundle.tokenizer_path == folder / "tokenizer.json"


def test_path_may_be_text(folder):
    assert Bundle.open(str(folder)).manifest == sample_manifest()


def test_zip_holds_the_same_bundle(zipped):
    with Bundle.open(zipped) as bundle:
        assert bundle.manifest == sample_manifest()
        assert bundle.read_bytes("model.pte") == PROGRAM
        assert bundle.size("tokenizer.json") == len(TOKENIZER)


def test_files_of_a_zip_are_extracted_once_and_removed_on_close(zipped):
    bundle = Bundle.open(zipped)
    program = bundle.program_path
    assert program.read_bytes() == PROGRAM
    assert bundle.tokenizer_path.read_text() == TOKENIZER
    assert bundle.tokenizer_path.parent == program.parent
    made = program.stat().st_mtime_ns
    assert bundle.program_path.stat().st_mtime_ns == made
    assert stat.S_IMODE(program.parent.stat().st_mode) == 0o700
    bundle.close()
    assert not program.parent.exists()
    assert bundle.program_path.read_bytes() == PROGRAM  # a closed bundle can be used again
    bundle.close()


def test_forgotten_zip_bundle_leaves_nothing(zipped):
    bundle = Bundle.open(zipped)
    extracted = bundle.program_path.parent
    del bundle
    assert not extracted.exists()


def test_missing_path_says_how_to_make_a_bundle(tmp_path):
    error = refused(tmp_path / "nothing")
    assert error.message.startswith("There is no bundle at")
    assert "shakti-sdk export" in error.hint


def test_folder_without_manifest_is_not_a_bundle(tmp_path):
    assert "has no manifest.json" in refused(tmp_path).message


def test_program_alone_is_not_a_bundle(folder):
    assert refused(folder / "model.pte").hint == "Give the folder that an export wrote."


@pytest.mark.parametrize("data", [b"", b"PK", b"text", b"PK\x05\x06" + b"\0" * 18])
def test_file_that_is_no_zip_is_refused(tmp_path, data):
    path = tmp_path / "file.zip"
    path.write_bytes(data)
    refused(path)


def test_manifest_that_is_huge_is_not_read(own_folder):
    with (own_folder / "manifest.json").open("r+b") as file:
        file.truncate(MAX_MANIFEST_BYTES + 1)
    assert "too large" in refused(own_folder).message


def test_manifest_that_is_a_pipe_is_not_waited_for(own_folder):
    (own_folder / "manifest.json").unlink()
    os.mkfifo(own_folder / "manifest.json")
    assert "is not a file" in refused(own_folder).message


def test_manifest_that_is_a_folder_is_refused(own_folder):
    (own_folder / "manifest.json").unlink()
    (own_folder / "manifest.json").mkdir()
    refused(own_folder)


def test_program_cut_off_in_copying_is_told_before_it_is_loaded(own_folder):
    (own_folder / "model.pte").write_bytes(PROGRAM[:-1])
    bundle = Bundle.open(own_folder)
    with pytest.raises(BundleError, match="has 767 bytes instead of 768") as caught:
        _ = bundle.program_path
    assert "copy the bundle again" in caught.value.hint


def test_missing_tokenizer_is_told(own_folder):
    (own_folder / "tokenizer.json").unlink()
    bundle = Bundle.open(own_folder)
    with pytest.raises(BundleError, match=r"tokenizer\.json is missing from"):
        _ = bundle.tokenizer_path


# --- zips that write_zip would not make ---------------------------------------------------


def make_zip(path: Path, entries: list[tuple[str, bytes]], compression=zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, data in entries:
            archive.writestr(name, data)
    return path


@pytest.fixture
def entries(folder) -> list[tuple[str, bytes]]:
    return [(path.name, path.read_bytes()) for path in sorted(folder.iterdir())]


@pytest.mark.parametrize(
    "name",
    ["../evil", "/etc/evil", "a/../../evil", "..\\evil", "C:\\evil", "sub/", ".evil", "é", "a\0b"],
)
def test_zip_with_a_name_that_leads_elsewhere_is_refused(tmp_path, entries, name):
    path = make_zip(tmp_path / "evil.zip", entries)
    with zipfile.ZipFile(path, "a") as archive:
        info = zipfile.ZipInfo("placeholder")
        info.filename = info.orig_filename = name  # past the constructor, which would mend it
        archive.writestr(info, b"evil")
    assert "has a name that a bundle's file cannot have" in refused(path).message


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_zip_with_a_file_twice_is_refused(tmp_path, entries):
    path = make_zip(tmp_path / "twice.zip", [*entries, ("manifest.json", b"{}\n")])
    assert "'manifest.json' is there twice" in refused(path).message


@pytest.mark.parametrize("compression", [zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA])
def test_compressed_zip_is_refused_with_the_way_out(tmp_path, entries, compression):
    error = refused(make_zip(tmp_path / "small.zip", entries, compression))
    assert "is compressed" in error.message
    assert "unpack it and give the folder" in error.hint


def test_encrypted_zip_is_refused(tmp_path, entries):
    path = make_zip(tmp_path / "secret.zip", entries)
    data = bytearray(path.read_bytes())
    central = data.find(b"PK\x01\x02")
    data[central + 8] |= 1  # the flag "encrypted" of the first entry
    path.write_bytes(data)
    assert "is encrypted" in refused(path).message


def test_zip_whose_files_overlap_is_refused(tmp_path, entries):
    path = make_zip(tmp_path / "bomb.zip", [("a", b"x" * 100_000), ("b", b"")])
    data = bytearray(path.read_bytes())
    first = data.find(b"PK\x01\x02")
    second = data.find(b"PK\x01\x02", first + 1)
    data[second + 16 : second + 28] = data[first + 16 : first + 28]  # CRC and both sizes
    path.write_bytes(data)
    assert "its files overlap" in refused(path).message


def test_zip_cut_off_anywhere_is_refused(tmp_path, zipped):
    data = zipped.read_bytes()
    path = tmp_path / "short.zip"
    for length in range(0, len(data), 7):
        path.write_bytes(data[:length])
        refused(path)


@settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data(), change=st.integers(1, 255))
def test_changed_byte_of_a_zip_never_changes_what_is_read_unnoticed(zipped, tmp_path, data, change):
    damaged = bytearray(zipped.read_bytes())
    damaged[data.draw(st.integers(0, len(damaged) - 1), label="position")] ^= change
    path = tmp_path / "damaged.zip"
    path.write_bytes(damaged)
    try:
        with Bundle.open(path) as bundle:
            results = check_files(bundle)
            contents = (bundle.program_path.read_bytes(), bundle.tokenizer_path.read_text())
    except BundleError:
        return
    same = (bundle.manifest, *contents) == (sample_manifest(), PROGRAM, TOKENIZER)
    assert same or any(result.status == "fail" for result in results)
