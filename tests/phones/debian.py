"""A real adbd, fetched once from Debian into the cache folder.

The address and the signing key are those of this machine's own Debian sources: none is
written here. The machine's package lists and database are not touched.
"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

SUITE = "trixie"  # the first stable release with adbd 34
RELEASES = frozenset({"bullseye", "bookworm", SUITE, "forky", "sid", "stable", "testing"})
PROGRAMS = ("unshare", "mount", "pivot_root", "ip", "apt-get", "dpkg-deb")
FETCH_TIMEOUT_S = 150


class LabUnavailableError(Exception):
    """The stand-in phones cannot be set up here; the text says why."""


@dataclass(frozen=True)
class Source:
    """Where Debian packages come from; `signed_by` is a keyring's path, or empty: apt's own."""

    uri: str
    signed_by: str = ""


def fetch_adbd() -> tuple[str, ...]:
    """The command line that starts adbd, which is downloaded unless it is there already.

    Raises LabUnavailableError.
    """
    _check_machine()
    import fcntl  # not on Windows, where this module must still say why it cannot work

    cache = Path(os.environ.get("SHAKTI_CACHE") or Path.home() / ".cache" / "shakti-sdk")
    folder = cache.expanduser() / f"adbd-{SUITE}-{platform.machine()}"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with (folder.parent / f"{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # tests may run side by side
        if not folder.is_dir():
            _download(debian_source(Path("/etc/apt")), folder)
    return _command(folder)


def debian_source(apt: Path) -> Source:
    """The first source of Debian's main archive below an /etc/apt folder.

    Raises LabUnavailableError where there is none.
    """
    for file in sorted(apt.glob("sources.list.d/*.sources")):
        for stanza in _stanzas(file.read_text(encoding="utf-8")):
            source = _from_stanza(stanza)
            if source:
                return source
    for file in (apt / "sources.list", *sorted(apt.glob("sources.list.d/*.list"))):
        for line in file.read_text(encoding="utf-8").splitlines() if file.is_file() else ():
            source = _from_line(line)
            if source:
                return source
    raise LabUnavailableError("this machine has no source of Debian packages in /etc/apt")


def _check_machine() -> None:
    if sys.platform != "linux":
        raise LabUnavailableError(f"namespaces need Linux, this is {sys.platform}")
    if os.geteuid() != 0:
        raise LabUnavailableError("namespaces with phones in them need root")
    missing = [program for program in PROGRAMS if not shutil.which(program)]
    if missing:
        raise LabUnavailableError(f"this machine has no {', '.join(missing)}")


def _stanzas(text: str) -> Iterator[dict[str, str]]:
    """The deb822 paragraphs of a .sources file, keys in lower case."""
    fields: dict[str, str] = {}
    last = ""
    for line in [*text.splitlines(), ""]:
        if line.startswith("#"):
            continue
        if not line.strip():
            if fields:
                yield fields
            fields, last = {}, ""
        elif line[0] in " \t":
            fields[last] = f"{fields.get(last, '')}\n{line.strip()}"
        else:
            key, _, value = line.partition(":")
            last = key.strip().lower()
            fields[last] = value.strip()


def _from_stanza(stanza: dict[str, str]) -> Source | None:
    enabled = stanza.get("enabled", "yes").lower() not in ("no", "false", "0")
    uris = stanza.get("uris", "").split()
    if not (enabled and uris and "deb" in stanza.get("types", "").split()):
        return None
    return _main_archive(
        uris[0],
        stanza.get("suites", "").split(),
        stanza.get("components", "").split(),
        stanza.get("signed-by", ""),
    )


def _from_line(line: str) -> Source | None:
    words = line.split("#")[0].split()
    if not words or words[0] != "deb":
        return None
    options: dict[str, str] = {}
    if len(words) > 1 and words[1].startswith("["):
        end = next(i for i, word in enumerate(words) if word.endswith("]"))
        inside = " ".join(words[1 : end + 1]).strip("[] ")
        options = dict(option.partition("=")[::2] for option in inside.split())
        words = [words[0], *words[end + 1 :]]
    if len(words) < 4:
        return None
    return _main_archive(words[1], words[2:3], words[3:], options.get("signed-by", ""))


def _main_archive(uri: str, suites: list[str], parts: list[str], signed_by: str) -> Source | None:
    if "main" not in parts or not RELEASES.intersection(suites):
        return None
    # A key that stands in the file itself cannot be named in ours; apt's own keys must do then.
    return Source(uri, signed_by if signed_by.startswith("/") else "")


def _download(source: Source, folder: Path) -> None:
    with tempfile.TemporaryDirectory(prefix=f".{folder.name}-", dir=folder.parent) as scratch:
        tree = Path(scratch)
        apt = _private_apt(source, tree)
        _run([*apt, "update"])
        _run([*apt, "install", "-y", "--download-only", "--no-install-recommends", "adbd"])
        root = tree / "root"
        root.mkdir()
        for package in sorted(tree.glob("cache/archives/*.deb")):
            _run(["dpkg-deb", "-x", str(package), str(root)])
        _command(root)
        root.rename(folder)


def _private_apt(source: Source, tree: Path) -> list[str]:
    """apt-get with lists, cache and package database of its own below `tree`."""
    for name in ("lists/partial", "cache/archives/partial"):
        (tree / name).mkdir(parents=True)
    option = f"[signed-by={source.signed_by}] " if source.signed_by else ""
    (tree / "sources.list").write_text(f"deb {option}{source.uri} {SUITE} main\n")
    (tree / "status").touch()
    settings = {
        "Dir::Etc::sourcelist": tree / "sources.list",
        "Dir::Etc::sourceparts": "-",
        "Dir::Etc::preferencesparts": "-",
        "Dir::Etc::preferences": "-",
        "Dir::State": tree,
        "Dir::State::status": tree / "status",
        "Dir::State::Lists": tree / "lists",
        "Dir::Cache": tree / "cache",
        "Acquire::Languages": "none",
        "APT::Sandbox::User": "root",
        "Acquire::http::Timeout": 20,
        "Acquire::Retries": 1,
        "APT::Update::Error-Mode": "any",
    }
    return ["apt-get", "-q", *(part for k, v in settings.items() for part in ("-o", f"{k}={v}"))]


def _run(argv: list[str]) -> None:
    try:
        done = subprocess.run(
            argv, capture_output=True, text=True, timeout=FETCH_TIMEOUT_S, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise LabUnavailableError(f"{argv[0]} took over {FETCH_TIMEOUT_S} s") from error
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines()
        raise LabUnavailableError(f"{argv[0]} failed: {' | '.join(said[-3:])}")


def _command(root: Path) -> tuple[str, ...]:
    """adbd under the loader and libraries that came with it: this machine's may be older."""
    daemon = root / "usr/lib/android-sdk/platform-tools/adbd"
    loaders = sorted(root.glob("usr/lib*/ld-linux*.so.*")) + sorted(
        root.glob("usr/lib/*/ld-linux*.so.*")
    )
    libraries = next(iter(sorted(root.glob("usr/lib/*-linux-gnu*"))), None)
    if not daemon.is_file() or not loaders or libraries is None:
        raise LabUnavailableError(f"{root} holds no adbd that can be started; remove it")
    path = f"{libraries}:{libraries / 'android'}"
    return (str(loaders[0]), "--library-path", path, str(daemon))
