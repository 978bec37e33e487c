"""Android's framework, made small: what the compilers need of a jar of all of Android."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path

from sdk_builder.app.keep import made_folder
from sdk_builder.errors import ToolchainError

# Packages that an app may use; what else the jar has is the system's own.
PACKAGES = ("android/", "dalvik/", "org/json/", "org/xml/", "org/xmlpull/", "org/w3c/", "javax/")
INTERNAL = ("android/internal/",)
# Hidden parts of public classes refer to what is left out.
RULES = "-dontwarn com.android.**\n-dontwarn android.internal.**\n"
RESOURCES = ("resources.arsc", "AndroidManifest.xml")
FORM = "2"  # of what is made; another one makes it anew
_FIXED_TIME = (1981, 1, 1, 1, 1, 2)


@dataclass(frozen=True)
class Framework:
    """classes: a jar to compile against; resources: what aapt2 links against.

    shrinker_rules: what the shrinker must be told of a jar that is not whole. lacks_java: it has
    Android's packages only, so that java.* is the JDK's.
    """

    classes: Path
    resources: Path
    shrinker_rules: tuple[Path, ...] = ()
    lacks_java: bool = False


def slim_framework(everything: Path, sha256: str, cache: Path) -> Framework:
    """The framework out of an android-all jar, made once for each content.

    Raises ToolchainError where the jar is no such one, OutputError.
    """
    folder = made_folder(cache / f"{sha256[:16]}-{FORM}", lambda target: _slim(everything, target))
    return Framework(
        folder / "classes.jar", folder / "resources.apk", (folder / "rules.pro",), lacks_java=True
    )


def _slim(everything: Path, target: Path) -> None:
    (target / "rules.pro").write_text(RULES, encoding="utf-8")
    try:
        with (
            zipfile.ZipFile(everything) as source,
            zipfile.ZipFile(target / "classes.jar", "w", zipfile.ZIP_STORED) as classes,
            zipfile.ZipFile(target / "resources.apk", "w", zipfile.ZIP_STORED) as resources,
        ):
            for entry in source.infolist():
                if entry.filename in RESOURCES:
                    _copy(source, entry, resources)
                elif _is_public(entry.filename):
                    _copy(source, entry, classes)
    except zipfile.BadZipFile as error:
        raise ToolchainError(f"{everything.name} is no jar: {error}.") from error


def _is_public(name: str) -> bool:
    return name.endswith(".class") and name.startswith(PACKAGES) and not name.startswith(INTERNAL)


def _copy(source: zipfile.ZipFile, entry: zipfile.ZipInfo, target: zipfile.ZipFile) -> None:
    target.writestr(zipfile.ZipInfo(entry.filename, _FIXED_TIME), source.read(entry))
