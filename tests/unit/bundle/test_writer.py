"""A bundle is whole or not there, whatever happens to its writer."""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import subprocess
import time
import zipfile
from pathlib import Path

import pytest

from sdk_builder.bundle import Bundle, BundleWriter, check_files, write_zip
from sdk_builder.errors import (
    BundleError,
    DiskFullError,
    OutputError,
    PermissionDeniedError,
    TargetExistsError,
    VerificationError,
)
from tests.unit.bundle.samples import PROGRAM, TOKENIZER, sample_manifest, write_bundle


@pytest.fixture
def target(tmp_path) -> Path:
    return tmp_path / "out" / "tiny"


def contents(folder: Path) -> set[str]:
    """Everything below a folder, hidden names too."""
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


def test_commit_puts_a_complete_bundle_at_the_target(target):
    write_bundle(target)
    assert contents(target) == {"manifest.json", "model.pte", "tokenizer.json"}
    assert contents(target.parent) == {"tiny", *(f"tiny/{name}" for name in contents(target))}
    assert all(result.status == "pass" for result in check_files(Bundle.open(target)))


def test_target_is_not_there_before_commit(target):
    with BundleWriter(target) as writer:
        writer.write_text("tokenizer.json", TOKENIZER)
        assert not target.exists()


def test_mode_of_the_folder_follows_the_umask(target):
    write_bundle(target)
    umask = os.umask(0)
    os.umask(umask)
    assert stat.S_IMODE(target.stat().st_mode) == 0o777 & ~umask


def test_digest_gives_what_the_manifest_needs(target):
    with BundleWriter(target) as writer:
        writer.write_bytes("model.pte", PROGRAM)
        assert writer.digest("model.pte") == (768, hashlib.sha256(PROGRAM).hexdigest())


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_exception_leaves_nothing_not_even_made_parents(tmp_path, target, error):
    with pytest.raises(error), BundleWriter(target) as writer:
        writer.write_bytes("model.pte", PROGRAM)
        raise error
    assert contents(tmp_path) == set()


def test_leaving_without_commit_leaves_nothing(tmp_path, target):
    with BundleWriter(target) as writer:
        writer.write_bytes("model.pte", PROGRAM)
    assert contents(tmp_path) == set()


def test_parents_that_others_use_stay(tmp_path, target):
    with pytest.raises(ValueError, match="stop"), BundleWriter(target):
        (target.parent / "of-somebody-else").touch()
        raise ValueError("stop")
    assert contents(tmp_path) == {"out", "out/of-somebody-else"}


@pytest.mark.parametrize("name", ["../model.pte", "a/b", "", ".x"])
def test_name_outside_the_bundle_is_a_mistake_of_the_caller(target, name):
    with BundleWriter(target) as writer, pytest.raises(ValueError, match="cannot be a file"):
        writer.path(name)


def test_writer_outside_its_block_is_a_mistake_of_the_caller(target):
    with pytest.raises(RuntimeError):
        BundleWriter(target).path("model.pte")


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ({"model.pte": PROGRAM}, "would hold manifest.json, model.pte but its manifest names"),
        ({"model.pte": PROGRAM, "tokenizer.json": b"", "notes": b""}, "would hold .*notes"),
        ({"model.pte": PROGRAM[1:], "tokenizer.json": b""}, "has 767 bytes but .* says 768"),
    ],
)
def test_files_that_are_not_those_of_the_manifest_cannot_be_committed(target, files, reason):
    with pytest.raises(VerificationError, match=reason), BundleWriter(target) as writer:
        for name, data in files.items():
            writer.write_bytes(name, data)
        writer.commit(sample_manifest())
    assert not target.parent.exists()


# --- targets that are there already -----------------------------------------------------


def test_existing_bundle_is_refused_before_any_work(target):
    write_bundle(target)
    with pytest.raises(TargetExistsError, match="already exists") as caught:
        BundleWriter(target).__enter__()
    assert "--force" in caught.value.hint
    assert contents(target.parent) == {"tiny", *(f"tiny/{name}" for name in contents(target))}


def test_force_replaces_a_bundle(target):
    write_bundle(target)
    write_bundle(target, program=b"newer", force=True)
    assert Bundle.open(target).read_bytes("model.pte") == b"newer"
    assert len(os.listdir(target.parent)) == 1


