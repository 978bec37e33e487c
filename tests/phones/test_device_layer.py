"""The device layer against real adbds: what the shipped fake can only promise."""

from __future__ import annotations

import hashlib
import os
import random
import threading
import time
from pathlib import Path

import pytest

from sdk_builder.device.adb_server import ServerAdb
from sdk_builder.device.discovery import attached, choose
from sdk_builder.device.files import pull, read
from sdk_builder.device.phone_facts import read_facts
from sdk_builder.device.push import push
from sdk_builder.device.readings import read_conditions
from sdk_builder.errors import (
    DeviceError,
    DeviceFullError,
    DeviceLostError,
    DeviceTimeoutError,
    NoDeviceError,
    OfflineError,
    SeveralDevicesError,
    UnauthorizedError,
)
from tests.phones.lab import CORES_MHZ, MEMORY_KIB, MIB, Lab, Phone, wait_until

PLACE = "/data/local/tmp/shakti"
# What a careless quoting would turn into shell code, other arguments or nothing.
ARGUMENTS = [
    "plain", "two words", "", "it's", 'say "hi"', "$HOME `id` $(id)", "a;b|c&d>e<f", "*?[a]",
    "back\\slash", "tab\tand\nnewline", "~", "-n", "#", "!", "ünïcode 木", "'\"'\"'",
]  # fmt: skip


def sample_file(folder: Path, size: int, name: str = "model.pte") -> Path:
    """A file whose content depends on every byte's place."""
    path = folder / name
    path.write_bytes(random.Random(size).randbytes(size))
    return path


def sent_to(phone: Phone, path: str) -> bytes:
    return phone.path(path).read_bytes()


# --- which phones there are ------------------------------------------------------------------


def test_phones_are_listed_ready_ones_first_with_their_states(lab: Lab):
    unauthorized = lab.start_unaccepting(7201)
    lab.phones[0].kill_adbd()
    offline = lab.phones[0].serial
    wait_until(lambda: lab.states()[offline] == "offline", "the phone is listed as offline")
    rows = [(row.serial, row.state) for row in attached(ServerAdb())]
    assert rows == [
        (lab.phones[1].serial, "device"),
        (lab.phones[2].serial, "device"),
        (offline, "offline"),
        (unauthorized, "unauthorized"),
    ]
    chosen = choose(ServerAdb(), ["all"])
    assert [phone.serial for phone in chosen.phones] == [phone.serial for phone in lab.phones[1:]]
    assert {row.serial for row in chosen.left_out} == {offline, unauthorized}
    with pytest.raises(OfflineError):
        choose(ServerAdb(), [offline])
    with pytest.raises(UnauthorizedError, match="Allow USB debugging"):
        choose(ServerAdb(), [unauthorized])
    with pytest.raises(UnauthorizedError):
        ServerAdb().phone(unauthorized).shell(["echo"], timeout_s=5)
    lab.adb("disconnect", unauthorized)


def test_several_phones_and_no_choice_is_an_error_that_names_them(lab: Lab):
    with pytest.raises(SeveralDevicesError) as caught:
        choose(ServerAdb(), [])
    assert all(phone.serial in str(caught.value) for phone in lab.phones)


def test_a_serial_that_nobody_has_is_an_error(lab: Lab):
    with pytest.raises(NoDeviceError, match="127.0.0.1:7999"):
        choose(ServerAdb(), ["127.0.0.1:7999"])


def test_facts_are_those_of_the_stand_in(lab: Lab, phone: Phone):
    with phone.changed() as state:
        state.page_size_bytes = 16384
        state.properties["ro.product.model"] = "Phone [X]: 5'"
    facts = read_facts(ServerAdb().phone(phone.serial))
    assert (facts.kind, facts.id, facts.model) == ("phone", phone.serial, "Phone [X]: 5'")
    assert (facts.abi, facts.api_level, facts.soc) == ("arm64-v8a", 34, "Tensor G3")
    assert facts.core_max_mhz == CORES_MHZ
    assert facts.memory_bytes == MEMORY_KIB * 1024
    assert facts.page_size_bytes == 16384


def test_conditions_are_those_of_the_stand_in_and_not_of_its_thermal_cache(lab: Lab, phone: Phone):
    with phone.changed() as state:
        state.thermal_status = 2
        state.temperatures_c = {"CPU": 61.5, "skin": 40.25}
        state.battery.percent, state.battery.temperature_c = 55, 36.4
        state.battery.charging = True
    seen = read_conditions(ServerAdb().phone(phone.serial))
    assert (seen.thermal_status, seen.temperatures_c) == (2, {"CPU": 61.5, "skin": 40.25})
    assert (seen.battery_percent, seen.battery_temperature_c) == (55, 36.4)
    assert (seen.charging, seen.battery_voltage_mv) == (True, 4100)
    assert seen.clocks_mhz == tuple(mhz / 2 for mhz in CORES_MHZ)


