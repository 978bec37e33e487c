"""Keys, signatures and their verification, by Android's own library in a JVM."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sdk_builder.app.jdk import Jdk, class_path, run_java
from sdk_builder.app.keep import made_folder
from sdk_builder.errors import KeystoreError, ToolchainError, UsageError
from sdk_builder.process import run

_PROGRAM = Path(__file__).parent / "java" / "ApkSigning.java"
_TIMEOUT_S = 300.0
STORE_PASSWORD_VARIABLE = "SHAKTI_KEYSTORE_PASSWORD"
KEY_PASSWORD_VARIABLE = "SHAKTI_KEY_PASSWORD"
_DEBUG_PASSWORD = "android"  # no secret, as with Android Studio's debug key
_DEBUG_ALIAS = "debug"


@dataclass(frozen=True)
class Keystore:
    """A key that signs. alias "" is the only key; key_password None is the store's."""

    path: Path
    alias: str = ""
    store_password: str = field(default="", repr=False)
    key_password: str | None = field(default=None, repr=False)

    @classmethod
    def from_environment(cls, path: Path, alias: str = "") -> Keystore:
        """The passwords come from SHAKTI_KEYSTORE_PASSWORD and SHAKTI_KEY_PASSWORD.

        Raises UsageError where the first is not set.
        """
        password = os.environ.get(STORE_PASSWORD_VARIABLE)
        if password is None:
            raise UsageError(
                f"The password of {path} is not known.",
                f"Set {STORE_PASSWORD_VARIABLE}, and {KEY_PASSWORD_VARIABLE} if the key has "
                "another one.",
            )
        return cls(path, alias, password, os.environ.get(KEY_PASSWORD_VARIABLE))


@dataclass(frozen=True)
class Verified:
    """What Android's verifier says: which schemes hold, the signers' certificates (SHA-256)."""

    v2: bool
    v3: bool
    signers: tuple[str, ...]


def debug_keystore(jdk: Jdk, cache: Path) -> Keystore:
    """The key of this user's own builds, made when it is first needed. Raises ToolchainError."""

    def make(target: Path) -> None:
        run(
            [
                *(jdk.tool("keytool"), "-genkeypair", "-keystore", target / "debug.p12"),
                *("-storetype", "PKCS12", "-storepass", _DEBUG_PASSWORD),
                *("-alias", _DEBUG_ALIAS, "-keyalg", "RSA", "-keysize", "2048"),
                *("-validity", "10950", "-dname", "CN=Shakti Debug"),
            ],
            timeout_s=_TIMEOUT_S,
            what="making the debug key",
        )

    folder = made_folder(cache / "debug-key", make)
    return Keystore(folder / "debug.p12", _DEBUG_ALIAS, _DEBUG_PASSWORD)


def sign(
    jdk: Jdk, signer: Sequence[Path], keystore: Keystore, unsigned: Path, signed: Path
) -> None:
    """Sign with the schemes v2 and v3. Raises KeystoreError, ToolchainError."""
    if not keystore.path.is_file():
        raise KeystoreError(f"The keystore {keystore.path} is not there.", "Check its path.")
    environment = {
        "APK_KEYSTORE": str(keystore.path),
        "APK_ALIAS": keystore.alias,
        "APK_STORE_PASSWORD": keystore.store_password,
        "APK_KEY_PASSWORD": (
            keystore.store_password if keystore.key_password is None else keystore.key_password
        ),
    }
    done = run_java(
        jdk,
        ["-cp", class_path(signer), _PROGRAM, "sign", unsigned, signed],
        what="signing the APK",
        timeout_s=_TIMEOUT_S,
        env=environment,
        check=False,
    )
    if done.returncode == 2:
        raise KeystoreError(
            f"{keystore.path} cannot sign: {done.stderr.strip()}.",
            f"Check the alias, and the passwords in {STORE_PASSWORD_VARIABLE} and "
            f"{KEY_PASSWORD_VARIABLE}.",
        )
    if done.returncode:
        raise ToolchainError("The APK could not be signed.", done.stderr.strip())


def verify(jdk: Jdk, signer: Sequence[Path], apk: Path, min_sdk: int, max_sdk: int) -> Verified:
    """What every Android from `min_sdk` to `max_sdk` says of the APK's signature.

    Raises ToolchainError where one of them refuses it.
    """
    done = run_java(
        jdk,
        ["-cp", class_path(signer), _PROGRAM, "verify", apk, str(min_sdk), str(max_sdk)],
        what="verifying the APK's signature",
        timeout_s=_TIMEOUT_S,
    )
    said: dict[str, list[str]] = {}
    for line in done.stdout.splitlines():
        key, _, value = line.partition("=")
        said.setdefault(key, []).append(value)
    if said.get("verified") != ["true"]:
        raise ToolchainError(
            f"The signature of {apk.name} does not hold.", "\n".join(said.get("error", []))
        )
    v2, v3 = (said.get(scheme) == ["true"] for scheme in ("v2", "v3"))
    return Verified(v2, v3, tuple(said.get("signer", ())))
