"""`shakti-sdk models`: presets and sources, with their size in each format."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from sdk_builder.attention import USUAL_CONTEXT
from sdk_builder.cli.invocation import Invocation, command_options
from sdk_builder.cli.output import human_bytes, human_count, table

if TYPE_CHECKING:
    from sdk_builder.catalogue import Entry


@click.command("models")
@click.argument("name", required=False)
@command_options
def models(invocation: Invocation, name: str | None) -> None:
    """Which models can be exported by name, and how large they get.

    Sizes are estimates: parameters times the effective bits per weight of each format. With
    NAME, or with -v, every field of a preset is shown with its mark (published in the model's
    paper, or chosen by us), and the KV cache's memory for each kind of attention. Besides these
    names, export takes a Hugging Face folder and a .gguf file.
    """
    entries = invocation.library.catalogue(name)
    shown = [_line(entry) for entry in entries]
    schemes = list(entries[0].sizes) if entries else []
    header = ["model", "parameters", *schemes, "weights", ""]
    text = table(shown, header=header, right="l" + "r" * (len(schemes) + 1))
    if invocation.verbose or name:
        text += "".join(f"\n\n{_details(entry)}" for entry in entries)
    invocation.result({"models": [_document(entry) for entry in entries]}, text)
    invocation.remark("\nNext: shakti-sdk export MODEL --quant q4")


def _line(entry: Entry) -> list[str]:
    sizes = [human_bytes(size) for size in entry.sizes.values()]
    return [entry.name, human_count(entry.parameters), *sizes, entry.weights, entry.summary]


def _details(entry: Entry) -> str:
    parts = [_fields(entry)] if entry.fields else []
    return "\n\n".join([*parts, _kv_cache(entry)])


def _kv_cache(entry: Entry) -> str:
    """A full KV cache's memory: a row for each attention, a column for each format."""
    by_attention = entry.kv_cache_bytes
    rows = [[name, *map(human_bytes, sizes.values())] for name, sizes in by_attention.items()]
    formats = list(next(iter(by_attention.values())))
    header = [f"KV cache, {USUAL_CONTEXT:,} positions", *formats]
    return f"{entry.name}\n" + table(rows, header=header, right="l" + "r" * len(formats))


def _fields(entry: Entry) -> str:
    rows = [
        [name, str(field.value), "published" if field.published else "chosen", field.source]
        for name, field in entry.fields.items()
    ]
    return f"{entry.name}\n" + table(rows)


def _document(entry: Entry) -> dict[str, Any]:
    return {
        "name": entry.name,
        "summary": entry.summary,
        "kind": entry.kind,
        "aliases": list(entry.aliases),
        "parameters": entry.parameters,
        "weights": entry.weights,
        "download_bytes": entry.download_bytes,
        "licence": entry.licence,
        "kv_cache_bytes": entry.kv_cache_bytes,
        "estimated_size_bytes": dict(entry.sizes),
        "fields": {
            name: {
                "value": field.value,
                "mark": "published" if field.published else "chosen",
                "source": field.source,
            }
            for name, field in entry.fields.items()
        },
    }
