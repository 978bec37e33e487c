"""The bundle: one program, its tokenizer, and a manifest that says what they are.

The contract between every part of shakti-sdk and the app. Nothing here needs torch.
"""

from __future__ import annotations

from sdk_builder.bundle.chat import ChatTurns, derive_turns, render, render_turn
from sdk_builder.bundle.checks import CheckResult, check_files
from sdk_builder.bundle.manifest import MANIFEST_NAME, SCHEMA_VERSION, Manifest
from sdk_builder.bundle.manifest_file import decode_manifest, encode_manifest, identity
from sdk_builder.bundle.reader import Bundle
from sdk_builder.bundle.writer import BundleWriter, write_zip

__all__ = [
    "MANIFEST_NAME",
    "SCHEMA_VERSION",
    "Bundle",
    "BundleWriter",
    "ChatTurns",
    "CheckResult",
    "Manifest",
    "check_files",
    "decode_manifest",
    "derive_turns",
    "encode_manifest",
    "identity",
    "render",
    "render_turn",
    "write_zip",
]
