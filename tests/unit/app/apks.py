"""APKs that are a line of text: what the shipped fake phone installs, and what is inside them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sdk_builder.device.app import signature_hash
from sdk_builder.device.demo_app import PACKAGE
from sdk_builder.errors import ApkError

OURS, OTHERS = b"our key", b"another key"
CERTIFICATES = {signature_hash(certificate): certificate for certificate in (OURS, OTHERS)}


@dataclass(frozen=True)
class FakeSigner:
    certificate: bytes = b"our key"
    subject: str = "CN=Shakti debug"

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.certificate).hexdigest()


@dataclass(frozen=True)
class FakeNative:
    name: str = "libexecutorch.so"
    abi: str = "arm64-v8a"
    size_bytes: int = 9_000_000
    alignment_bytes: int = 16384


@dataclass(frozen=True)
class FakePart:
    name: str
    size_bytes: int


@dataclass(frozen=True)
class FakeApk:
    """An APK of the app; its text is what the shipped fake phone's `pm` installs."""

    package: str = PACKAGE
    version_name: str = "1.2.0"
    version_code: int = 12
    min_sdk: int = 28
    target_sdk: int = 35
    permissions: tuple[str, ...] = ("android.permission.POST_NOTIFICATIONS",)
    abis: tuple[str, ...] = ("arm64-v8a",)
    libraries: tuple[FakeNative, ...] = (FakeNative(),)
    size_bytes: int = 10_000_000
    parts: tuple[FakePart, ...] = (FakePart("native libraries", 9_000_000), FakePart("dex", 500))
    signers: tuple[FakeSigner, ...] = (FakeSigner(),)
    schemes: tuple[str, ...] = ("v2", "v3")
    runtime: str = "official"
    limits: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        signatures = ",".join(signature_hash(one.certificate) for one in self.signers)
        return f"{self.package} {self.version_name} {self.version_code} {signatures}"


def read_apk(path: Path, known: FakeApk) -> FakeApk:
    """What is in an APK: `known` if it is that one, else as much as the line of text says.

    Raises ApkError.
    """
    try:
        text = path.read_text()
        package, name, code, signature = text.split()
    except (OSError, ValueError) as error:
        raise ApkError(f"{path} is no APK.") from error
    if text == known.text:
        return known
    signer = FakeSigner(CERTIFICATES[signature], f"CN={CERTIFICATES[signature].decode()}")
    return FakeApk(package, name, int(code), signers=(signer,))


def inspecting(known: FakeApk) -> Callable[[Path], FakeApk]:
    """An inspection that knows one APK."""
    return lambda path: read_apk(path, known)