def test_force_replaces_a_damaged_bundle(target):
    write_bundle(target)
    (target / "manifest.json").write_text("{")
    (target / ".DS_Store").touch()
    write_bundle(target, force=True)
    assert all(result.status == "pass" for result in check_files(Bundle.open(target)))


def test_old_bundle_stays_when_its_replacement_fails(target):
    write_bundle(target)
    with pytest.raises(ValueError, match="stop"), BundleWriter(target, force=True) as writer:
        writer.write_bytes("model.pte", b"newer")
        raise ValueError("stop")
    assert Bundle.open(target).read_bytes("model.pte") == PROGRAM
    assert len(os.listdir(target.parent)) == 1


def test_empty_folder_is_taken(target):
    target.mkdir(parents=True)
    write_bundle(target)
    Bundle.open(target)


def test_link_to_a_folder_is_followed(tmp_path):
    (tmp_path / "disk").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "disk" / "tiny")
    write_bundle(tmp_path / "link")
    assert (tmp_path / "link").is_symlink()
    Bundle.open(tmp_path / "disk" / "tiny")


@pytest.mark.parametrize("force", [False, True])
@pytest.mark.parametrize("name", ["thesis.txt", "manifest.json/thesis.txt"])
def test_folder_that_is_no_bundle_is_never_replaced(target, name, force):
    (target / name).parent.mkdir(parents=True)
    (target / name).touch()
    with pytest.raises(TargetExistsError):
        BundleWriter(target, force).__enter__()
    assert (target / name).exists()


def test_bundle_with_files_of_the_user_is_never_replaced(target):
    write_bundle(target)
    (target / "results.jsonl").touch()
    with pytest.raises(TargetExistsError, match=r"more than a bundle \(results\.jsonl\)"):
        BundleWriter(target, force=True).__enter__()
    assert (target / "results.jsonl").exists()


@pytest.mark.parametrize("force", [False, True])
def test_file_is_never_replaced(target, force):
    target.parent.mkdir()
    target.touch()
    with pytest.raises(TargetExistsError, match="is a file"):
        BundleWriter(target, force).__enter__()


def test_current_folder_and_mount_points_are_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for place in (".", "/"):
        with pytest.raises(OutputError, match="cannot become a bundle"):
            BundleWriter(place).__enter__()


def test_second_of_two_writers_is_told_and_the_first_one_stays(target):
    with BundleWriter(target) as slow:
        slow.write_bytes("model.pte", b"slow")
        slow.write_text("tokenizer.json", TOKENIZER)
        write_bundle(target)  # neither takes the other's folder for a killed writer's
        with pytest.raises(TargetExistsError):
            slow.commit(sample_manifest(b"slow"))
    assert Bundle.open(target).read_bytes("model.pte") == PROGRAM
    assert len(os.listdir(target.parent)) == 1


# --- the system says no -----------------------------------------------------------------


