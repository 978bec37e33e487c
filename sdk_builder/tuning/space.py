"""What is tried: candidates, with their size before any work. No torch.

The axes come from `quantization.options`, so that a new method or KV format is tried as soon as the
exporter has it.
"""

from __future__ import annotations

import math
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain, product
from math import prod
from typing import Literal

from sdk_builder.quantization.formats import INT8
from sdk_builder.quantization.options import EMBEDDINGS, KV_FORMATS, METHODS, QuantOptions
from sdk_builder.quantization.schemes import (
    Plan,
    Shapes,
    adjust,
    bits_per_weight,
    find_scheme,
    plan_formats,
    size_bits,
)

# Delegates and records of a layer: measured, 571 kB for 30 layers (SmolLM2-135M, q4).
_STRUCTURE_BYTES_PER_LAYER = 19_000
_LAYER_MARK = "down_proj.weight"  # one tensor of each layer

Budget = float | Literal["scheme", "least", "most"]
"""Most bits per weight: a number, the scheme's own, the least that its base formats need, or, where
its better format is an offset, as much as offsets everywhere take."""


@dataclass(frozen=True)
class Candidate:
    """What is asked of one export; the fields of `pipeline.ExportRequest` with these names."""

    quant: str
    method: str = "auto"
    group_size: int | None = None
    embedding: str | None = None
    bits: float | None = None
    kv: str = "fp32"

    @property
    def name(self) -> str:
        """For people: the scheme and what is changed of it."""
        parts = (
            self.quant,
            self.group_size and f"g{self.group_size}",
            self.embedding and f"embedding {self.embedding}",
            self.bits and f"≤{self.bits:g} bits",
            self.method != "auto" and self.method,
            self.kv != KV_FORMATS[0] and f"kv {self.kv}",
        )
        return " ".join(part for part in parts if part)

    @property
    def slug(self) -> str:
        """The same as the name of a folder."""
        return self.name.replace("≤", "").replace("+", "-").replace(" ", "-")

    @property
    def options(self) -> QuantOptions:
        """What is changed of the scheme."""
        return QuantOptions(self.group_size, self.embedding, self.bits)

    def command(self, model: str, *others: str) -> str:
        """The command that exports it; `others` are further arguments."""
        flags = {
            "quant": self.quant,
            "method": None if self.method == "auto" else self.method,
            "group-size": self.group_size,
            "embedding": self.embedding,
            "bits": None if self.bits is None else f"{self.bits:g}",
            "kv": None if self.kv == KV_FORMATS[0] else self.kv,
        }
        given = [(f"--{name}", str(value)) for name, value in flags.items() if value is not None]
        return shlex.join(["shakti-sdk", "export", model, *chain(*given), *others])


@dataclass(frozen=True)
class Axes:
    """Values of each field, a scheme's own choice first.

    given: names of the axes that the user chose; all of their values are combined with everything.
    """

    quants: tuple[str, ...] = ("q4", "q5", "q8")
    methods: tuple[str, ...] = ("auto",)
    group_sizes: tuple[int | None, ...] = (None, 64)
    embeddings: tuple[str | None, ...] = (None, "int8")
    budgets: tuple[Budget, ...] = ("scheme", "least", "most")
    kvs: tuple[str, ...] = (KV_FORMATS[0],)
    given: frozenset[str] = field(default_factory=frozenset)

    def choose(self, **axes: Sequence[object] | None) -> Axes:
        """With the user's values instead; None and empty leave an axis as it is."""
        given = {name: tuple(values) for name, values in axes.items() if values}
        return replace(self, **given, given=self.given | frozenset(given))  # type: ignore[arg-type]

    def combinations(self) -> Iterator[tuple[Candidate, Budget]]:
        """Everything with everything; budgets are not in the candidates yet."""
        for quant, method, group_size, embedding, kv, budget in product(
            self.quants, self.methods, self.group_sizes, self.embeddings, self.kvs, self.budgets
        ):
            yield Candidate(quant, method, group_size, embedding, None, kv), budget

    def modest(self) -> Iterator[tuple[Candidate, Budget]]:
        """Those that tell most: one change at a time of what the user did not choose.

        Group sizes, embedding and budget decide the size and are tried in each scheme; further
        methods and KV formats once, in the first scheme as it is.
        """
        for candidate, budget in self.combinations():
            sizes = self._changed("group_sizes", candidate.group_size)
            sizes += self._changed("embeddings", candidate.embedding)
            others = self._changed("methods", candidate.method)
            others += self._changed("kvs", candidate.kv)
            plain = sizes == 0 and budget == self.budgets[0] and candidate.quant == self.quants[0]
            if (others == 0 and sizes <= 1) or (others == 1 and plain):
                yield candidate, budget

    def _changed(self, axis: str, value: object) -> int:
        return int(axis not in self.given and value != getattr(self, axis)[0])


def explicit_methods() -> tuple[str, ...]:
    """Every method that any model can have, by its own name; "auto" takes trained values."""
    return tuple(method for method in METHODS if method not in ("auto", "qat"))


