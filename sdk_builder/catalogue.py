"""What can be exported by name, with its size in each format before any work. No torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from sdk_builder.attention import (
    USUAL_CHUNK,
    USUAL_CONTEXT,
    RingCache,
    kv_cache_bytes,
    parse_attention,
)
from sdk_builder.errors import UnknownModelError
from sdk_builder.models.presets import (
    PRESETS,
    Preset,
    PresetField,
    head_dim,
    kv_heads,
    nearest_name,
)
from sdk_builder.models.sources import SOURCES, Source, find_source, known_names
from sdk_builder.quantization.options import KV_FORMATS
from sdk_builder.quantization.schemes import SCHEMES

ATTENTIONS = ("full", "window:960", "block-sparse")


@dataclass(frozen=True)
class Entry:
    """One name that `export` takes."""

    name: str
    summary: str
    kind: Literal["preset", "source"]
    parameters: int
    sizes: Mapping[str, int]  # scheme -> estimated bytes of the program
    weights: Literal["trained", "untrained"]  # untrained ones are made from a seed
    download_bytes: int = 0  # fetched once, at the first export
    licence: str | None = None
    aliases: tuple[str, ...] = ()
    fields: Mapping[str, PresetField] = field(default_factory=dict)
    kv_heads: tuple[int, ...] = ()  # of each layer
    head_dim: int = 0

    @property
    def kv_cache_bytes(self) -> dict[str, dict[str, int]]:
        """Memory of a full KV cache, by attention and by format, for `USUAL_CONTEXT` positions."""
        return {
            attention: {
                kv: kv_cache_bytes(
                    self.kv_heads, self.head_dim, kv, _ring(attention), USUAL_CONTEXT
                )
                for kv in KV_FORMATS
            }
            for attention in ATTENTIONS
        }


def entries(name: str | None = None) -> tuple[Entry, ...]:
    """Every entry, or the one that `name` means. Raises UnknownModelError."""
    if name is None:
        presets = map(_preset_entry, PRESETS.values())
        return (*map(_source_entry, SOURCES.values()), *presets)
    if source := find_source(name):
        return (_source_entry(source),)
    if preset := PRESETS.get(name.casefold()):
        return (_preset_entry(preset),)
    nearest = nearest_name(name, known_names())
    raise UnknownModelError(f"No preset or source is called {name}.", nearest=nearest)


def estimated_sizes(parameters: int) -> dict[str, int]:
    """Bytes of a program in each scheme, before any work: what the scheme's name promises."""
    return {name: round(parameters * one.nominal_bits / 8) for name, one in SCHEMES.items()}


def _ring(attention: str) -> RingCache | None:
    pattern = parse_attention(attention, USUAL_CONTEXT)
    return None if pattern is None else RingCache(pattern, USUAL_CHUNK)


def _preset_entry(preset: Preset) -> Entry:
    return Entry(
        name=preset.name,
        summary=preset.summary,
        kind="preset",
        parameters=preset.parameters,
        sizes=estimated_sizes(preset.parameters),
        weights="untrained",
        fields=preset.fields,
        kv_heads=tuple(kv_heads(preset.values)),
        head_dim=head_dim(preset.values),
    )


def _source_entry(source: Source) -> Entry:
    return Entry(
        name=source.name,
        summary=source.summary,
        kind="source",
        parameters=source.parameters,
        sizes=estimated_sizes(source.parameters),
        weights="trained",
        download_bytes=source.wheel_bytes,
        licence=source.licence,
        aliases=source.aliases,
        kv_heads=source.kv_heads,
        head_dim=source.head_dim,
    )
