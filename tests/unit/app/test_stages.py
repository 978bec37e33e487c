"""What was compiled is used again as long as nothing it was made of changed."""

from __future__ import annotations

import os
import time

import pytest

from sdk_builder.app.stages import Fingerprint, stage


def test_texts_that_only_join_alike_differ():
    assert Fingerprint("ab", "c").name != Fingerprint("a", "bc").name
    assert Fingerprint("a", "b").name == Fingerprint("a").texts("b").name


def test_fingerprint_of_files_is_their_content_and_place_below_the_root(tmp_path):
    for folder in ("one", "two"):
        (tmp_path / folder / "a").mkdir(parents=True)
        (tmp_path / folder / "a" / "x.kt").write_text("same")
    one, two = (tmp_path / folder / "a" / "x.kt" for folder in ("one", "two"))
    first = Fingerprint().files([one], tmp_path / "one").name
    assert first == Fingerprint().files([two], tmp_path / "two").name
    moved = two.rename(tmp_path / "two" / "x.kt")
    assert first != Fingerprint().files([moved], tmp_path / "two").name
    one.write_text("other")
    assert first != Fingerprint().files([one], tmp_path / "one").name


def test_fingerprint_of_a_library_changes_with_its_file(tmp_path):
    library = tmp_path / "it.jar"
    library.write_bytes(b"1")
    first = Fingerprint().libraries([library]).name
    assert first == Fingerprint().libraries([library]).name
    library.write_bytes(b"22")
    assert first != Fingerprint().libraries([library]).name


def make(text: str):
    return lambda target: (target / "it").write_text(text) and None


def test_stage_is_made_once_for_one_fingerprint(tmp_path):
    first = stage(tmp_path, "classes", Fingerprint("a"), make("first"))
    again = stage(tmp_path, "classes", Fingerprint("a"), make("second"))
    other = stage(tmp_path, "classes", Fingerprint("b"), make("other"))
    assert first == again != other
    assert (first / "it").read_text() == "first"


def test_stage_that_nobody_asked_for_in_days_is_removed(tmp_path):
    old = stage(tmp_path, "classes", Fingerprint("old"), make("old"))
    dex = stage(tmp_path, "dex", Fingerprint("old"), make("old"))
    for folder in (old, dex):
        os.utime(folder, (time.time() - 9 * 86400,) * 2)
    recent = stage(tmp_path, "classes", Fingerprint("recent"), make("recent"))
    stage(tmp_path, "classes", Fingerprint("new"), make("new"))
    assert not old.exists()
    assert recent.exists()
    assert dex.exists()  # another kind


def test_stage_whose_making_fails_is_made_anew(tmp_path):
    def fail(target) -> None:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        stage(tmp_path, "classes", Fingerprint("a"), fail)
    assert stage(tmp_path, "classes", Fingerprint("a"), make("it")).is_dir()
