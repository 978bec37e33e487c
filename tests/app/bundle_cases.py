"""Manifests and zips for the app's parser, each with what the host says about it.

    python -m tests.app.bundle_cases FOLDER

`manifests.jsonl` has a line a case: `name`, `data` (the file's bytes, base64), `verdict`
("accepted", "newer", "refused" by the host, "too_large" by the app alone) and, where it was
accepted, `says`: what the app must have read. `zips` holds bundles as the SDK writes them.
"""

from __future__ import annotations

import base64
import hashlib
import json
import random
import re
import struct
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings

from sdk_builder.attention import FIRST_SINKS
from sdk_builder.bundle import decode_manifest, encode_manifest, write_zip
from sdk_builder.bundle.manifest import Manifest
from sdk_builder.bundle.manifest_file import checksum_matches
from sdk_builder.bundle.record import canonical_json
from sdk_builder.errors import BundleError
from tests.unit.bundle.samples import manifests, sample_manifest, write_bundle

MANIFESTS_FILE = "manifests.jsonl"
ZIPS_FOLDER = "zips"
VALID_MANIFESTS = 150
CHANGES_EACH = 12  # of fields, and again of bytes
BIG_PROGRAM = bytes(range(256)) * 4096
LARGEST_32 = 2**31 - 1

# Kept by the app in 32 bits, which no real bundle exceeds.
IN_32_BITS = (
    *(("model", name) for name in ("layers", "heads", "head_dim", "vocab_size")),
    *(("program", name) for name in ("context_length", "max_chunk", "global_every")),
    ("tokenizer", "vocab_size"),
    ("generation", "max_tokens"),
)

# Values as raw JSON, some of them none, that readers take differently or that are out of range.
VALUES = (
    *("0", "-0", "-0.0", "1", "-1", "1.0", "2E0", "1e2", "1e999", "-1e999", "1e-400", "4.9e-324"),
    *("01", "1.", ".5", "+1", "1e", "0x10", "1_000", "--1", "-", "NaN", "Infinity", "-Infinity"),
    *("2147483647", "2147483648", "9223372036854775807", "9223372036854775808"),
    *("-9223372036854775808", "1" + "0" * 308, "1" + "0" * 309, "1" * 4300, "1" * 4301),
    *("0." + "1" * 5000, "1e" + "9" * 400, "2.5", "0.3", "1.0000000000000001"),
    *("true", "false", "null", "True", "nul", "undefined", "'text'", "text"),
    *('""', '"q4"', '"0"', '"\\u0000"', '"\\ud83d\\ude42"', '"\\ud83d"', '"\\ude42\\ud83d"'),
    *('"\\x41"', '"\\u12"', '"a\tb"', '"a\\tb"', '"\\/"', '"\\', '"', '"\\u00e9 \u0928\u092e"'),
    *("[]", "[1]", "[1,]", "[,]", "[null]", "[[1]]", '["turn"]', "[1 2]", "[0, 1, 2]", "["),
    *("{}", '{"a": 1}', '{"a": 1, "a": 1}', '{"a": 1, "\\u0061": 1}', '{"a" 1}', "{a: 1}"),
    *('{"": null}', '{"\\ud800": 1}', "{1: 2}", '{"a": {"b": [{}]}}', "/* */ 1", "1 // x"),
    *('"../model.pte"', '"model.pte"', '"manifest.json"', '"tokenizer.json"', '".x"', '"a/b"'),
    *('"' + "a" * 64 + '"', '"' + "A" * 64 + '"', '"' + "0" * 63 + '"', '"' + "x" * 129 + '"'),
    *('"published"', '"none"', '"first_user"', '"user"', '"safetensors"', '"model.pte\\n"'),
    *("[" * depth + "]" * depth for depth in (5, 190, 197, 198, 199, 200, 300, 3000)),
)
VERSIONS = (
    *(
        "1.0",
        "1.1",
        "1.999999",
        "1.1000000",
        "2.0",
        "0.9",
        "99.0",
        "01.0",
        "1",
        "1.",
        ".1",
        "1.0.0",
    ),
    *(" 1.0", "1.0 ", "1.0\n", "v1.0", "\u0661.0", "-1.0", ""),
)
_PLACE = "@@the value@@"
_CHECKSUM = re.compile(rb'(?<=\n  "checksum": ")[0-9a-f]{64}(?=",?\n)')


