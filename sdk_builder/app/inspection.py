"""What is inside an APK, any APK: read from its bytes, without a JDK."""

from __future__ import annotations

import json
import lzma
import struct
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from sdk_builder.app.archive import PAGE_BYTES
from sdk_builder.app.binary_xml import Element, read_binary_xml
from sdk_builder.app.dexfile import DexFacts, DexFile
from sdk_builder.app.elf import read_elf
from sdk_builder.app.formats import FormatError
from sdk_builder.app.signatures import read_signatures
from sdk_builder.errors import ApkError

BUILD_RECORD = "assets/shakti-build.json"  # written by our own build
_BUILD_FORMAT = 1
_LOCAL_HEADER_BYTES = 30
# What zipfile raises for archives that are damaged, encrypted or packed in unknown ways.
_DAMAGED = (
    *(zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, FormatError),
    *(EOFError, NotImplementedError, RuntimeError, ValueError, OverflowError),
)


@dataclass(frozen=True)
class NativeLibrary:
    """A native library. Alignments are in bytes.

    load_alignment: of its ELF segments; zip_alignment: the largest power of two, up to 64 KiB,
    that its place in the APK is a multiple of; None: it is deflated.
    """

    abi: str
    name: str
    size_bytes: int
    load_alignment: int
    zip_alignment: int | None

    @property
    def fits_large_pages(self) -> bool:
        """Whether a phone with 16 KiB pages can map it from the APK."""
        placed = self.zip_alignment is None or self.zip_alignment >= PAGE_BYTES
        return self.load_alignment >= PAGE_BYTES and placed


@dataclass(frozen=True)
class Dex:
    """A dex file."""

    name: str
    size_bytes: int
    facts: DexFacts


@dataclass(frozen=True)
class RuntimeRecord:
    """What our own build wrote down about the runtime in the APK."""

    flavour: str
    title: str
    version: str
    limits: tuple[str, ...]


@dataclass(frozen=True)
class ApkReport:
    """size_by_part: bytes in the APK of dex, native libraries, resources, assets and the rest.

    signers are SHA-256 of `certificates` (DER). runtime is None for an APK that
    `shakti-sdk demo build` did not make.
    """

    path: Path
    size_bytes: int
    package: str
    version_name: str
    version_code: int
    min_sdk: int | None
    target_sdk: int | None
    debuggable: bool
    permissions: tuple[str, ...]
    abis: tuple[str, ...]
    libraries: tuple[NativeLibrary, ...]
    dex: tuple[Dex, ...]
    size_by_part: Mapping[str, int]
    signature_schemes: tuple[str, ...]
    signers: tuple[str, ...]
    runtime: RuntimeRecord | None
    certificates: tuple[bytes, ...] = field(default=(), repr=False)

    @property
    def problems(self) -> tuple[str, ...]:
        """What would keep phones from installing or starting it, or is not as it should be."""
        found = []
        for dex in self.dex:
            if not (dex.facts.checksum_holds and dex.facts.signature_holds):
                found.append(f"{dex.name} is not the file that its header describes")
        if not self.signers:
            found.append("it is not signed")
        large = [one.name for one in self.libraries if not one.fits_large_pages]
        if large:
            found.append(f"not for phones with 16 KiB pages: {', '.join(sorted(set(large)))}")
        return tuple(found)


def inspect_apk(path: Path) -> ApkReport:
    """Read an APK. Raises ApkError where the file is none, or is damaged."""
    try:
        data = path.read_bytes()
        with zipfile.ZipFile(path) as archive:
            return _report(path, data, archive)
    except KeyError as error:
        raise ApkError(f"{path} is no APK: it has no AndroidManifest.xml.") from error
    except _DAMAGED as error:
        raise ApkError(f"{path} is no APK that can be read: {_line(error)}.") from error
    except OSError as error:
        raise ApkError(f"Cannot read {path}: {error.strerror or _line(error)}.") from error


def _line(error: Exception) -> str:
    """What an exception says, as one line."""
    return " ".join(str(error).split()).rstrip(".") or type(error).__name__


