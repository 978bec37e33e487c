"""What was kept comes back, whatever else is in the file."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sdk_builder.errors import InputError, OutputError
from sdk_builder.evaluation.journal import Journal, digest

values = st.recursive(
    st.booleans() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner),
    max_leaves=4,
)


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.text(), values), max_size=8), st.integers(0, 60)
)
def test_any_prefix_of_a_file_gives_the_whole_lines_of_a_key(written, cut):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "journal.jsonl"
        path.touch()
        for key, name, value in written:
            with Journal(path, key) as journal:
                journal.add(name, value)
        data = path.read_bytes()
        path.write_bytes(data[: max(len(data) - cut, 0)])  # killed while writing
        whole = path.read_bytes().count(b"\n") + (cut == 1)  # a line without its end is whole
        for key in "abc":
            expected = {name: value for one, name, value in written[:whole] if one == key}
            with Journal(path, key) as journal:
                assert {name: journal.get(name) for name in expected} == expected
                journal.add("new", 1)
            with Journal(path, key) as journal:
                assert journal.get("new") == 1


def test_unknown_name_and_other_key_give_nothing(tmp_path: Path):
    path = tmp_path / "journal.jsonl"
    with Journal(path, "a") as journal:
        journal.add("x", [1.5, True])
        assert journal.get("y") is None
    with Journal(path, "b") as journal:
        assert (journal.get("x"), journal.found) == (None, 0)
    with Journal(path, "a") as journal:
        assert (journal.get("x"), journal.found) == ([1.5, True], 1)


@pytest.mark.parametrize("content", ["my notes\n", '{"a": 1}\n', "[]\n\n"])
def test_another_file_is_refused_and_not_changed(content: str, tmp_path: Path):
    path = tmp_path / "notes.txt"
    path.write_text(content)
    with pytest.raises(InputError, match="not a file of results"):
        Journal(path, "a")
    assert path.read_text() == content


def test_place_that_cannot_be_written_is_an_output_error(tmp_path: Path):
    with pytest.raises(OutputError):
        Journal(tmp_path / "no" / "folder", "a")


def test_digest_depends_on_values_and_not_on_the_order_of_keys():
    assert digest({"a": 1, "b": [2]}) == digest({"b": [2], "a": 1})
    assert digest({"a": 1}) != digest({"a": 2})
    assert digest(["1"]) != digest([1])