def write_cases(folder: Path) -> None:
    """Make all of them in `folder`, always the same ones."""
    (folder / ZIPS_FOLDER).mkdir(parents=True, exist_ok=True)
    lines = [json.dumps(case) for case in manifest_cases()]
    (folder / MANIFESTS_FILE).write_text("\n".join(lines) + "\n", encoding="utf-8")
    for name, program in (("tiny", None), ("megabyte", BIG_PROGRAM)):
        bundle = folder / "bundles" / name
        changes = {} if program is None else {"program": program}
        write_bundle(bundle, force=True, **changes)
        write_zip(bundle, folder / ZIPS_FOLDER / f"{name}.zip", force=True)
    _write_as_if_large(folder / "bundles" / "tiny", folder / ZIPS_FOLDER / "tiny-64.zip")


def _write_as_if_large(bundle: Path, target: Path) -> None:
    """The zip of a small bundle in the form that files beyond 2 GiB get."""
    with zipfile.ZipFile(target, "w") as archive:
        for path in sorted(bundle.iterdir()):
            with archive.open(path.name, "w", force_zip64=True) as file:
                file.write(path.read_bytes())


def manifest_cases() -> Iterator[dict[str, Any]]:
    """Valid manifests and changed ones."""
    made = [encode_manifest(sample_manifest()), *_any_manifests()]
    for number, data in enumerate(made):
        yield case(f"valid {number}", data)
        chance = random.Random(number)
        for change in range(CHANGES_EACH):
            yield case(f"field {number}.{change}", _with_changed_field(data, chance))
            yield case(f"bytes {number}.{change}", _with_changed_bytes(data, chance))
    sample = made[0]
    yield from _versions(sample)
    yield from _limits(sample)
    for number, value in enumerate(VALUES):
        for minor in ("1.0", "1.7"):
            yield case(f"value {number} in {minor}", _with_unknown(sample, value, minor))


def case(name: str, data: bytes) -> dict[str, Any]:
    """A case with the host's verdict."""
    return {"name": name, "data": base64.b64encode(data).decode(), **verdict(data)}


def verdict(data: bytes) -> dict[str, Any]:
    """What the host says about a manifest's bytes; its checksum must be right, too."""
    try:
        manifest = decode_manifest(data, "manifest.json")
    except BundleError as error:
        newer = "made by a newer shakti-sdk" in error.message
        return {"verdict": "newer" if newer else "refused", "why": error.message[:200]}
    if not checksum_matches(data):
        return {"verdict": "refused", "why": "checksum"}
    if beyond_32_bits(manifest):
        return {"verdict": "too_large", "why": "more than 32 bits"}
    return {"verdict": "accepted", "says": said_to_the_app(manifest)}


def beyond_32_bits(manifest: Manifest) -> bool:
    """Whether the app refuses a number that the host accepts."""
    numbers = [getattr(getattr(manifest, part), name) or 0 for part, name in IN_32_BITS]
    return max([*numbers, *manifest.model.kv_heads]) > LARGEST_32


def said_to_the_app(manifest: Manifest) -> dict[str, Any]:
    """The fields that the app keeps, under its names."""
    model, quantization, program = manifest.model, manifest.quantization, manifest.program
    tokenizer, chat, quality = manifest.tokenizer, manifest.chat, manifest.quality
    return {
        "schemaVersion": manifest.schema_version,
        "name": manifest.name,
        "model": [
            *(model.family, model.architecture, model.parameters, model.untrained, model.layers),
            *(model.vocab_size, model.licence, list(model.kv_heads), model.head_dim),
            *(model.source.kind, model.source.name, model.source.weight_format),
        ],
        "quantization": [
            *(quantization.scheme, _number(quantization.bits_per_weight), quantization.kv_cache),
            *(quantization.method, quantization.weights_bytes),
        ],
        "program": [
            *(program.file, program.size_bytes, program.sha256, program.context_length),
            *(program.max_chunk, program.window),
            program.sparse and list(program.sparse.model_dump().values()),
            *(program.pattern.sinks if program.pattern else FIRST_SINKS, program.global_every),
            *(program.backend, list(program.operators)),
        ],
        "tokenizer": [
            *(tokenizer.file, tokenizer.kind, tokenizer.sha256, tokenizer.vocab_size),
            *(tokenizer.bos_id, list(tokenizer.eos_ids), tokenizer.add_bos),
        ],
        "chat": chat
        and [
            *(chat.begin, chat.system_place, chat.system_prefix, chat.system_suffix),
            *(chat.default_system, chat.user_prefix, chat.user_suffix, chat.assistant_prefix),
            *(chat.assistant_suffix, chat.generation_prompt),
            *(role in chat.strip_roles for role in ("system", "user", "assistant")),
        ],
        "generation": [
            *(_number(manifest.generation.temperature), _number(manifest.generation.top_p)),
            *(manifest.generation.max_tokens, list(manifest.generation.stop)),
        ],
        "golden": [
            [prompt.text, list(prompt.prompt_ids), list(prompt.expected_ids)]
            for prompt in manifest.golden
        ],
        "quality": [
            *map(_number, (quality.perplexity, quality.perplexity_ratio, quality.kl)),
            quality.note,
        ],
    }