def _report(path: Path, data: bytes, archive: zipfile.ZipFile) -> ApkReport:
    manifest = read_binary_xml(archive.read("AndroidManifest.xml"))
    entries = archive.infolist()
    names = {entry.filename for entry in entries}
    libraries = tuple(
        _library(entry, archive, data) for entry in entries if _is_library(entry.filename)
    )
    signatures = read_signatures(data, has_v1="META-INF/MANIFEST.MF" in names)
    sdk = next(iter(manifest.all("uses-sdk")), Element("uses-sdk", {}))
    application = next(iter(manifest.all("application")), Element("application", {}))
    return ApkReport(
        path=path,
        size_bytes=len(data),
        package=str(manifest.attributes.get("package", "")),
        version_name=str(manifest.attributes.get("versionName", "")),
        version_code=_number(manifest, "versionCode") or 0,
        min_sdk=_number(sdk, "minSdkVersion"),
        target_sdk=_number(sdk, "targetSdkVersion"),
        debuggable=application.attributes.get("debuggable") is True,
        permissions=tuple(
            sorted(str(one.attributes.get("name", "")) for one in manifest.all("uses-permission"))
        ),
        abis=tuple(sorted({library.abi for library in libraries})),
        libraries=libraries,
        dex=tuple(_dex(entry, archive) for entry in entries if _is_dex(entry.filename)),
        size_by_part=_size_by_part(entries, len(data)),
        signature_schemes=signatures.schemes,
        signers=signatures.signers,
        runtime=_runtime(archive) if BUILD_RECORD in names else None,
        certificates=signatures.certificates,
    )


def _is_library(name: str) -> bool:
    return name.startswith("lib/") and name.endswith(".so") and name.count("/") == 2


def _is_dex(name: str) -> bool:
    return name.startswith("classes") and name.endswith(".dex")


def _number(element: Element, name: str) -> int | None:
    value = element.attributes.get(name)
    return value if isinstance(value, int) else None


def _library(entry: zipfile.ZipInfo, archive: zipfile.ZipFile, data: bytes) -> NativeLibrary:
    _, abi, name = entry.filename.split("/")
    facts = read_elf(archive.read(entry), entry.filename)
    alignment = None
    if entry.compress_type == zipfile.ZIP_STORED:
        start = entry.header_offset
        lengths = data[start + 26 : start + _LOCAL_HEADER_BYTES]
        start += _LOCAL_HEADER_BYTES
        start += int.from_bytes(lengths[:2], "little") + int.from_bytes(lengths[2:], "little")
        alignment = (start | 1 << 16) & -(start | 1 << 16)
    return NativeLibrary(abi, name, entry.file_size, facts.load_alignment, alignment)


def _dex(entry: zipfile.ZipInfo, archive: zipfile.ZipFile) -> Dex:
    return Dex(entry.filename, entry.file_size, DexFile(archive.read(entry), entry.filename).facts)


def _size_by_part(entries: list[zipfile.ZipInfo], total: int) -> dict[str, int]:
    sizes = {"native libraries": 0, "dex": 0, "resources": 0, "assets": 0}
    for entry in entries:
        name = entry.filename
        if _is_dex(name):
            part = "dex"
        elif name.startswith("lib/"):
            part = "native libraries"
        elif name.startswith("assets/"):
            part = "assets"
        elif name.startswith("res/") or name in ("resources.arsc", "AndroidManifest.xml"):
            part = "resources"
        else:
            continue
        sizes[part] += entry.compress_size
    return {**sizes, "the archive itself": total - sum(sizes.values())}


def _runtime(archive: zipfile.ZipFile) -> RuntimeRecord:
    try:
        record = json.loads(archive.read(BUILD_RECORD))
        if record["format"] != _BUILD_FORMAT:
            raise FormatError(f"{BUILD_RECORD} is of a newer shakti-sdk")
        runtime = record["runtime"]
        return RuntimeRecord(
            str(runtime["flavour"]),
            str(runtime["title"]),
            str(runtime["version"]),
            tuple(str(limit) for limit in runtime["limits"]),
        )
    except (ValueError, KeyError, TypeError) as error:
        raise FormatError(f"{BUILD_RECORD} is damaged") from error


def build_record(runtime: RuntimeRecord) -> bytes:
    """The text of BUILD_RECORD."""
    record = {
        "format": _BUILD_FORMAT,
        "runtime": {
            "flavour": runtime.flavour,
            "title": runtime.title,
            "version": runtime.version,
            "limits": list(runtime.limits),
        },
    }
    return json.dumps(record, indent=1, sort_keys=True).encode() + b"\n"
