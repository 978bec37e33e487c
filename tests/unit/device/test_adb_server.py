"""The client of the adb server, against a small server that speaks adb's protocol."""

from __future__ import annotations

import os
import socket
import time
from pathlib import Path

import pytest

from sdk_builder.device.adb import Listed
from sdk_builder.device.adb_server import ServerAdb
from sdk_builder.errors import (
    DeviceError,
    DeviceLostError,
    DeviceTimeoutError,
    NoDeviceError,
    OfflineError,
    RemoteCommand,
    UnauthorizedError,
    UsageError,
)
from tests.unit.device.adb_wire import packet, wire_server

UDEV = "no permissions (missing udev rules?); see [http://developer.android.com/tools/device.html]"


@pytest.fixture
def wire():
    with wire_server() as (server, adb):
        yield server, adb


@pytest.fixture
def phone(wire):
    return wire[1].phone("PHONE1")


# --- the list -------------------------------------------------------------------------------


def test_phones_are_listed_ready_or_not(wire):
    server, adb = wire
    server.devices = f"A\tdevice\n127.0.0.1:5601\toffline\nodd 'serial;\tunauthorized\nB\t{UDEV}\n"
    assert adb.listed() == [
        Listed("A", "device"),
        Listed("127.0.0.1:5601", "offline"),
        Listed("odd 'serial;", "unauthorized"),
        Listed("B", UDEV),
    ]


def test_no_phone_is_an_empty_list_and_odd_lines_are_passed_over(wire):
    server, adb = wire
    server.devices = ""
    assert adb.listed() == []
    server.devices = "* daemon started *\n\n\tdevice\nA\tdevice\n"
    assert adb.listed() == [Listed("A", "device")]


def unused_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def client_of(host: str, port: int) -> ServerAdb:
    from adbutils import AdbClient

    return ServerAdb(AdbClient(host, port))


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("#!/bin/sh\n[ $1 = version ] && exit 0\necho cannot bind >&2; exit 1\n", "cannot bind"),
        (None, "platform-tools"),
    ],
)
def test_an_adb_server_that_cannot_be_started_is_no_device_with_a_fix(
    monkeypatch, tmp_path, script, words
):
    adb = tmp_path / "adb"
    if script:
        adb.write_text(script)
        adb.chmod(0o755)
    monkeypatch.setenv("ADBUTILS_ADB_PATH", str(adb))
    with pytest.raises(NoDeviceError) as caught:
        client_of("127.0.0.1", unused_port()).listed()
    assert words in caught.value.hint


def test_a_server_on_another_machine_is_not_started_but_named(monkeypatch, tmp_path):
    monkeypatch.setenv("ADBUTILS_ADB_PATH", str(tmp_path / "never-run"))
    port = unused_port()
    with pytest.raises(NoDeviceError, match=f"127.0.0.2:{port}") as caught:
        client_of("127.0.0.2", port).listed()
    assert "ANDROID_ADB_SERVER_HOST" in caught.value.hint


def test_host_and_port_come_from_the_environment(wire, monkeypatch):
    monkeypatch.setenv("ANDROID_ADB_SERVER_HOST", "127.0.0.1")
    monkeypatch.setenv("ANDROID_ADB_SERVER_PORT", str(wire[0].port))
    assert ServerAdb().listed() == [Listed("PHONE1", "device")]
    monkeypatch.setenv("ANDROID_ADB_SERVER_PORT", "usb")
    with pytest.raises(UsageError, match="ANDROID_ADB_SERVER_PORT"):
        ServerAdb()


# --- what adb refuses -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "error"),
    [
        ("device unauthorized.\nThis adb server's $ADB_VENDOR_KEYS is not set", UnauthorizedError),
        ("device still authorizing", UnauthorizedError),
        ("device offline", OfflineError),
        ("device still connecting", OfflineError),
        (f"insufficient permissions for device: {UDEV}", OfflineError),
        ("device 'PHONE1' not found", DeviceLostError),
        ("closed", DeviceLostError),
        ("no devices/emulators found", NoDeviceError),
        ("something new", DeviceError),
    ],
)
def test_what_adb_refuses_is_an_error_of_its_own(wire, phone, said, error):
    wire[0].refuses["PHONE1"] = said
    with pytest.raises(error) as caught:
        phone.shell(["id"], timeout_s=5)
    assert type(caught.value) is error
    assert caught.value.serial == "PHONE1"
    assert caught.value.ran == RemoteCommand(("id",), None, "", "")
    assert caught.value.hint


def test_a_phone_that_hangs_up_on_the_service_is_lost(wire, phone):
    wire[0].shell_refusal = "closed"
    with pytest.raises(DeviceLostError), phone.lines(["id"], silence_s=5):
        pytest.fail("it never opened")


