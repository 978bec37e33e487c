"""What is said of an APK, and of what is none."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sdk_builder.app.archive import Entry, write_archive
from sdk_builder.app.inspection import BUILD_RECORD, RuntimeRecord, build_record, inspect_apk
from sdk_builder.errors import ApkError
from tests.unit.app.makers import Tag, binary_xml, dex, elf, signing_block, with_signing_block

MANIFEST = binary_xml(
    Tag(
        "manifest",
        {"package": "io.example", "versionCode": 10203, "versionName": "1.2.3"},
        [
            Tag("uses-sdk", {"minSdkVersion": 28, "targetSdkVersion": 35}),
            Tag("uses-permission", {"name": "z.LAST"}),
            Tag("uses-permission", {"name": "a.FIRST"}),
            Tag("application", {"debuggable": False}),
        ],
    )
)
DEX = dex({"La/Main;": [("main", "V")]})
RUNTIME = RuntimeRecord("community", "An ExecuTorch", "0.5.15", ("old", "4 KiB pages"))
ENTRIES = (
    Entry("AndroidManifest.xml", MANIFEST),
    Entry("classes.dex", DEX),
    Entry("resources.arsc", b"table" * 9, stored=True),
    Entry(BUILD_RECORD, build_record(RUNTIME)),
    Entry("lib/arm64-v8a/libone.so", elf(alignments=(16384,)), stored=True),
)


def apk(tmp_path, *entries: Entry, signed: bool = True):
    path = tmp_path / "it.apk"
    write_archive(path, entries)
    if signed:
        block = signing_block({0x7109871A: b"certificate", 0xF05368C0: b"certificate"})
        path.write_bytes(with_signing_block(path.read_bytes(), block))
    return path


def replaced(name: str, entry: Entry | None) -> list[Entry]:
    return [new for one in ENTRIES if (new := entry if one.name == name else one)]


def test_whole_apk_is_described(tmp_path):
    path = apk(tmp_path, *ENTRIES)
    report = inspect_apk(path)
    assert (report.package, report.version_name, report.version_code) == (
        "io.example",
        "1.2.3",
        10203,
    )
    assert (report.min_sdk, report.target_sdk, report.debuggable) == (28, 35, False)
    assert report.permissions == ("a.FIRST", "z.LAST")
    assert report.abis == ("arm64-v8a",)
    assert report.signature_schemes == ("v2", "v3")
    assert len(report.signers) == 1
    assert report.runtime == RUNTIME
    assert report.problems == ()
    (library,) = report.libraries
    assert (library.name, library.load_alignment) == ("libone.so", 16384)
    assert library.zip_alignment is not None
    assert library.zip_alignment >= 16384


def test_sizes_of_the_parts_are_the_size_of_the_file(tmp_path):
    report = inspect_apk(apk(tmp_path, *ENTRIES))
    assert sum(report.size_by_part.values()) == report.size_bytes == report.path.stat().st_size
    assert report.size_by_part["native libraries"] == len(elf(alignments=(16384,)))


def test_library_with_small_pages_is_a_problem(tmp_path):
    name = "lib/arm64-v8a/libone.so"
    entries = replaced(name, Entry(name, elf(alignments=(16384, 4096)), stored=True))
    report = inspect_apk(apk(tmp_path, *entries))
    assert report.problems == ("not for phones with 16 KiB pages: libone.so",)


def test_library_that_is_deflated_has_no_place_to_align(tmp_path):
    name = "lib/arm64-v8a/libone.so"
    entries = replaced(name, Entry(name, elf(alignments=(16384,))))
    report = inspect_apk(apk(tmp_path, *entries))
    assert report.libraries[0].zip_alignment is None
    assert report.problems == ()


def test_altered_dex_is_a_problem(tmp_path):
    entries = replaced("classes.dex", Entry("classes.dex", DEX[:-1] + b"\1"))
    report = inspect_apk(apk(tmp_path, *entries))
    assert report.problems == ("classes.dex is not the file that its header describes",)


def test_unsigned_apk_is_a_problem(tmp_path):
    assert inspect_apk(apk(tmp_path, *ENTRIES, signed=False)).problems == ("it is not signed",)


def test_apk_of_others_has_no_runtime_and_is_described_all_the_same(tmp_path):
    assert inspect_apk(apk(tmp_path, *replaced(BUILD_RECORD, None))).runtime is None


@pytest.mark.parametrize("text", [b"", b"{}", b"[]", b'{"format": 1, "runtime": 3}'])
def test_damaged_build_record_is_told(tmp_path, text):
    path = apk(tmp_path, *replaced(BUILD_RECORD, Entry(BUILD_RECORD, text)))
    with pytest.raises(ApkError, match="damaged"):
        inspect_apk(path)


def test_build_record_of_the_future_is_told(tmp_path):
    path = apk(tmp_path, *replaced(BUILD_RECORD, Entry(BUILD_RECORD, b'{"format": 2}')))
    with pytest.raises(ApkError, match="newer"):
        inspect_apk(path)


def test_missing_file_is_told(tmp_path):
    with pytest.raises(ApkError, match="No such file"):
        inspect_apk(tmp_path / "it.apk")


@pytest.mark.parametrize("data", [b"", b"PK", b"no zip at all" * 99])
def test_file_that_is_no_zip_is_told(tmp_path, data):
    (tmp_path / "it.apk").write_bytes(data)
    with pytest.raises(ApkError, match="no APK"):
        inspect_apk(tmp_path / "it.apk")


def test_zip_without_a_manifest_is_no_apk(tmp_path):
    path = apk(tmp_path, Entry("classes.dex", DEX), signed=False)
    with pytest.raises(ApkError, match=r"no AndroidManifest\.xml"):
        inspect_apk(path)


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_damaged_apk_is_described_or_told_and_nothing_else(tmp_path_factory, data):
    path = apk(tmp_path_factory.mktemp("apk"), *ENTRIES)
    spoilt = bytearray(path.read_bytes())
    if data.draw(st.booleans()):
        del spoilt[data.draw(st.integers(0, len(spoilt))) :]
    # Most of the file is padding: aim at what is not.
    places = [place for place, byte in enumerate(spoilt) if byte]
    for _ in range(data.draw(st.integers(1, 4)) if places else 0):
        spoilt[data.draw(st.sampled_from(places))] = data.draw(st.integers(0, 255))
    path.write_bytes(spoilt)
    try:
        inspect_apk(path)
    except ApkError as error:
        assert "\n" not in error.message
