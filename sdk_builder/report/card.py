"""A model card of a bundle: what its manifest says, and what was measured of these very bytes.

Markdown with the front matter of Hugging Face's model cards. Names and licences come from other
people's files, so everything is escaped: for YAML in the front matter, for Markdown below it.
"""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from sdk_builder.attention import describe
from sdk_builder.benchmark.analysis.energy import DEFAULT_GRID_G_PER_KWH, Energy
from sdk_builder.bundle.manifest import Manifest
from sdk_builder.bundle.manifest_file import identity
from sdk_builder.bundle.reader import Bundle
from sdk_builder.errors import InputError, UsageError, output_errors
from sdk_builder.evaluation.record import require_new
from sdk_builder.report import remarks, tables
from sdk_builder.report.card_tables import bias, domains, harness, perplexity
from sdk_builder.report.content import Table
from sdk_builder.report.fields import CaseRow, case_rows
from sdk_builder.report.markdown import escape, grid
from sdk_builder.report.numbers import MIB
from sdk_builder.report.paper_inputs import Inputs, Series, is_bundle, read_inputs
from sdk_builder.report.paper_tables import energy
from sdk_builder.report.quantization_table import judge, quantization

# Licences that Hugging Face knows by their SPDX name in small letters; any other is "other".
_LICENCES = {
    *("apache-2.0", "mit", "bsd-2-clause", "bsd-3-clause", "cc0-1.0", "cc-by-4.0"),
    *("cc-by-sa-4.0", "cc-by-nc-4.0", "gpl-3.0", "lgpl-3.0", "mpl-2.0", "unlicense"),
}
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
SUITES = {
    "perplexity": "perplexity and KL against the float model",
    "domain": "quality by domain (healthcare, legal, finance)",
    "lm-eval": "benchmarks of lm-eval",
    "crows-pairs": "CrowS-Pairs",
    "bbq": "BBQ",
    "toxigen": "ToxiGen",
    "implicit-hate": "Implicit Hate",
}


def card_of(
    bundle: Path, results: Sequence[Path] = (), *, grid_g_per_kwh: float = DEFAULT_GRID_G_PER_KWH
) -> str:
    """The card of the bundle at `bundle`, with what `results` say of it.

    results: evaluations, benchmark results, and folders of these. grid_g_per_kwh: grams of CO2
    equivalent of a kWh. Raises BundleError, UsageError for a negative grid factor, and InputError,
    naming the file, for one that cannot be read or is of another bundle.
    """
    if not 0 <= grid_g_per_kwh < float("inf"):
        raise UsageError(f"A grid factor is a number of at least 0, not {grid_g_per_kwh:g}.")
    with Bundle.open(bundle) as opened:
        manifest = opened.manifest
    for path in results:
        if is_bundle(path):
            raise InputError(f"{path} is a bundle, not a result.", "A card is of one bundle.")
    inputs = read_inputs(results)
    _require_same(inputs, identity(manifest))
    return make_card(manifest, inputs, grid_g_per_kwh)


def write_card(text: str, path: Path, *, force: bool = False) -> None:
    """Write a card, whole or not at all. Raises TargetExistsError, OutputError."""
    require_new(path, force=force)
    with output_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        new = path.with_name(f".{path.name}-{secrets.token_hex(4)}.new")
        try:
            new.write_text(text, encoding="utf-8", newline="\n")
            os.replace(new, path)
        finally:
            new.unlink(missing_ok=True)


def _require_same(inputs: Inputs, own: str) -> None:
    """Raise InputError for a file that says nothing of the bundle.

    An evaluation may be of several bundles, for their comparison: one must be this.
    """
    others = [
        file.path
        for file in inputs.evaluations
        if all(result.identity != own for result in file.results)
    ]
    others += [
        str(result.path) for result in inputs.dataset.results if result.run.bundle.identity != own
    ]
    if others:
        more = f" (and {len(others) - 1} more)." if others[1:] else "."
        raise InputError(
            f"{others[0]} is of another bundle{more}",
            "A card tells of one bundle's bytes: leave it out, or name the bundle it is of.",
        )


