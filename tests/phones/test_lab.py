"""The lab itself: what the other tests of this folder rely on."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from tests.phones.debian import LabUnavailableError, Source, debian_source
from tests.phones.lab import FIRST_PORT, Lab, Phone

MODERN = """
Types: deb deb-src
# a remark
URIs: https://mirror.example/archive
Suites: bookworm bookworm-updates
Components: main contrib
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb
URIs: https://mirror.example/fixes
Suites: bookworm-security
Components: main
"""


def apt_folder(parent: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (parent / name).parent.mkdir(parents=True, exist_ok=True)
        (parent / name).write_text(text, encoding="utf-8")
    return parent


def test_a_deb822_file_gives_the_address_and_the_keyring(tmp_path):
    apt = apt_folder(tmp_path, {"sources.list.d/debian.sources": MODERN})
    assert debian_source(apt) == Source(
        "https://mirror.example/archive", "/usr/share/keyrings/debian-archive-keyring.gpg"
    )


@pytest.mark.parametrize(
    ("line", "signed_by"),
    [
        ("deb http://mirror.example/archive trixie main", ""),
        ("deb [arch=amd64 signed-by=/k.gpg] http://mirror.example/archive trixie main", "/k.gpg"),
        ("deb [ signed-by=/k.gpg ] http://mirror.example/archive sid contrib main # x", "/k.gpg"),
    ],
)
def test_a_one_line_source_gives_the_same(tmp_path, line, signed_by):
    apt = apt_folder(tmp_path, {"sources.list": f"# a remark\n\n{line}\n"})
    assert debian_source(apt) == Source("http://mirror.example/archive", signed_by)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "deb http://mirror.example/other noble main",
        "deb-src http://mirror.example/archive trixie main",
        "deb http://mirror.example/archive bookworm-security main",
        "deb http://mirror.example/archive trixie contrib",
        "# deb http://mirror.example/archive trixie main",
    ],
)
def test_sources_that_are_not_debians_main_archive_are_passed_over(tmp_path, text):
    apt = apt_folder(tmp_path, {"sources.list": text})
    with pytest.raises(LabUnavailableError):
        debian_source(apt)


def test_a_source_that_is_switched_off_is_passed_over(tmp_path):
    off = MODERN.replace("Types: deb deb-src", "Enabled: no\nTypes: deb deb-src")
    apt = apt_folder(tmp_path, {"sources.list.d/debian.sources": off})
    with pytest.raises(LabUnavailableError):
        debian_source(apt)


def test_three_phones_are_attached_and_nothing_else(lab: Lab):
    assert lab.states() == {f"127.0.0.1:{FIRST_PORT + i}": "device" for i in range(3)}


def test_the_phones_ports_are_reached_from_their_network_only(made_lab: Lab):
    def reached() -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", FIRST_PORT)) == 0

    with made_lab.entered():
        assert reached()
    assert not reached()


def test_each_phone_has_files_of_its_own(lab: Lab):
    for phone in lab.phones:
        lab.adb("-s", phone.serial, "shell", f"echo {phone.name} > /data/local/tmp/name")
    names = [phone.path("/data/local/tmp/name").read_text() for phone in lab.phones]
    assert names == [f"{phone.name}\n" for phone in lab.phones]


def test_a_phone_cannot_write_to_this_machines_files(lab: Lab, phone: Phone):
    said = lab.adb("-s", phone.serial, "shell", "touch /etc/shakti /usr/shakti; echo done")
    assert said.count("Read-only file system") == 2


def test_a_phones_storage_really_fills_up(lab: Lab, phone: Phone):
    phone.fill("/data", leave_bytes=8192)
    said = lab.adb("-s", phone.serial, "shell", "head -c 100000 /dev/zero > /data/local/tmp/x")
    assert "No space left on device" in said
    assert phone.path("/data/local/tmp/x").stat().st_size <= 8192


def test_a_daemon_that_is_killed_leaves_the_phones_programs_running(lab: Lab, phone: Phone):
    shell = "setsid sh -c 'sleep 0.3; echo here > /data/local/tmp/late' >/dev/null 2>&1 &"
    lab.adb("-s", phone.serial, "shell", shell)
    phone.kill_adbd()
    assert not lab.adb("-s", phone.serial, "shell", "echo here").startswith("here")
    phone.connect()
    said = lab.adb("-s", phone.serial, "shell", "sleep 0.3; cat /data/local/tmp/late")
    assert said == "here\n"


def test_programs_of_android_note_what_they_were_asked(lab: Lab, phone: Phone):
    lab.adb("-s", phone.serial, "shell", "settings put system a 'b c'; getprop x")
    assert phone.calls() == [["settings", "put", "system", "a", "b c"], ["getprop", "x"]]
    assert lab.phones[1].calls() == []
