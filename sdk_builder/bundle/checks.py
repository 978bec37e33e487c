"""Checks of a bundle's files that need no runtime: form, sizes, hashes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from sdk_builder.bundle.manifest import MANIFEST_NAME
from sdk_builder.bundle.manifest_file import checksum_matches
from sdk_builder.bundle.reader import COPY_AGAIN, Bundle, sha256_of
from sdk_builder.errors import BundleError

Status = Literal["pass", "fail", "skipped"]


@dataclass(frozen=True)
class CheckResult:
    """What one check found; "skipped" is for a check that could not run."""

    name: str
    status: Status
    detail: str


def check_files(bundle: Bundle) -> list[CheckResult]:
    """Whether the files are the ones that were written, byte for byte.

    Reads every file once. A missing or unreadable file is a failed check, not an error.
    """
    manifest = bundle.manifest
    program, tokenizer = manifest.program, manifest.tokenizer
    return [
        CheckResult("manifest schema", "pass", f"version {manifest.schema_version}"),
        _check_manifest(bundle),
        *_check_program(bundle, program.file, program.size_bytes, program.sha256),
        _check_hash(bundle, "tokenizer hash", tokenizer.file, tokenizer.sha256),
        _check_golden(bundle),
    ]


def require_intact(bundle: Bundle) -> None:
    """Raise BundleError if a file is damaged: a phone would refuse it only after a long push."""
    damage = [check.detail for check in check_files(bundle) if check.status == "fail"]
    if damage:
        raise BundleError(f"{bundle.path} is damaged: {damage[0]}", COPY_AGAIN)


def _check_manifest(bundle: Bundle) -> CheckResult:
    name = "manifest checksum"
    try:
        intact = checksum_matches(bundle.read_bytes(MANIFEST_NAME))
    except BundleError as error:
        return CheckResult(name, "fail", error.message)
    if intact:
        return CheckResult(name, "pass", f"{MANIFEST_NAME} is unchanged")
    return CheckResult(name, "fail", f"{MANIFEST_NAME} was changed after it was written")


def _check_program(bundle: Bundle, file: str, size_bytes: int, sha256: str) -> list[CheckResult]:
    """Size, then hash: a file of the wrong size is not worth hashing."""
    try:
        found = bundle.size(file)
    except BundleError as error:
        size = CheckResult("program size", "fail", error.message)
    else:
        if found == size_bytes:
            hash_result = _check_hash(bundle, "program hash", file, sha256)
            return [CheckResult("program size", "pass", f"{found} bytes"), hash_result]
        size = CheckResult(
            "program size", "fail", f"{file} has {found} bytes instead of {size_bytes}"
        )
    return [size, CheckResult("program hash", "skipped", "the program's size is wrong")]


def _check_hash(bundle: Bundle, name: str, file: str, expected: str) -> CheckResult:
    try:
        found = sha256_of(bundle.chunks(file))
    except BundleError as error:
        return CheckResult(name, "fail", error.message)
    if found == expected:
        return CheckResult(name, "pass", f"{file} sha256 {found[:12]}")
    return CheckResult(
        name, "fail", f"{file} has sha256 {found[:12]}..., the manifest says {expected[:12]}..."
    )


def _check_golden(bundle: Bundle) -> CheckResult:
    count = len(bundle.manifest.golden)
    if count == 0:
        return CheckResult("golden prompts", "skipped", "the bundle holds none")
    return CheckResult("golden prompts", "pass", f"{count} held, to be run by verify")
