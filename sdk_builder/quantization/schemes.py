"""The schemes none, q8, q5 and q4: which tensor gets which format. No torch.

A scheme is a base format for all matrices, plus a better one that is given to the most sensitive
tensors for as long as the bit budget lasts. The order of sensitivity was measured on SmolLM2-135M
(docs/quantization.md): perplexity won back for each bit spent, and the work it adds on the phone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from math import prod
from types import MappingProxyType

from sdk_builder.errors import UsageError
from sdk_builder.quantization.formats import FLOAT, INT4, INT4_OFFSET, INT8, WeightFormat
from sdk_builder.quantization.options import EMBEDDINGS, QuantOptions

Shapes = Mapping[str, tuple[int, ...]]
Plan = Mapping[str, WeightFormat]

# Endings of tensor names, most worth a bit first.
_OFFSET_ORDER = ("down_proj.weight", "gate_up_proj.weight", "o_proj.weight", "qkv_proj.weight")
_TOKEN_TABLES = ("embed_tokens.weight", "lm_head.weight")
_INT8_ORDER = (*_TOKEN_TABLES, *_OFFSET_ORDER)


@dataclass(frozen=True)
class Scheme:
    """base: for every matrix; better: for tensors in `order` while the mean stays within budget.

    max_bits_per_weight: effective bits over all weights, scales included, that no plan exceeds;
    nominal_bits: what the name promises, the measure of the size guardrail; upgrades: whether the
    better format is used at all, which a budget of the user's own always does.
    """

    name: str
    summary: str
    base: WeightFormat
    nominal_bits: float
    max_bits_per_weight: float
    better: WeightFormat | None = None
    order: tuple[str, ...] = ()
    upgrades: bool = True


SCHEMES: Mapping[str, Scheme] = MappingProxyType(
    {
        scheme.name: scheme
        for scheme in (
            Scheme("none", "fp32 weights and activations", FLOAT, 32.0, 32.0),
            Scheme(
                "q8",
                "int8 weights a channel, int8 activations",
                INT8,
                nominal_bits=8.0,
                max_bits_per_weight=8.6,
            ),
            Scheme(
                "q5",
                "int4 weights with offsets in groups of 32, int8 for the most sensitive",
                INT4_OFFSET,
                nominal_bits=5.5,
                max_bits_per_weight=5.5,
                better=INT8,
                order=_INT8_ORDER,
            ),
            Scheme(
                "q4",
                "int4 weights in groups of 32, int8 activations",
                INT4,
                nominal_bits=4.5,
                max_bits_per_weight=4.6,
                better=INT4_OFFSET,
                order=_OFFSET_ORDER,
                upgrades=False,  # an offset costs decoding more than it brings a calibrated model
            ),
        )
    }
)


def find_scheme(name: str) -> Scheme:
    """The scheme called `name`. Raises UsageError."""
    if name not in SCHEMES:
        raise UsageError(
            f"No quantization is called {name!r}.", f"Use one of {', '.join(SCHEMES)}."
        )
    return SCHEMES[name]


def adjust(scheme: Scheme, options: QuantOptions) -> Scheme:
    """`scheme` with the user's group size and bit budget, which its guardrail follows."""
    if options.group_size is not None:
        size, better = options.group_size, scheme.better
        scheme = replace(
            scheme,
            base=scheme.base.grouped(size),
            better=None if better is None else better.grouped(size),
        )
    if options.bits is not None:
        scheme = replace(
            scheme,
            nominal_bits=options.bits,
            max_bits_per_weight=options.bits,
            upgrades=True,
        )
    return scheme


def plan_formats(scheme: Scheme, shapes: Shapes, embedding: str | None = None) -> Plan:
    """The format of every tensor in `shapes`; vectors (norms, biases) stay fp32.

    A matrix whose rows do not divide into groups is stored as int8. embedding: the name of a format
    for embedding and head, instead of the scheme's choice.
    """
    plan = {name: _base_format(scheme, shape) for name, shape in shapes.items()}
    if embedding is not None:
        fixed = EMBEDDINGS[embedding].grouped(scheme.base.group_size or 32)
        tables = [name for name in shapes if name.endswith(_TOKEN_TABLES)]
        plan |= {name: fixed if fixed.fits(shapes[name]) else INT8 for name in tables}
    budget = scheme.max_bits_per_weight * sum(prod(shape) for shape in shapes.values())
    spent = sum(plan[name].size_bits(shape) for name, shape in shapes.items())
    for name in _by_sensitivity(scheme, shapes):
        better, shape = scheme.better, shapes[name]
        assert better is not None
        given = embedding is not None and name.endswith(_TOKEN_TABLES)
        if given or plan[name] != scheme.base or not better.fits(shape):
            continue
        extra = better.size_bits(shape) - plan[name].size_bits(shape)
        if spent + extra <= budget:
            plan[name], spent = better, spent + extra
    return plan


def bits_per_weight(plan: Plan, shapes: Shapes) -> float:
    """Effective bits of a weight over all of `shapes`, side data included."""
    return size_bits(plan, shapes) / sum(prod(shape) for shape in shapes.values())


def size_bits(plan: Plan, shapes: Shapes) -> int:
    """Bits of all tensors as planned."""
    return sum(plan[name].size_bits(shape) for name, shape in shapes.items())


def _base_format(scheme: Scheme, shape: tuple[int, ...]) -> WeightFormat:
    if len(shape) < 2:
        return FLOAT
    return scheme.base if scheme.base.fits(shape) else INT8


def _by_sensitivity(scheme: Scheme, shapes: Shapes) -> Iterator[str]:
    """Names in the order in which they get the better format; last layers first."""
    for ending in scheme.order if scheme.upgrades else ():
        yield from (name for name in reversed(list(shapes)) if name.endswith(ending))