# --- commands --------------------------------------------------------------------------------


@pytest.mark.parametrize("code", [0, 1, 7, 255])
def test_the_exit_code_and_both_outputs_come_back_apart(lab: Lab, phone: Phone, code):
    script = f"echo out; echo err >&2; exit {code}"
    result = ServerAdb().phone(phone.serial).shell(["sh", "-c", script], timeout_s=10)
    assert (result.returncode, result.stdout, result.stderr) == (code, b"out\n", b"err\n")


def test_every_argument_arrives_as_it_is(lab: Lab, phone: Phone):
    ServerAdb().phone(phone.serial).shell(["settings", "put", *ARGUMENTS], timeout_s=10)
    assert phone.calls("settings") == [["settings", "put", *ARGUMENTS]]


def test_standard_input_of_any_bytes_arrives_and_comes_back(lab: Lab, phone: Phone):
    data = bytes(range(256)) * 4096 * 3
    result = ServerAdb().phone(phone.serial).shell(["cat"], timeout_s=20, stdin=[data, b"", b"x"])
    assert result.stdout == data + b"x"


def test_a_command_that_never_ends_is_given_up_in_time(lab: Lab, phone: Phone):
    began = time.monotonic()
    with pytest.raises(DeviceTimeoutError) as caught:
        ServerAdb().phone(phone.serial).shell(["sh", "-c", "echo on; sleep 60"], timeout_s=2)
    assert time.monotonic() - began < 50  # not the command's own end
    assert caught.value.ran is not None
    assert caught.value.ran.stdout == "on\n"


def test_lines_come_while_the_command_runs(lab: Lab, phone: Phone):
    script = "for i in 1 2 3; do echo $i; sleep 0.2; done"
    came = []
    with ServerAdb().phone(phone.serial).lines(["sh", "-c", script], silence_s=5) as lines:
        for line in lines:
            came.append((line, time.monotonic()))
    assert [line for line, _ in came] == ["1", "2", "3"]
    assert came[2][1] - came[0][1] > 0.3


def test_a_phone_that_goes_away_in_the_middle_of_a_command_is_lost(lab: Lab, phone: Phone):
    timer = threading.Timer(0.3, phone.kill_adbd)
    timer.start()
    with pytest.raises(DeviceLostError) as caught:
        ServerAdb().phone(phone.serial).shell(["sleep", "30"], timeout_s=20)
    timer.join()
    assert caught.value.serial == phone.serial


def test_phones_work_side_by_side(lab: Lab):
    script = f"date +%s.%N; cat {PLACE}; sleep 1; date +%s.%N"
    said: dict[str, list[str]] = {}

    def ask(phone: Phone) -> None:
        result = ServerAdb().phone(phone.serial).shell(["sh", "-c", script], timeout_s=20)
        said[phone.name] = result.text.split()

    for phone in lab.phones:
        phone.path(PLACE).write_text(f"{phone.name}\n")
    threads = [threading.Thread(target=ask, args=(phone,)) for phone in lab.phones]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {name: words[1] for name, words in said.items()} == {name: name for name in said}
    began, ended = ([float(words[i]) for words in said.values()] for i in (0, 2))
    assert len(began) == 3
    assert max(began) < min(ended)


def test_a_serial_with_spaces_quotes_and_semicolons_is_a_serial(lab: Lab, phone: Phone, tmp_path):
    serial = phone.relayed("""odd 'phone"; exit 3; $(id)""")
    lab.connect(serial)
    try:
        found = choose(ServerAdb(), [serial]).phones[0]
        assert found.serial == serial
        file = sample_file(tmp_path, 100_000, "a 'b'; c.bin")
        target = f"""{PLACE}/it's "; rm -rf x/ü $(id).bin"""
        push(found, file, target)
        assert sent_to(phone, target) == file.read_bytes()
        assert found.shell(["sh", "-c", "exit 5"], timeout_s=10).returncode == 5
    finally:
        lab.adb("disconnect", serial)


# --- files -----------------------------------------------------------------------------------


def test_a_file_is_sent_once(lab: Lab, phone: Phone, tmp_path):
    file = sample_file(tmp_path, 3 * MIB + 17)
    there = ServerAdb().phone(phone.serial)
    first = push(there, file, f"{PLACE}/model.pte")
    inode = phone.path(f"{PLACE}/model.pte").stat().st_ino
    second = push(there, file, f"{PLACE}/model.pte")
    assert (first.skipped, second.skipped) == (False, True)
    assert phone.path(f"{PLACE}/model.pte").stat().st_ino == inode
    assert sent_to(phone, f"{PLACE}/model.pte") == file.read_bytes()