def make_card(manifest: Manifest, inputs: Inputs, grid_g_per_kwh: float) -> str:
    """The card's text."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("sdk_builder.report", "templates"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.update(yaml=yaml_text, line=lambda value: escape(str(value)), grid=_grid)
    own = identity(manifest)
    series = next((one for one in inputs.series if one.identity == own), Series("", ()))
    dataset = inputs.dataset
    rows = tuple(case_rows(dataset, grid_g_per_kwh))
    return environment.get_template("card.md.j2").render(
        manifest=manifest,
        identity=own,
        front=_front_matter(manifest),
        facts=tuple(_facts(manifest)),
        attention=describe(manifest.program.pattern),
        perplexity=perplexity(manifest, series),
        domains=domains(series),
        harness=harness(series),
        bias=bias(series),
        quantization=quantization(judge(inputs.comparisons)),
        speed=_speed(tables.headline(dataset, rows)),
        energy=energy(dataset, rows),
        warnings=(*inputs.warnings, *(remarks.warnings(dataset) if dataset.results else ())),
        missing=tuple(_missing(series, inputs, rows)),
        data=tuple(dict.fromkeys(d for r in series.results for d in r.data)),
        chosen=sorted(name for name, mark in manifest.model.fields.items() if mark == "chosen"),
    )


def _grid(table: Table) -> str:
    """Without marks: all that a card has was measured on its own bundle."""
    rows = tuple(tuple(replace(cell, mark="") for cell in row) for row in table.rows)
    return grid(replace(table, rows=rows))


def yaml_text(value: object) -> str:
    """A double-quoted YAML scalar; what is not printable is written as its number."""
    return f'"{"".join(map(_yaml_character, str(value)))}"'


def _yaml_character(character: str) -> str:
    if character in '"\\':
        return f"\\{character}"
    if character.isprintable() and character != "\ufeff":
        return character
    number = ord(character)
    return f"\\u{number:04x}" if number <= 0xFFFF else f"\\U{number:08x}"


# --- what the manifest says -------------------------------------------------------------------


def _front_matter(manifest: Manifest) -> dict[str, object]:
    model, scheme = manifest.model, manifest.quantization.scheme
    licence = (model.licence or "").strip()
    known = licence.lower() in _LICENCES
    name = model.source.name
    trained_hub = not model.untrained and _HUB_ID.fullmatch(name) is not None
    return {
        "license": licence.lower() if known else "other" if licence else "",
        "license_name": "" if known else licence,
        "base_model": name if trained_hub else "",
        "quantized": trained_hub and scheme != "none",
        "tags": ("shakti", "executorch", manifest.program.backend, scheme),
    }


def _facts(manifest: Manifest) -> Iterator[tuple[str, str]]:
    """Size and formats: terms and what they are."""
    model, quantization, program = manifest.model, manifest.quantization, manifest.program
    source = model.source
    seed = "" if source.seed is None else f", seed {source.seed}"
    kv_heads = "/".join(map(str, sorted(set(model.kv_heads))))
    yield "Model", f"{model.family} ({model.architecture}), {model.parameters:,} parameters"
    yield (
        "Shape",
        f"{model.layers} layers, hidden {model.hidden_size}, {model.heads} heads, {kv_heads} KV "
        f"heads, feed-forward {model.intermediate_size}, vocabulary {model.vocab_size:,}",
    )
    yield "Weights", "untrained, from a seed" if model.untrained else "trained"
    yield "Source", f"{source.name} ({source.kind}, {source.weight_format}{seed})"
    for file in source.files:
        yield "Source file", f"{file.name}, {file.size_bytes:,} bytes, SHA-256 {file.sha256}"
    yield "Licence", model.licence or "not known: the terms of the source hold"
    yield "Program", f"{program.size_bytes / MIB:.1f} MiB ({program.size_bytes:,} bytes)"
    yield (
        "Format",
        f"{quantization.scheme}: {quantization.linear.description}, by {quantization.method}",
    )
    yield "Bits per weight", f"{quantization.bits_per_weight:.2f}, scales included"
    yield "Embedding", quantization.embedding
    yield "KV cache", f"{quantization.kv_cache}, {manifest.kv_cache_bytes / MIB:.1f} MiB when full"
    yield "Context", f"{program.context_length:,} tokens, prompts in pieces of {program.max_chunk}"
    yield "Runs on", f"ExecuTorch, {program.backend}"
    yield "Identity", identity(manifest)
    yield "Program SHA-256", program.sha256


# --- what was measured, and what not ----------------------------------------------------------


def _speed(headline: Table) -> Table:
    """The report's headline without energy, which has a table of its own."""
    rows = tuple(tuple(row[:-2]) for row in headline.rows)
    said = "Not measured: no benchmark result was given."
    return replace(headline, columns=headline.columns[:-2], rows=rows, empty=said)


def _missing(series: Series, inputs: Inputs, rows: Sequence[CaseRow]) -> Iterator[str]:
    for suite, words in SUITES.items():
        if not series.metrics(suite):
            yield words
    if not inputs.comparisons:
        yield "differences to another format on the same items"
    kinds = {result.run.device.kind for result in inputs.dataset.results if result.valid}
    if "phone" not in kinds:
        yield "speed on a phone"
    if "host" not in kinds:
        yield "speed on a computer"
    if not any(isinstance(row.energy, Energy) for row in rows):
        yield "energy and carbon"
