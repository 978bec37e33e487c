"""A manifest as the bytes of `manifest.json`, and back.

The checksum is taken over the file's bytes, so that any reader can check it without
knowing how to write canonical JSON: set the 64 digits of the top-level `checksum` to
zeros, hash the whole file with SHA-256, compare.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from typing import Any

from pydantic import ValidationError

from sdk_builder.bundle.manifest import SCHEMA_VERSION, Manifest
from sdk_builder.bundle.record import canonical_json
from sdk_builder.errors import BundleError

MAX_MANIFEST_BYTES = 16 * 2**20  # far above any real one; a larger file is something else
EXPORT_AGAIN = "Export the model again, or copy the whole bundle from where it was made."

_ZEROS = "0" * 64
# Strings in JSON hold no raw newline and inner objects are indented further, so this
# matches nothing but the top-level field.
_CHECKSUM = re.compile(rb'(?<=\n  "checksum": ")[0-9a-f]{64}(?=",?\n)')
_PLAIN_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}", re.ASCII)


def encode_manifest(manifest: Manifest) -> bytes:
    """The bytes of manifest.json: canonical JSON with its checksum. Raises BundleError."""
    fields = manifest.model_dump(mode="json")
    blank = canonical_json({**fields, "checksum": _ZEROS}).encode()
    return _CHECKSUM.sub(_digest(blank).encode(), blank)


def decode_manifest(data: bytes, where: str) -> Manifest:
    """Read what encode_manifest wrote; `where` names the file in errors.

    The checksum must be there, but whether it is right is a matter for checksum_matches,
    so that a check can report it beside other findings.

    Raises BundleError, in one line that names the field, for anything else than a manifest
    of our major version.
    """
    value = _parse_json(data, where)
    newer_minor = _check_version(value, where)
    if not isinstance(value.pop("checksum", None), str):
        raise BundleError(f"{where}: checksum: Field required.", EXPORT_AGAIN)
    try:
        # Through text, for in Python's own lists and numbers strict mode sees other types.
        return Manifest.model_validate_json(
            json.dumps(value), extra="ignore" if newer_minor else "forbid"
        )
    except RecursionError as error:
        raise BundleError(f"{where} is nested too deeply.", EXPORT_AGAIN) from error
    except ValidationError as error:
        raise BundleError(f"{where}: {_first_problem(error)}.", EXPORT_AGAIN) from error


def checksum_matches(data: bytes) -> bool:
    """Whether these bytes of a manifest.json are the ones that were written."""
    found = _CHECKSUM.findall(data)
    return len(found) == 1 and _digest(_CHECKSUM.sub(_ZEROS.encode(), data)).encode() == found[0]


def identity(manifest: Manifest) -> str:
    """A SHA-256 that is equal for bundles that differ in nothing but provenance."""
    return _digest(
        canonical_json(manifest.model_dump(mode="json", exclude={"provenance"})).encode()
    )


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _parse_json(data: bytes, where: str) -> dict[str, Any]:
    """The JSON object in `data`; BundleError for anything else, a cut-off file included."""
    if not data.endswith(b"}\n"):
        raise BundleError(f"{where} is cut off or not a manifest.", EXPORT_AGAIN)
    try:
        value = json.loads(
            data.decode("utf-8"),
            object_pairs_hook=_object_without_duplicates,
            parse_constant=_refuse_constant,
        )
    except (ValueError, RecursionError) as error:  # Unicode and JSON errors are ValueErrors
        raise BundleError(
            f"{where} is not valid JSON: {_one_line(str(error))}.", EXPORT_AGAIN
        ) from (error)
    if not isinstance(value, dict):
        raise BundleError(f"{where} is not a manifest: it holds no JSON object.", EXPORT_AGAIN)
    return value


def _object_without_duplicates(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise ValueError("a field is given twice")
    return value


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is not a number")


def _check_version(value: dict[str, Any], where: str) -> bool:
    """Whether the file is of our major version and a newer minor one. Raises BundleError."""
    version = value.get("schema_version")
    if version is None:
        raise BundleError(
            f"{where} is not a shakti-sdk manifest: it has no schema_version.", EXPORT_AGAIN
        )
    if not isinstance(version, str) or not re.fullmatch("[0-9]{1,6}[.][0-9]{1,6}", version):
        raise BundleError(
            f'{where}: schema_version: expected text such as "{SCHEMA_VERSION}".', EXPORT_AGAIN
        )
    major, minor = (int(part) for part in version.split("."))
    our_major, our_minor = (int(part) for part in SCHEMA_VERSION.split("."))
    if major > our_major:
        raise BundleError(
            f"{where} was made by a newer shakti-sdk (schema {version}, this one reads "
            f"{our_major}.x).",
            "Upgrade: pip install --upgrade shakti-sdk",
        )
    if major < our_major:
        raise BundleError(
            f"{where} was made by an older shakti-sdk (schema {version}, this one reads "
            f"{our_major}.x).",
            "Export the model again.",
        )
    return minor > our_minor


def _first_problem(error: ValidationError) -> str:
    """pydantic's first finding in one line, led by the path of its field."""
    problems = error.errors(include_url=False, include_context=False, include_input=False)
    first = problems[0]
    message = first["msg"].removeprefix("Value error, ")
    if first["type"] == "extra_forbidden":
        message = "unknown field"
    path = _field_path(first["loc"])
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    return _one_line(f"{path}: {message}{more}" if path else f"{message}{more}")


def _field_path(location: Sequence[int | str]) -> str:
    """("program", "methods", 0, "name") as ``program.methods[0].name``."""
    path = ""
    for part in location:
        if isinstance(part, int):
            path += f"[{part}]"
        else:
            # Names of unknown fields come from the file and may be anything.
            name = part if _PLAIN_KEY.fullmatch(part) else json.dumps(part[:40])
            path += f".{name}" if path else name
    return path


def _one_line(text: str) -> str:
    return " ".join(text.split()).rstrip(".")
