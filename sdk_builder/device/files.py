"""Files on a phone: read, copied from it, removed; push.py brings them there.

Paths on the phone are absolute; they may hold anything but NUL. Scripts get them as arguments
("$1"), never as text of the script.
"""

from __future__ import annotations

import hashlib
import os
import posixpath
import re
import stat
from pathlib import Path

from sdk_builder.device.adb import AdbPhone, ShellResult
from sdk_builder.device.refusals import command_failed
from sdk_builder.errors import (
    DeviceFullError,
    InputError,
    TransferError,
    UsageError,
    output_errors,
)

PART = ".part"  # ends the name of a file that is not complete
PUBLIC_ROOT = "/data/local/tmp"  # folders below it are opened to apps

COMMAND_S = 30.0
SLOWEST_BYTES_PER_S = 2**20  # a transfer, or a hash, may take as long as this needs
_NOTHING = ("No such file or directory", "Not a directory")
_FULL = ("No space left on device", "Disk quota exceeded")


def read(phone: AdbPhone, path: str) -> bytes | None:
    """The content of a file on the phone; None if there is none, b"" if it is empty.

    Raises CommandFailedError if it may not be read.
    """
    size = size_of(phone, path)
    if size is None:
        return None
    result = phone.shell(["cat", path], timeout_s=patience_s(size))
    if result.returncode != 0:
        raise command_failed(phone.serial, f"{path} cannot be read", result)
    return result.stdout


def pull(phone: AdbPhone, path: str, target: Path) -> int:
    """Copy a file of the phone to `target` here, whole or not at all; its size in bytes.

    Raises InputError if the phone has no such file, TransferError if it changed while it was
    copied, OutputError if `target` cannot be written.
    """
    data = read(phone, path)
    if data is None:
        raise InputError(f"Phone {phone.serial} has no file {path}.")
    there = hash_of(phone, path, len(data))
    if there != hashlib.sha256(data).hexdigest():
        raise TransferError(
            f"{path} on phone {phone.serial} is not what was copied from it.",
            "It may be written to right now: try again when that has ended.",
            serial=phone.serial,
        )
    temporary = target.with_name(f"{target.name}{PART}")
    with output_errors(target):
        try:
            temporary.write_bytes(data)
            os.replace(temporary, target)
        finally:
            temporary.unlink(missing_ok=True)
    return len(data)


def remove(phone: AdbPhone, path: str, *, recursive: bool = False) -> None:
    """Remove a file, or with `recursive` a folder; no error if it is not there.

    Raises UsageError for a recursive removal that is not below /data/local/tmp.
    """
    _check_path(path)
    if recursive and not _is_public(path):
        raise UsageError(f"Only folders below {PUBLIC_ROOT} are removed, not {path}.")
    result = phone.shell(["rm", "-rf" if recursive else "-f", path], timeout_s=COMMAND_S)
    if result.returncode != 0:
        raise command_failed(phone.serial, f"{path} cannot be removed", result)


def make_folder(phone: AdbPhone, folder: str) -> None:
    """Make a folder and those above it; those below /data/local/tmp are opened to apps."""
    _check_path(folder)
    result = phone.shell(["mkdir", "-p", folder], timeout_s=COMMAND_S)
    if result.returncode == 0:
        path, opened = posixpath.normpath(folder), []
        while _is_public(path):
            opened.append(path)
            path = posixpath.dirname(path)
        if opened:
            result = phone.shell(["chmod", "a+rx", *opened], timeout_s=COMMAND_S)
    if result.returncode != 0:
        if is_full(result):
            raise full_error(phone, folder, 0, result)
        raise command_failed(phone.serial, f"the folder {folder} cannot be made", result)


def free_bytes(phone: AdbPhone, folder: str) -> int | None:
    """Free space where `folder` is, in bytes; None if the phone does not tell."""
    _check_path(folder)
    result = phone.shell(["df", "-kP", folder], timeout_s=COMMAND_S)
    # Filesystem, 1K-blocks, used, available, use%, mounted on.
    rows = re.findall(r"\s\d+\s+\d+\s+(\d+)\s+\d+%\s", result.text)
    return int(rows[-1]) * 1024 if rows else None


def size_of(phone: AdbPhone, path: str) -> int | None:
    """The size of a file on the phone in bytes; None if there is nothing of this name.

    Raises CommandFailedError for what is no file, or may not be looked at.
    """
    _check_path(path)
    result = phone.shell(["stat", "-L", "-c", "%f %s", path], timeout_s=COMMAND_S)
    found = re.fullmatch(r"([0-9a-f]+) (\d+)", result.text.strip())
    if found and stat.S_ISREG(int(found[1], 16)):
        return int(found[2])
    if result.returncode != 0 and any(words in result.ran.stderr for words in _NOTHING):
        return None
    raise command_failed(phone.serial, f"{path} is not a file that can be read", result)


def hash_of(phone: AdbPhone, path: str, size_bytes: int) -> str | None:
    """SHA-256 of a file of this size on the phone; None if it cannot be hashed."""
    # Not as an argument: sha256sum marks a name with a newline or backslash in its output.
    result = script(phone, 'sha256sum < "$1"', path, timeout_s=patience_s(size_bytes))
    found = re.match(r"[0-9a-f]{64}\b", result.text)
    return found[0] if found and result.returncode == 0 else None


def script(
    phone: AdbPhone, text: str, *arguments: str, timeout_s: float = COMMAND_S
) -> ShellResult:
    """Run a shell script; it sees the arguments as "$1", "$2"."""
    return phone.shell(["sh", "-c", text, "sh", *arguments], timeout_s=timeout_s)


def patience_s(size_bytes: int) -> float:
    """How many seconds sending, reading or hashing so many bytes may take."""
    return COMMAND_S + size_bytes / SLOWEST_BYTES_PER_S


def _check_path(path: str) -> None:
    if not path.startswith("/"):
        raise UsageError(f"A path on the phone is absolute; {path!r} is not.")


def _is_public(path: str) -> bool:
    return posixpath.normpath(path).startswith(PUBLIC_ROOT + "/")


def full_error(
    phone: AdbPhone, target: str, need: int, result: ShellResult | None = None
) -> DeviceFullError:
    """The error for a phone that has too little room for `need` bytes at `target`."""
    folder = posixpath.dirname(target)
    free = free_bytes(phone, folder)
    has = "it has too little" if free is None else f"it has {mib(free)}"
    return DeviceFullError(
        f"Phone {phone.serial} is full: {posixpath.basename(target)} needs {mib(need)}, {has}.",
        f"Free some space on the phone, or remove older bundles below {PUBLIC_ROOT}.",
        serial=phone.serial,
        ran=result.ran if result else None,
    )


def is_full(result: ShellResult) -> bool:
    """Whether a command failed because the phone has no room left."""
    return result.returncode != 0 and any(words in result.ran.stderr for words in _FULL)


def mib(size_bytes: int) -> str:
    """A size for people: ``93.4 MiB``."""
    return f"{size_bytes / 2**20:.1f} MiB"
