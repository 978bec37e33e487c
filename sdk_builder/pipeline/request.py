"""What an export is asked to do, and what it gives back."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sdk_builder.attention import (
    LAST_POSITION,
    USUAL_CHUNK,
    USUAL_CONTEXT,
    Pattern,
    RingCache,
    fitting_chunk,
    parse_attention,
)
from sdk_builder.bundle.reader import Bundle
from sdk_builder.quantization.options import QuantOptions

if TYPE_CHECKING:
    from sdk_builder.models.checkpoint import Checkpoint

DEFAULT_CONTEXT = USUAL_CONTEXT
LEAST_CONTEXT = 16  # what the golden prompts need


@dataclass(frozen=True)
class ExportRequest:
    """model: a preset, a named source, a folder or a file; output: the bundle's folder.

    device: "android" or "host" (both get the same program, which must run on Android); quant:
    "none", "q8", "q5" or "q4"; context_length: positions of the KV cache; chunk: most prompt tokens
    a call; seed: of a preset's untrained weights; tokenizer: to use instead of the checkpoint's;
    force: replace an existing bundle; verify: compare the program with the model; zip: also write
    one file; method: how quantized values are found, one of `quantization.options.METHODS`;
    group_size, embedding, bits: see `QuantOptions`; kv: format of the KV cache; attention: see
    `attention.parse_attention`, None for what the model was made with; calibration: a text file
    whose activations the method looks at.
    """

    model: str
    output: Path
    device: str = "android"
    quant: str = "q4"
    context_length: int = DEFAULT_CONTEXT
    chunk: int | None = None
    seed: int | None = None
    tokenizer: Path | None = None
    force: bool = False
    verify: bool = True
    zip: bool = False
    method: str = "auto"
    group_size: int | None = None
    embedding: str | None = None
    bits: float | None = None
    kv: str = "fp32"
    attention: str | None = None
    calibration: Path | None = None

    @property
    def quant_options(self) -> QuantOptions:
        """What is changed of the scheme."""
        return QuantOptions(self.group_size, self.embedding, self.bits)

    @property
    def pattern(self) -> Pattern | None:
        """Which positions are looked at, None for all. Raises UsageError."""
        return parse_attention(self.attention or "full", self.context_length)

    @property
    def ring(self) -> RingCache | None:
        """How a pattern's cache is laid out. Raises UsageError."""
        return None if self.pattern is None else RingCache(self.pattern, self.max_chunk)

    @property
    def positions(self) -> int:
        """Longest text: where each layer has a pattern, as far as rotary angles are exact."""
        pattern = self.pattern
        return self.context_length if pattern is None or pattern.global_every else LAST_POSITION

    @property
    def max_chunk(self) -> int:
        """Most tokens a call takes: never more than the context holds."""
        if self.chunk:
            return min(self.chunk, self.context_length)
        return fitting_chunk(self.pattern, min(USUAL_CHUNK, self.context_length))


def loses_by_attention(request: ExportRequest, checkpoint: Checkpoint) -> bool:
    """Whether the model learned something with another attention than the request's."""
    return request.pattern != checkpoint.config.pattern and not checkpoint.source.untrained


@dataclass(frozen=True)
class ExportResult:
    """The bundle, and the zip of it where one was asked for."""

    bundle: Bundle
    zip_path: Path | None
