"""What a tuning is asked to do, and what it gives back."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sdk_builder.pipeline.request import DEFAULT_CONTEXT, ExportRequest
from sdk_builder.tuning.choice import Limits, Row
from sdk_builder.tuning.search import Found

DEFAULT_TOKENS, QUICK_TOKENS = 4096, 1024


@dataclass(frozen=True)
class TuneRequest:
    """model: as for an export; text: UTF-8 file that judges; output: the search's folder.

    max_size_bytes, max_ratio: the limits; tokens: of the text, None leaves it to us; quants to
    bits: values of the axes that the user chose, empty leaves them to us; quick: less of
    everything; full: everything the exporter can do; keep: "best", "all" or "none" of the bundles;
    again: measure what was measured before, too; exhaustive: do not stop when limits look out of
    reach; with_speed: decoding counts on the front; the others: as in `ExportRequest`.
    """

    model: str
    text: Path
    output: Path
    max_size_bytes: int | None = None
    max_ratio: float | None = None
    tokens: int | None = None
    quants: tuple[str, ...] = ()
    methods: tuple[str, ...] = ()
    group_sizes: tuple[int, ...] = ()
    embeddings: tuple[str, ...] = ()
    bits: tuple[float, ...] = ()
    kvs: tuple[str, ...] = ()
    quick: bool = False
    full: bool = False
    keep: str = "best"
    again: bool = False
    exhaustive: bool = False
    with_speed: bool = False
    context_length: int = DEFAULT_CONTEXT
    seed: int | None = None
    tokenizer: Path | None = None
    calibration: Path | None = None

    @property
    def export(self) -> ExportRequest:
        """The export that candidates change."""
        return ExportRequest(
            model=self.model,
            output=self.output,
            context_length=self.context_length,
            seed=self.seed,
            tokenizer=self.tokenizer,
            calibration=self.calibration,
        )

    @property
    def most_tokens(self) -> int:
        """Tokens of the text that are used, if it has so many."""
        return self.tokens or (QUICK_TOKENS if self.quick else DEFAULT_TOKENS)

    @property
    def limits(self) -> Limits:
        """The user's."""
        return Limits(self.max_size_bytes, self.max_ratio)


@dataclass(frozen=True)
class Tuned:
    """found: the rows and the recommendation; plots: files; command: that exports it, or empty;
    bundle: of the recommended candidate, where it was kept; trials: the JSONL file.
    """

    found: Found
    plots: tuple[Path, ...]
    command: str
    bundle: Path | None
    trials: Path

    @property
    def rows(self) -> tuple[Row, ...]:
        return self.found.rows

    @property
    def recommended(self) -> Row | None:
        return self.found.recommended

    @property
    def reference_perplexity(self) -> float | None:
        return self.found.reference_perplexity

    @property
    def baseline(self) -> str:
        return self.found.baseline

    @property
    def stopped(self) -> str:
        return self.found.stopped
