"""The one place where the app's build talks to the network: HTTP(S) into a file, resumable."""

from __future__ import annotations

import hashlib
import http.client
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

from sdk_builder.errors import NetworkError, TamperedArtifactError, output_errors

BLOCK_BYTES = 1 << 18
ATTEMPTS = 5  # in a row that brought nothing
PAUSE_S = 0.5  # before the second attempt; doubles
TIMEOUT_S = 60.0  # of silence

Progress = Callable[[int, int | None], None]  # bytes done, bytes in all if known


class NotThereError(Exception):
    """The server says that it has no such file."""


class Response(Protocol):
    """What a request gives: urllib's response."""

    headers: http.client.HTTPMessage

    def read(self, amount: int, /) -> bytes: ...

    def close(self) -> None: ...


Open = Callable[[str, int], "tuple[int, Response]"]  # (url, first byte) to (status, response)


@dataclass(frozen=True)
class Wanted:
    """A file to be: `name` is for people; sha256 None takes what comes."""

    name: str
    url: str
    sha256: str | None
    size_bytes: int | None = None


def open_url(url: str, first_byte: int) -> tuple[int, Response]:
    """Ask for a file from `first_byte` on, with the system's certificates and proxies."""
    headers = {"User-Agent": "shakti-sdk"}
    if first_byte:
        headers["Range"] = f"bytes={first_byte}-"
    request = urllib.request.Request(url, headers=headers)
    response = urllib.request.urlopen(request, timeout=TIMEOUT_S)
    return response.status or 200, response  # a file: address has no status


def download(wanted: Wanted, target: Path, progress: Progress, *, opener: Open = open_url) -> str:
    """Bring a file to `target` and return its SHA-256.

    What came before the connection broke is kept in `target` + ".part" and gone on with, now or
    the next time. `target` appears only when it is whole and right.

    Raises NotThereError, NetworkError, TamperedArtifactError, OutputError.
    """
    part = target.with_name(target.name + ".part")
    with output_errors(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        _bring(wanted, part, progress, opener)
        found = sha256_of(part)
        if wanted.sha256 is not None and found != wanted.sha256:
            part.unlink()
            raise TamperedArtifactError(
                f"{wanted.name} has the SHA-256 {found}, not the expected {wanted.sha256}.",
                "The repository or the connection altered it; nothing was kept. Try again, or "
                "another network or repository.",
            )
        part.replace(target)
    return found


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file, in hex."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(BLOCK_BYTES):
            digest.update(block)
    return digest.hexdigest()


def _bring(wanted: Wanted, part: Path, progress: Progress, opener: Open) -> None:
    """Attempt after attempt, until the whole file is in `part`."""
    fruitless = 0
    while True:
        before = _size(part)
        try:
            if _attempt(wanted, part, progress, opener):
                return
            cause: Exception | None = None
        except urllib.error.HTTPError as error:
            cause = _judged(error, part)
        except (http.client.HTTPException, _ConnectionBrokenError) as error:
            cause = error
        fruitless = 0 if _size(part) > before else fruitless + 1
        if fruitless >= ATTEMPTS:
            raise NetworkError(
                f"{wanted.name} cannot be downloaded: {_reason(cause)}.",
                "Check the connection and the proxy settings (https_proxy), then run the same "
                "command again: what came already is kept.",
            ) from cause
        if fruitless:
            time.sleep(PAUSE_S * 2 ** (fruitless - 1))


class _ConnectionBrokenError(Exception):
    """The connection could not be made, or broke; the text says how."""


def _attempt(wanted: Wanted, part: Path, progress: Progress, opener: Open) -> bool:
    """One request; whether the file is whole now."""
    have = _size(part)
    try:
        status, response = opener(wanted.url, have)
    except urllib.error.HTTPError:
        raise
    except OSError as error:  # URLError is one
        if isinstance(getattr(error, "reason", error), FileNotFoundError):  # of a file: address
            raise NotThereError("no such file") from error
        raise _ConnectionBrokenError(str(getattr(error, "reason", error)) or repr(error)) from error
    with closing(response):
        if status != 206 or not _continues(response, have):
            have = 0  # the server sends the whole file, whatever we asked for
        length = response.headers.get("Content-Length")
        total = have + int(length) if length and length.isdigit() else wanted.size_bytes
        with part.open("r+b" if have else "wb") as file:
            file.seek(have)
            done = _copy(response, file, have, total, progress)
    return total is None or done >= total


def _copy(
    response: Response, file: BinaryIO, done: int, total: int | None, progress: Progress
) -> int:
    """Everything that still comes, into the file; how far that went."""
    while True:
        try:
            block = response.read(BLOCK_BYTES)
        except OSError as error:
            raise _ConnectionBrokenError(str(error) or repr(error)) from error
        except http.client.IncompleteRead as error:
            file.write(error.partial)
            raise
        if not block:
            return done
        file.write(block)
        done += len(block)
        progress(done, total)


def _judged(error: urllib.error.HTTPError, part: Path) -> Exception:
    """What an HTTP error means; returned if another attempt may help."""
    if error.code in (404, 410):
        raise NotThereError(f"HTTP {error.code}") from error
    if error.code == 416:  # the part is longer than the file: not a part of it
        part.unlink(missing_ok=True)
    elif error.code < 500 and error.code not in (408, 429):
        raise NetworkError(
            f"{error.url} refuses: HTTP {error.code} {error.reason}.",
            "Check the repository's address, and the proxy settings (https_proxy).",
        ) from error
    return error


def _continues(response: Response, first_byte: int) -> bool:
    """Whether a 206 begins where we asked for."""
    start = response.headers.get("Content-Range", "").removeprefix("bytes ").partition("-")[0]
    return start == str(first_byte)


def _reason(cause: Exception | None) -> str:
    return "the connection ends before the file does" if cause is None else str(cause).rstrip(".")


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
