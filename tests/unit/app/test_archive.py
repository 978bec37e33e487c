"""The archive is a plain zip to others, aligned, and its bytes depend on its entries alone."""

from __future__ import annotations

import zipfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sdk_builder.app.archive import PAGE_BYTES, Entry, write_archive

names = st.text(
    st.characters(codec="utf-8", exclude_characters="\0/\\:", exclude_categories=["Cs"]),
    min_size=1,
    max_size=40,
)
entries = st.lists(
    st.builds(
        Entry,
        name=st.builds(lambda name, end: name + end, names, st.sampled_from(["", ".so", ".arsc"])),
        data=st.binary(max_size=300),
        stored=st.booleans(),
    ),
    max_size=12,
    unique_by=lambda entry: entry.name,
)


def data_start(path, info: zipfile.ZipInfo) -> int:
    """Where an entry's bytes begin, read from its local header."""
    with path.open("rb") as file:
        file.seek(info.header_offset + 26)
        name, extra = (int.from_bytes(file.read(2), "little") for _ in range(2))
    return info.header_offset + 30 + name + extra


@settings(max_examples=150, deadline=None)
@given(entries)
def test_zipfile_reads_back_what_was_written(tmp_path_factory, given_entries):
    path = tmp_path_factory.mktemp("zip") / "it.apk"
    write_archive(path, given_entries)
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == [entry.name for entry in given_entries]
        for entry, info in zip(given_entries, archive.infolist(), strict=True):
            assert archive.read(info) == entry.data
            assert (info.compress_type == zipfile.ZIP_STORED) == entry.stored
            assert info.date_time == (1981, 1, 1, 1, 1, 2)
            if entry.stored:
                page = PAGE_BYTES if entry.name.endswith(".so") else 4
                assert data_start(path, info) % page == 0


@settings(max_examples=30, deadline=None)
@given(entries)
def test_same_entries_give_the_same_bytes(tmp_path_factory, given_entries):
    folder = tmp_path_factory.mktemp("zip")
    write_archive(folder / "a", given_entries)
    write_archive(folder / "b", iter(given_entries))
    assert (folder / "a").read_bytes() == (folder / "b").read_bytes()


def test_name_given_twice_is_refused(tmp_path):
    with pytest.raises(ValueError, match="x is there twice"):
        write_archive(tmp_path / "it", [Entry("x", b"1"), Entry("x", b"2")])


def test_padding_is_in_the_field_that_androids_tools_use(tmp_path):
    write_archive(tmp_path / "it", [Entry("lib/x/a.so", b"elf", stored=True)])
    data = (tmp_path / "it").read_bytes()
    extra = data[30 + len("lib/x/a.so") : PAGE_BYTES]
    assert extra[:2] == (0xD935).to_bytes(2, "little")
    assert int.from_bytes(extra[2:4], "little") == len(extra) - 4
    assert int.from_bytes(extra[4:6], "little") == PAGE_BYTES
    assert not any(extra[6:])