def test_a_serial_is_one_name_whatever_is_in_it(wire):
    serial = "a b;'\"$(id):5555"
    assert wire[1].phone(serial).shell(["echo", "on"], timeout_s=5).stdout == b"on\n"
    assert wire[0].asked[0] == f"host:transport:{serial}"


# --- commands -------------------------------------------------------------------------------


def test_code_and_outputs_come_back_apart(phone):
    argv = ("sh", "-c", 'echo "$1"; echo no >&2; exit 7', "sh", "a;  b'\"")
    result = phone.shell(argv, timeout_s=10)
    assert (result.argv, result.returncode) == (argv, 7)
    assert (result.stdout, result.stderr) == (b"a;  b'\"\n", b"no\n")


def test_bytes_of_any_size_go_in_and_come_back_at_the_same_time(phone):
    data = os.urandom(9_000_000)
    result = phone.shell(["cat"], timeout_s=60, stdin=(data[i::3] for i in range(3)))
    assert result.stdout == b"".join(data[i::3] for i in range(3))


def test_a_command_that_does_not_read_its_input_ends_anyway(phone):
    result = phone.shell(["head", "-c", "3"], timeout_s=30, stdin=(b"x" * 2**20 for _ in range(30)))
    assert (result.returncode, result.stdout) == (0, b"xxx")


def test_the_time_limit_is_for_the_whole_command_not_for_each_word(phone):
    chatter = "while :; do echo on; sleep 0.05; done"
    began = time.monotonic()
    with pytest.raises(DeviceTimeoutError) as caught:  # else it would never end
        phone.shell(["sh", "-c", chatter], timeout_s=1.5)
    assert time.monotonic() - began > 1.4
    assert caught.value.ran is not None
    assert caught.value.ran.stdout.startswith("on\n")
    assert caught.value.ran.returncode is None


def test_a_connection_that_ends_before_the_exit_code_means_a_lost_phone(wire, phone):
    wire[0].hangs_up["PHONE1"] = packet(1, b"half ") + packet(2, b"oh\n") + b"\x01\x09\x00"
    with pytest.raises(DeviceLostError) as caught:
        phone.shell(["cat", "x"], timeout_s=5)
    assert caught.value.ran == RemoteCommand(("cat", "x"), None, "half ", "oh\n")


def test_a_phone_without_the_protocol_is_said_to_be_so(wire, phone):
    wire[0].hangs_up["PHONE1"] = b"/system/bin/sh: not found\n"
    with pytest.raises(DeviceError, match="shell protocol"):
        phone.shell(["id"], timeout_s=5)


def test_an_error_of_the_input_is_not_taken_for_the_phones(phone):
    def broken():
        yield b"x"
        raise EOFError("mine")

    with pytest.raises(EOFError, match="mine"):
        phone.shell(["cat"], timeout_s=5, stdin=broken())


# --- lines ----------------------------------------------------------------------------------


def test_tens_of_thousands_of_lines_all_come(phone):
    with phone.lines(["seq", "50000"], silence_s=20) as lines:
        assert list(lines) == [str(number) for number in range(1, 50001)]


def test_lines_may_be_long_odd_or_without_an_end(phone, tmp_path: Path):
    data = b"first\r\n" + b"y" * 300_000 + b"\n\xff\xfe\n\nlast"
    (tmp_path / "said").write_bytes(data)
    with phone.lines(["cat", str(tmp_path / "said")], silence_s=20) as lines:
        assert list(lines) == ["first", "y" * 300_000, "\ufffd\ufffd", "", "last"]


def test_lines_come_while_the_command_still_runs(phone):
    with phone.lines(["sh", "-c", "echo one; sleep 60"], silence_s=20) as lines:
        assert next(lines) == "one"


def test_silence_is_an_error_but_slow_readers_are_not_silence(phone):
    script = "echo one; echo two; sleep 0.3; echo three; sleep 60"
    with phone.lines(["sh", "-c", script], silence_s=1.0) as lines:
        came = [next(lines)]
        time.sleep(1.2)
        came += [next(lines), next(lines)]
        with pytest.raises(DeviceTimeoutError, match="said nothing for 1 s"):
            next(lines)
    assert came == ["one", "two", "three"]


def test_a_phone_lost_between_lines_gives_the_lines_and_then_the_error(wire, phone):
    wire[0].hangs_up["PHONE1"] = packet(1, b"one\ntw") + packet(2, b"why")
    came = []
    with pytest.raises(DeviceLostError) as caught, phone.lines(["x"], silence_s=5) as lines:
        for line in lines:
            came.append(line)
    assert came == ["one"]
    assert caught.value.ran is not None
    assert caught.value.ran.stderr == "why"


def test_an_error_of_whoever_reads_lines_stays_that_error(phone):
    with pytest.raises(EOFError, match="mine"), phone.lines(["echo"], silence_s=5):
        raise EOFError("mine")
