"""Files to and from a phone."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sdk_builder.bundle.reader import Bundle
from sdk_builder.device.bundles import push_bundle
from sdk_builder.device.fake import FakePhone, Reply
from sdk_builder.device.files import (
    free_bytes,
    make_folder,
    pull,
    read,
    remove,
    size_of,
)
from sdk_builder.device.push import Pushed, push, push_bytes
from sdk_builder.errors import (
    CommandFailedError,
    DeviceFullError,
    DeviceLostError,
    InputError,
    OutputError,
    TransferError,
    UsageError,
)

TARGET = '/data/local/tmp/shakti/it\'s "a"; rm -rf x $(id) ü.bin'
CONTENT = bytes(range(256)) * 5000  # 1.3 MB: several pieces


@pytest.fixture
def phone() -> FakePhone:
    return FakePhone("PHONE1")


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "model.pte"
    path.write_bytes(CONTENT)
    return path


def writes(phone: FakePhone) -> list[tuple[str, ...]]:
    return [argv for argv in phone.ran if argv[:2] == ("sh", "-c") and argv[2].startswith("cat")]


def test_a_file_arrives_under_any_name_and_opens_its_folder_to_apps(phone, source):
    assert push(phone, source, TARGET) == Pushed(False, 0, len(CONTENT))
    assert phone.files == {TARGET: CONTENT}
    assert ("chmod", "a+rx", "/data/local/tmp/shakti") in phone.ran
    scripts = {argv[2] for argv in phone.ran if argv[:2] == ("sh", "-c")}
    assert not any("it's" in script for script in scripts)


def test_what_is_there_already_is_not_sent_again(phone, source):
    push(phone, source, TARGET)
    phone.ran.clear()
    told = []
    again = push(phone, source, TARGET, progress=lambda *numbers: told.append(numbers))
    assert again == Pushed(True, 0, len(CONTENT))
    assert writes(phone) == []
    assert told == [(len(CONTENT), len(CONTENT))]


def test_another_file_of_the_same_size_is_replaced(phone, source):
    make_folder(phone, "/data/local/tmp/shakti")
    phone.files[TARGET] = CONTENT[:-1] + b"!"
    assert not push(phone, source, TARGET).skipped
    assert phone.files == {TARGET: CONTENT}


def test_progress_goes_up_to_the_whole(phone, source):
    told: list[tuple[int, int]] = []
    push(phone, source, TARGET, progress=lambda *numbers: told.append(numbers))
    assert [done for done, _ in told] == sorted({done for done, _ in told})
    assert told[-1] == (len(CONTENT), len(CONTENT))
    assert len(told) > 2


@pytest.mark.parametrize("cut", [1, 300_000, len(CONTENT) - 1])
def test_a_push_that_was_cut_off_is_continued(phone, source, cut):
    phone.unplug_after(stdin_bytes=cut)
    with pytest.raises(DeviceLostError):
        push(phone, source, TARGET)
    assert TARGET not in phone.files
    phone.plug_in()
    told: list[int] = []
    pushed = push(phone, source, TARGET, progress=lambda done, _: told.append(done))
    assert pushed == Pushed(False, cut, len(CONTENT))
    assert told[0] > cut
    assert phone.files == {TARGET: CONTENT}


def test_a_part_of_another_file_is_thrown_away(phone, source):
    make_folder(phone, "/data/local/tmp/shakti")
    for part in (b"not the beginning", CONTENT + b"and more", b""):
        phone.files.clear()
        phone.files[f"{TARGET}.part"] = part
        assert push(phone, source, TARGET).resumed_at_bytes == 0
        assert phone.files == {TARGET: CONTENT}


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 60), max_size=8), st.binary(max_size=400))
def test_however_often_it_is_cut_off_the_end_is_the_file(cuts, data):
    phone = FakePhone()
    for cut in cuts:
        phone.unplug_after(stdin_bytes=cut)
        try:
            push_bytes(phone, data, TARGET)
        except DeviceLostError:
            assert TARGET not in phone.files
        phone.plug_in()
    push_bytes(phone, data, TARGET)
    assert phone.files == {TARGET: data}


def test_too_little_room_is_said_before_anything_is_sent(phone, source):
    phone.capacity_bytes = 2**20
    with pytest.raises(DeviceFullError, match=r"needs 1\.2 MiB, it has 1\.0 MiB") as caught:
        push(phone, source, TARGET)
    assert (caught.value.serial, writes(phone), phone.files) == ("PHONE1", [], {})


def test_the_room_of_a_useless_part_counts_as_free(phone, source):
    make_folder(phone, "/data/local/tmp/shakti")
    phone.capacity_bytes = 2**21
    phone.files[f"{TARGET}.part"] = b"x" * 1_200_000
    push(phone, source, TARGET)
    assert phone.files == {TARGET: CONTENT}


def test_a_phone_that_fills_up_meanwhile_is_left_without_our_part(phone, source):
    def fill(done: int, _total: int) -> None:
        phone.capacity_bytes = 600_000

    with pytest.raises(DeviceFullError) as caught:
        push(phone, source, TARGET, progress=fill)
    assert phone.files == {}
    assert caught.value.ran is not None
    assert caught.value.ran.returncode == 1


def test_a_phone_that_does_not_tell_its_free_space_is_tried(phone, source):
    phone.commands["df"] = lambda call: Reply("", 1, "df: Permission denied\n")
    assert free_bytes(phone, "/sdcard") is None
    push(phone, source, TARGET)
    assert phone.files == {TARGET: CONTENT}


def test_what_arrives_changed_is_refused_and_removed(phone, source):
    phone.commands["sha256sum"] = lambda call: Reply("f" * 64 + "  -\n")
    with pytest.raises(TransferError, match="another content"):
        push(phone, source, TARGET)
    assert phone.files == {}


def test_a_file_here_that_is_not_what_was_promised_is_damaged(phone, source):
    with pytest.raises(InputError, match="damaged"):
        push(phone, source, TARGET, sha256="0" * 64)
    assert phone.files == {}


def test_other_troubles_have_their_words(phone, source, tmp_path):
    with pytest.raises(InputError, match=r"none\.pte"):
        push(phone, tmp_path / "none.pte", TARGET)
    with pytest.raises(InputError, match="not a file"):
        push(phone, tmp_path, TARGET)
    with pytest.raises(CommandFailedError, match="is not a file"):
        push(phone, source, "/sdcard")
    with pytest.raises(UsageError, match="absolute"):
        push(phone, source, "here/x")
    phone.commands["mv"] = lambda call: Reply("", 1, "mv: bad: Permission denied\n")
    with pytest.raises(CommandFailedError, match="Permission denied"):
        push(phone, source, TARGET)


def test_an_empty_file_is_a_file(phone):
    assert push_bytes(phone, b"", TARGET) == Pushed(False, 0, 0)
    assert phone.files == {TARGET: b""}
    assert read(phone, TARGET) == b""


# --- back -----------------------------------------------------------------------------------


def test_no_file_is_none_and_what_may_not_be_read_is_an_error(phone):
    assert read(phone, "/sdcard/none") is None
    assert size_of(phone, "/sdcard/none") is None
    phone.files["/sdcard/secret"] = b"x"
    phone.commands["cat"] = lambda call: Reply("", 1, "cat: Permission denied\n")
    with pytest.raises(CommandFailedError, match="Permission denied"):
        read(phone, "/sdcard/secret")
    phone.commands["stat"] = lambda call: Reply("", 1, "stat: Permission denied\n")
    with pytest.raises(CommandFailedError, match="Permission denied"):
        read(phone, "/sdcard/secret")


def test_a_pulled_file_is_whole_or_not_there(phone, tmp_path):
    phone.files["/sdcard/a b"] = CONTENT
    target = tmp_path / "out"
    assert pull(phone, "/sdcard/a b", target) == len(CONTENT)
    assert target.read_bytes() == CONTENT
    phone.commands["sha256sum"] = lambda call: Reply("e" * 64)
    with pytest.raises(TransferError, match="written to"):
        pull(phone, "/sdcard/a b", tmp_path / "other")
    with pytest.raises(InputError, match="/sdcard/none"):
        pull(phone, "/sdcard/none", tmp_path / "other")
    del phone.commands["sha256sum"]
    with pytest.raises(OutputError):
        pull(phone, "/sdcard/a b", tmp_path / "no" / "folder")
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_only_folders_of_ours_are_removed_whole(phone):
    push_bytes(phone, b"x", "/data/local/tmp/shakti/a/b")
    remove(phone, "/data/local/tmp/shakti/none")
    for path in ("/sdcard", "/data/local/tmp", "/data/local/tmp/shakti/../..", "/"):
        with pytest.raises(UsageError):
            remove(phone, path, recursive=True)
    remove(phone, "/data/local/tmp/shakti", recursive=True)
    assert phone.files == {}
    assert "/data/local/tmp/shakti/a" not in phone.folders


def test_folders_above_ours_are_not_opened(phone):
    make_folder(phone, "/data/local/tmp/x/y")
    make_folder(phone, "/sdcard/x")
    assert [argv for argv in phone.ran if argv[0] == "chmod"] == [
        ("chmod", "a+rx", "/data/local/tmp/x/y", "/data/local/tmp/x")
    ]


@pytest.mark.parametrize(
    ("answer", "free"),
    [
        (
            "Filesystem 1K-blocks Used Available Use% Mounted on\n/dev/block/dm-41 "
            "111234567 61234567 49868928  56% /data/user/0\n",
            49868928 * 1024,
        ),
        ("Filesystem 1024-blocks Used Available Capacity Mounted\ntmpfs 10 10 0 100% /data\n", 0),
        ("Filesystem Size Used Free Blksize\n/data 12.1G 3.2G 8.9G 4096\n", None),
        ("", None),
    ],
)
def test_free_space_is_read_from_df(phone, answer, free):
    phone.commands["df"] = lambda call: Reply(answer)
    assert free_bytes(phone, "/data") == free


# --- a bundle -------------------------------------------------------------------------------


@pytest.mark.parametrize("zipped", [False, True])
def test_a_bundle_arrives_with_its_manifest_last_and_once(phone, tmp_path, zipped):
    from sdk_builder.bundle.writer import write_zip
    from tests.unit.bundle.samples import write_bundle

    folder = write_bundle(tmp_path / "bundle")
    path = folder
    if zipped:
        path = tmp_path / "bundle.zip"
        write_zip(folder, path)
    there = "/data/local/tmp/shakti/bundles/0123"
    told: list[tuple[int, int]] = []
    with Bundle.open(path) as bundle:
        push_bundle(phone, bundle, there, progress=lambda *n: told.append(n))
        names = bundle.manifest.file_names
        assert phone.files == {f"{there}/{name}": bundle.read_bytes(name) for name in names}
        total = sum(bundle.size(name) for name in names)
        assert told[-1] == (total, total)
        assert [done for done, _ in told] == sorted(done for done, _ in told)
        order = [argv[-1] for argv in phone.ran if argv[-1] in phone.files and argv[0] == "sh"]
        assert order[-1].endswith("/manifest.json")
        phone.ran.clear()
        push_bundle(phone, bundle, there)
    assert writes(phone) == []
    program = hashlib.sha256(phone.files[f"{there}/{bundle.manifest.program.file}"])
    assert program.hexdigest() == bundle.manifest.program.sha256