def test_a_file_of_the_same_size_with_another_content_is_sent_again(lab, phone, tmp_path):
    file = sample_file(tmp_path, MIB)
    there = ServerAdb().phone(phone.serial)
    push(there, file, f"{PLACE}/model.pte")
    with phone.path(f"{PLACE}/model.pte").open("r+b") as stored:
        stored.seek(MIB // 2)
        stored.write(b"changed")
    assert not push(there, file, f"{PLACE}/model.pte").skipped
    assert sent_to(phone, f"{PLACE}/model.pte") == file.read_bytes()


def test_a_push_that_is_cut_off_goes_on_where_it_was(lab: Lab, phone: Phone, tmp_path):
    file = sample_file(tmp_path, 24 * MIB)
    target = f"{PLACE}/model.pte"

    def unplug(done: int, total: int) -> None:
        # What was sent may still be on its way: the phone must have a good part of it, not all.
        if done > total / 2 and not killed:
            part = phone.path(f"{target}.part")
            wait_until(lambda: part.stat().st_size > total / 3, "a third is there")
            phone.kill_adbd()
            killed.append(True)

    killed: list[bool] = []

    with pytest.raises(DeviceLostError):
        push(ServerAdb().phone(phone.serial), file, target, progress=unplug)
    assert not phone.path(target).exists()
    phone.connect()
    told: list[int] = []
    pushed = push(
        ServerAdb().phone(phone.serial), file, target, progress=lambda done, _: told.append(done)
    )
    assert sent_to(phone, target) == file.read_bytes()
    assert pushed.resumed_at_bytes > 8 * MIB
    assert min(told) > pushed.resumed_at_bytes
    assert [path.name for path in phone.path(PLACE).iterdir()] == ["model.pte"]


def test_what_a_cut_off_push_left_is_not_believed_where_it_is_another_file(lab, phone, tmp_path):
    target = f"{PLACE}/model.pte"
    phone.path(PLACE).mkdir()
    phone.path(f"{target}.part").write_bytes(bytes(MIB))
    file = sample_file(tmp_path, 2 * MIB)
    assert push(ServerAdb().phone(phone.serial), file, target).resumed_at_bytes == 0
    assert sent_to(phone, target) == file.read_bytes()


def test_a_phone_that_is_too_full_is_told_before_anything_is_sent(lab, phone, tmp_path):
    phone.fill("/data", leave_bytes=MIB)
    file = sample_file(tmp_path, 2 * MIB)
    with pytest.raises(DeviceFullError, match=r"2\.0 MiB"):
        push(ServerAdb().phone(phone.serial), file, f"{PLACE}/model.pte")
    assert not phone.path(f"{PLACE}/model.pte").exists()


def test_a_phone_that_fills_up_meanwhile_is_full_and_nothing_half_is_left(lab, phone, tmp_path):
    file = sample_file(tmp_path, 8 * MIB)

    def fill(done: int, total: int) -> None:
        if done == total // 4:
            phone.fill("/data", leave_bytes=MIB)

    there = ServerAdb().phone(phone.serial)
    with pytest.raises(DeviceFullError):
        push(there, file, f"{PLACE}/model.pte", progress=fill)
    assert list(phone.path(PLACE).iterdir()) == []
    phone.path("/data/.filler").unlink()
    push(there, file, f"{PLACE}/model.pte")
    assert sent_to(phone, f"{PLACE}/model.pte") == file.read_bytes()


def test_a_file_is_pulled_whole(lab: Lab, phone: Phone, tmp_path):
    data = sample_file(tmp_path, 5 * MIB + 3).read_bytes()
    phone.path("/sdcard/a b.jsonl").write_bytes(data)
    there = ServerAdb().phone(phone.serial)
    pull(there, "/sdcard/a b.jsonl", tmp_path / "here")
    assert (tmp_path / "here").read_bytes() == data
    assert read(there, "/sdcard/none") is None


def test_a_pull_that_is_cut_off_leaves_nothing(lab: Lab, phone: Phone, tmp_path):
    phone.path("/data/local/tmp/big").write_bytes(os.urandom(40 * MIB))
    timer = threading.Timer(0.15, phone.kill_adbd)
    timer.start()
    with pytest.raises(DeviceError):
        for _ in range(100):
            pull(ServerAdb().phone(phone.serial), "/data/local/tmp/big", tmp_path / "here")
            (tmp_path / "here").unlink()
    timer.join()
    assert list(tmp_path.iterdir()) == []


def test_a_pulled_file_is_the_one_that_the_phone_hashes(lab: Lab, phone: Phone, tmp_path):
    phone.path("/data/local/tmp/x").write_bytes(b"abc")
    there = ServerAdb().phone(phone.serial)
    assert pull(there, "/data/local/tmp/x", tmp_path / "x") == 3
    on_phone = there.shell(["sha256sum", "/data/local/tmp/x"], timeout_s=10).text.split()[0]
    assert hashlib.sha256((tmp_path / "x").read_bytes()).hexdigest() == on_phone