@pytest.fixture
def tiny_disk(tmp_path):
    """A folder on a file system of 64 KiB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(disk)]
    if not shutil.which("mount") or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("needs the right to mount a small file system")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def test_full_disk_in_our_own_write_leaves_nothing(tiny_disk):
    with pytest.raises(DiskFullError) as caught:
        write_bundle(tiny_disk / "out" / "tiny", program=b"x" * 200_000)
    assert str(tiny_disk / "out" / "tiny") in caught.value.message
    assert contents(tiny_disk) == set()


def test_full_disk_in_the_callers_write_leaves_nothing(tiny_disk):
    with pytest.raises(DiskFullError), BundleWriter(tiny_disk / "tiny") as writer:
        writer.path("model.pte").write_bytes(b"x" * 200_000)
    assert contents(tiny_disk) == set()


def test_full_disk_leaves_the_bundle_that_was_to_be_replaced(tiny_disk):
    write_bundle(tiny_disk / "tiny")
    with pytest.raises(DiskFullError):
        write_bundle(tiny_disk / "tiny", program=b"x" * 200_000, force=True)
    assert Bundle.open(tiny_disk / "tiny").read_bytes("model.pte") == PROGRAM
    assert len(os.listdir(tiny_disk)) == 1


def test_full_disk_in_writing_a_zip_leaves_nothing(tiny_disk, tmp_path):
    folder = write_bundle(tmp_path / "tiny", program=b"x" * 200_000)
    with pytest.raises(DiskFullError):
        write_zip(folder, tiny_disk / "tiny.zip")
    assert contents(tiny_disk) == set()


def test_folder_that_may_not_be_written_is_permission_denied(tmp_path):
    folder = tmp_path / "locked"
    folder.mkdir()
    if os.geteuid() == 0:  # modes do not stop root; an immutable folder does
        if not shutil.which("chattr") or subprocess.run(["chattr", "+i", folder]).returncode:
            pytest.skip("root may write anywhere on this file system")
    else:
        folder.chmod(0o555)
    try:
        with pytest.raises(PermissionDeniedError):
            BundleWriter(folder / "tiny").__enter__()
        with pytest.raises(PermissionDeniedError):
            BundleWriter(folder / "new" / "tiny").__enter__()
    finally:
        if os.geteuid() == 0:
            subprocess.run(["chattr", "-i", folder], check=True)
        folder.chmod(0o755)
    assert contents(folder) == set()


def test_parent_that_is_a_file_is_an_output_error(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OutputError):
        BundleWriter(tmp_path / "file" / "tiny").__enter__()
    assert contents(tmp_path) == {"file"}


def test_error_of_reading_something_else_keeps_its_kind(target, tmp_path):
    with pytest.raises(FileNotFoundError), BundleWriter(target):
        (tmp_path / "weights.gguf").read_bytes()
    assert not target.parent.exists()


def test_error_of_the_callers_write_is_an_output_error(target):
    with pytest.raises(OutputError), BundleWriter(target) as writer:
        writer.path("model.pte").mkdir()
        writer.path("model.pte").write_bytes(b"")


# --- zips -------------------------------------------------------------------------------


def test_zip_is_the_same_bytes_every_time(tmp_path):
    one = write_zip(write_bundle(tmp_path / "one"), tmp_path / "one.zip")
    time.sleep(0.01)
    two = write_zip(write_bundle(tmp_path / "two"), tmp_path / "two.zip")
    assert one.read_bytes() == two.read_bytes()


def test_zip_is_stored_and_holds_the_bundle_only(tmp_path):
    folder = write_bundle(tmp_path / "tiny")
    (folder / "notes.txt").touch()
    with zipfile.ZipFile(write_zip(folder, tmp_path / "tiny.zip")) as archive:
        infos = archive.infolist()
        assert [info.filename for info in infos] == ["manifest.json", "model.pte", "tokenizer.json"]
        assert {info.compress_type for info in infos} == {zipfile.ZIP_STORED}
        assert archive.read("model.pte") == PROGRAM


def test_zip_of_a_zip_is_the_same_zip(tmp_path):
    first = write_zip(write_bundle(tmp_path / "tiny"), tmp_path / "tiny.zip")
    second = write_zip(first, tmp_path / "copy.zip")
    assert second.read_bytes() == first.read_bytes()


def test_existing_zip_needs_force(tmp_path):
    folder = write_bundle(tmp_path / "tiny")
    path = tmp_path / "tiny.zip"
    path.write_text("something")
    with pytest.raises(TargetExistsError):
        write_zip(folder, path)
    assert path.read_text() == "something"
    write_zip(folder, path, force=True)
    assert sorted(os.listdir(tmp_path)) == ["tiny", "tiny.zip"]
    Bundle.open(path)


def test_zip_cannot_take_the_place_of_a_folder(tmp_path):
    folder = write_bundle(tmp_path / "tiny")
    with pytest.raises(TargetExistsError):
        write_zip(folder, folder, force=True)
    Bundle.open(folder)


def test_zip_of_what_is_no_bundle_is_a_bundle_error(tmp_path):
    with pytest.raises(BundleError):
        write_zip(tmp_path, tmp_path / "tiny.zip")
    assert contents(tmp_path) == set()


def test_zip_of_an_incomplete_bundle_leaves_nothing(tmp_path):
    folder = write_bundle(tmp_path / "tiny")
    (folder / "model.pte").unlink()
    with pytest.raises(BundleError):
        write_zip(folder, tmp_path / "tiny.zip")
    assert os.listdir(tmp_path) == ["tiny"]