def default_axes() -> Axes:
    """About a dozen candidates: what export does by itself, and what it could do instead."""
    several = len(explicit_methods()) > 1
    methods = ("auto", explicit_methods()[0]) if several else ("auto",)
    return Axes(methods=methods, kvs=KV_FORMATS)


def full_axes() -> Axes:
    """All that the exporter can do."""
    methods = explicit_methods() if len(explicit_methods()) > 1 else ("auto",)
    return Axes(
        methods=methods,
        group_sizes=(None, 64, 128, 256),
        embeddings=(None, *EMBEDDINGS),
        kvs=KV_FORMATS,
    )


@dataclass(frozen=True)
class Planned:
    """A candidate with what is known before any work.

    size_bytes: of the program; problem: why it cannot be exported, or empty.
    """

    candidate: Candidate
    bits_per_weight: float
    size_bytes: int
    problem: str = ""


def plan_space(axes: Axes, shapes: Shapes, *, full: bool = False) -> tuple[Planned, ...]:
    """The candidates for a model with parameters of `shapes`, none that makes the same twice.

    Raises UsageError for a scheme that is not there.
    """
    planned: dict[object, Planned] = {}
    for plain, budget in axes.combinations() if full else axes.modest():
        candidate = with_budget(plain, budget, shapes)
        one = predict(candidate, shapes)
        # Equal formats by equal means are the same program, whatever the scheme is called; what
        # cannot be exported is named once, whatever its budget.
        formats = tuple(_plan(candidate, shapes).values())
        what = plain if one.problem and isinstance(budget, str) else formats
        planned.setdefault((what, candidate.method, candidate.kv), one)
    return tuple(planned.values())


def with_budget(candidate: Candidate, budget: Budget, shapes: Shapes) -> Candidate:
    """`candidate` with `budget` as a number of bits, or as it is where the scheme's own does.

    An embedding in a larger format than the scheme's gets the bits that it needs.
    """
    if not isinstance(budget, str):
        return replace(candidate, bits=budget)
    if budget == "most":
        return replace(candidate, bits=_most_bits(candidate, shapes))
    least = _round_up(_least_bits(candidate, shapes))
    allowed = find_scheme(candidate.quant).max_bits_per_weight
    fits = least <= allowed or candidate.embedding is None
    return candidate if budget == "scheme" and fits else replace(candidate, bits=least)


def predict(candidate: Candidate, shapes: Shapes) -> Planned:
    """Bits and bytes of a candidate's program, from its plan alone."""
    plan = _plan(candidate, shapes)
    layers = sum(name.endswith(_LAYER_MARK) for name in shapes)
    size_bytes = -(-size_bits(plan, shapes) // 8) + layers * _STRUCTURE_BYTES_PER_LAYER
    bits = bits_per_weight(plan, shapes)
    return Planned(candidate, bits, size_bytes, _problem(candidate, plan, shapes))


def _problem(candidate: Candidate, plan: Plan, shapes: Shapes) -> str:
    """Why the export's guardrail would refuse the file, in the words of its cause."""
    own = find_scheme(candidate.quant)
    without = _least_bits(replace(candidate, embedding=None), shapes)
    size = candidate.group_size
    if size is not None and without > own.max_bits_per_weight:
        rows = sorted(
            {
                s[-1]
                for name, s in shapes.items()
                if len(s) > 1 and s[-1] % size and plan[name] == INT8
            }
        )
        if rows:
            return (
                f"rows of {', '.join(map(str, rows))} do not divide into groups of {size}: "
                f"{without:.2f} bits a weight"
            )
    budget = adjust(own, candidate.options).max_bits_per_weight
    bits = bits_per_weight(plan, shapes)
    return f"needs {bits:.2f} bits a weight, {budget:g} are allowed" if bits > budget else ""


def _plan(candidate: Candidate, shapes: Shapes) -> Plan:
    scheme = adjust(find_scheme(candidate.quant), candidate.options)
    return plan_formats(scheme, shapes, embedding=candidate.embedding)


def _most_bits(candidate: Candidate, shapes: Shapes) -> float | None:
    """Bits per weight with offsets everywhere, or None for a scheme without such a choice."""
    scheme = adjust(find_scheme(candidate.quant), candidate.options)
    if scheme.better is None or scheme.better.bits != scheme.base.bits:
        return candidate.bits
    freely = replace(scheme, max_bits_per_weight=math.inf, upgrades=True)
    return _round_up(bits_per_weight(plan_formats(freely, shapes, candidate.embedding), shapes))


def _round_up(bits: float) -> float:
    return math.ceil(bits * 100) / 100


def _least_bits(candidate: Candidate, shapes: Shapes) -> float:
    """Bits per weight with every tensor in the base format (or int8 where that does not fit)."""
    scheme = replace(adjust(find_scheme(candidate.quant), candidate.options), better=None, order=())
    return bits_per_weight(plan_formats(scheme, shapes, candidate.embedding), shapes)


def parameters(shapes: Shapes) -> int:
    """Weights in all of `shapes`."""
    return sum(prod(shape) for shape in shapes.values())