def _number(value: float | None) -> str | None:
    """A double by its bits, so that no printing comes between the two readers; -0.0 as 0.0."""
    return None if value is None else struct.pack(">d", value + 0.0).hex()


def _any_manifests() -> list[bytes]:
    found: list[bytes] = []

    @settings(
        max_examples=VALID_MANIFESTS,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(manifests())
    def collect(manifest: Manifest) -> None:
        found.append(encode_manifest(manifest))

    collect()
    return found


def _with_changed_field(data: bytes, chance: random.Random) -> bytes:
    """Another value, a missing or an unknown field, somewhere in the tree."""
    fields = json.loads(data)
    holder, key = chance.choice(list(_places(fields)))
    kind = chance.choice(("value", "value", "value", "missing", "unknown"))
    if kind == "missing":
        del holder[key]
    elif kind == "unknown" and isinstance(holder, dict):
        holder[f"{key}_too"] = holder[key]
        fields["schema_version"] = chance.choice(("1.0", "1.3"))
    else:
        holder[key] = _PLACE
        fields.setdefault("schema_version", "1.0")
    return _rewritten(fields, chance.choice(VALUES))


def _with_unknown(data: bytes, value: str, version: str) -> bytes:
    """A field of a newer minor version, which holds `value`."""
    return _rewritten({**json.loads(data), "schema_version": version, "new": _PLACE}, value)


def _versions(data: bytes) -> Iterator[dict[str, Any]]:
    for version in VERSIONS:
        yield case(
            f"version {version!r}", _rewritten({**json.loads(data), "schema_version": version})
        )
    for value in ("1.0", "null", "[1, 0]", "1"):
        fields = {**json.loads(data), "schema_version": _PLACE}
        yield case(f"version as {value}", _rewritten(fields, value))


def _limits(data: bytes) -> Iterator[dict[str, Any]]:
    """The largest numbers that the app takes, and one more."""
    for part, name in IN_32_BITS:
        for number in (LARGEST_32, LARGEST_32 + 1):
            fields = json.loads(data)
            fields[part][name] = number
            yield case(f"{part}.{name} {number}", _rewritten(fields))


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every holder and key within a JSON value."""
    entries = value.items() if isinstance(value, dict) else enumerate(value)
    for key, inner in list(entries):
        yield value, key
        if isinstance(inner, dict | list):
            yield from _places(inner)


def _rewritten(fields: dict[str, Any], value: str = "") -> bytes:
    """The fields as a file with the right checksum, `value` in its place as it is."""
    text = canonical_json({**fields, "checksum": "0" * 64})
    return with_checksum(text.replace(json.dumps(_PLACE), value).encode())


def with_checksum(data: bytes) -> bytes:
    """The same file with the checksum that its bytes have, if there is a place for it."""
    blank = _CHECKSUM.sub(b"0" * 64, data)
    return _CHECKSUM.sub(hashlib.sha256(blank).hexdigest().encode(), blank)


def _with_changed_bytes(data: bytes, chance: random.Random) -> bytes:
    """A few bytes changed, added, or gone; most times with the checksum put right."""
    changed = bytearray(data)
    changes: tuple[Callable[[int], None], ...] = (
        lambda at: changed.__setitem__(at, chance.choice(b'"{}[]:,\\ 0-.eE\x00\x80\xff\xc3\xed')),
        lambda at: changed.insert(at, chance.choice(b'"{}[]:,\\ 0-.eE\x00\x80\xff\n\t')),
        lambda at: changed.__delitem__(slice(at, at + chance.randrange(1, 4))),
        lambda at: changed.__setitem__(slice(at, at), changed[at : at + chance.randrange(40)]),
    )
    for _ in range(chance.randrange(1, 3)):
        chance.choice(changes)(chance.randrange(len(changed)))
    return with_checksum(bytes(changed)) if chance.random() < 0.9 else bytes(changed)


if __name__ == "__main__":
    write_cases(Path(sys.argv[1]))
