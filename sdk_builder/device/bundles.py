"""Bundles on a phone: each in a folder named by its content, where the demo app finds it."""

from __future__ import annotations

import posixpath

from sdk_builder.bundle.manifest import MANIFEST_NAME
from sdk_builder.bundle.manifest_file import identity
from sdk_builder.bundle.reader import Bundle
from sdk_builder.device.adb import AdbPhone
from sdk_builder.device.demo_app import BUNDLES_FOLDER
from sdk_builder.device.files import make_folder, remove
from sdk_builder.device.push import Progress, push, push_bytes
from sdk_builder.log import Steps


def bundle_folder(bundle: Bundle) -> str:
    """Where a bundle lives on a phone; bundles that differ in nothing but provenance share it."""
    return f"{BUNDLES_FOLDER}/{identity(bundle.manifest)[:16]}"


def bring_bundle(phone: AdbPhone, bundle: Bundle, steps: Steps) -> str:
    """Push what is not there yet, as a step; returns the bundle's folder on the phone.

    Every file's SHA-256 is checked on the phone. Raises what `push_bundle` raises.
    """
    name, folder = bundle.manifest.name, bundle_folder(bundle)
    with steps.step(f"Pushing {name}") as step:
        push_bundle(phone, bundle, folder, progress=step.progress)
        step.result(f"{name} is on the phone")
    return folder


def push_bundle(
    phone: AdbPhone, bundle: Bundle, folder: str, *, progress: Progress | None = None
) -> None:
    """Bring a bundle's files to `folder` on the phone, the manifest last.

    What is there already is not sent again. Raises what `push` raises, and BundleError.
    """
    manifest = bundle.manifest
    program, tokenizer = manifest.program, manifest.tokenizer
    total = sum(bundle.size(name) for name in manifest.file_names)
    done = 0

    def advance(done_of_file: int, _size: int) -> None:
        if progress:
            progress(done + done_of_file, total)

    make_folder(phone, folder)
    for name, path, sha256 in (
        (program.file, bundle.program_path, program.sha256),
        (tokenizer.file, bundle.tokenizer_path, tokenizer.sha256),
    ):
        done += push(
            phone, path, posixpath.join(folder, name), sha256=sha256, progress=advance
        ).size_bytes
    data = bundle.read_bytes(MANIFEST_NAME)
    push_bytes(phone, data, posixpath.join(folder, MANIFEST_NAME))
    advance(len(data), len(data))


def remove_bundle(phone: AdbPhone, bundle: Bundle) -> None:
    """Take a bundle off the phone again."""
    remove(phone, bundle_folder(bundle), recursive=True)
