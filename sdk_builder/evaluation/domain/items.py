"""What bundles are asked about healthcare, law and finance, from JSONL files. No torch."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.resources import files
from itertools import groupby
from pathlib import Path
from typing import Any

from sdk_builder.errors import InputError, UsageError

DOMAINS = ("healthcare", "legal", "finance")
KINDS = ("relevancy", "summarization", "factual")
SMOKE_SET = "items.jsonl"

_FIELDS = ("domain", "kind", "prompt", "reference", "claims", "id")
_EXAMPLE = (
    '{"domain": "legal", "kind": "relevancy", "prompt": "What is a will?", '
    '"reference": "A document that says who inherits."}'
)


@dataclass(frozen=True)
class DomainItem:
    """One thing to ask.

    prompt: a question, or for summarization the text; reference: a good answer or summary; claims:
    of kind factual, what a right answer says; id: the file's own, or ``line N``.
    """

    domain: str
    kind: str
    prompt: str
    reference: str = ""
    claims: tuple[str, ...] = ()
    id: str = ""

    @property
    def expected(self) -> str:
        """The reference; of kind factual the claims, one a line."""
        return "\n".join(self.claims) if self.kind == "factual" else self.reference

    def as_document(self) -> dict[str, Any]:
        """For JSON, without the id: what decides how an answer is made and judged."""
        return {name: value for name, value in asdict(self).items() if name != "id"}


@dataclass(frozen=True)
class ItemFile:
    """Items and where they are from. source: a path, or what the built-in set is called."""

    source: str
    sha256: str
    items: tuple[DomainItem, ...]
    licence: str | None = None


def read_items(path: Path | None = None) -> ItemFile:
    """The items of a file; None: the built-in smoke set. Raises InputError, naming the line."""
    if path is None:
        data = files(__package__).joinpath(SMOKE_SET).read_bytes()
        source, licence = "shakti-sdk smoke set", "Apache-2.0"
    else:
        try:
            data = path.read_bytes()
        except OSError as error:
            raise InputError(f"Cannot read {path}: {error.strerror or error}.") from error
        source, licence = str(path), None
    found = tuple(_parse(source, data))
    return ItemFile(source, hashlib.sha256(data).hexdigest(), found, licence)


def choose(items: Sequence[DomainItem], limit: int | None, seed: int) -> list[DomainItem]:
    """At most `limit` items by chance, the same share of each domain and kind, in their order.

    Raises UsageError for a limit below 1.
    """
    if limit is not None and limit < 1:
        raise UsageError(f"The limit must be 1 or more, not {limit}.")
    if limit is None or limit >= len(items):
        return list(items)
    strata = _strata(items)
    chosen = {
        index
        for stratum, count in _quotas(strata, limit).items()
        for index in random.Random(f"{seed} {' '.join(stratum)}").sample(strata[stratum], count)
    }
    return [item for index, item in enumerate(items) if index in chosen]


def _strata(items: Sequence[DomainItem]) -> dict[tuple[str, str], list[int]]:
    """Indices of the items of each (domain, kind)."""
    order = sorted(range(len(items)), key=lambda i: (items[i].domain, items[i].kind, i))
    grouped = groupby(order, key=lambda i: (items[i].domain, items[i].kind))
    return {key: list(indices) for key, indices in grouped}


def _quotas(strata: Mapping[tuple[str, str], Sequence[int]], limit: int) -> dict[Any, int]:
    """How many of each; what does not divide goes to the largest remainders."""
    total = sum(map(len, strata.values()))
    shares = {key: divmod(len(indices) * limit, total) for key, indices in strata.items()}
    left = limit - sum(whole for whole, _ in shares.values())
    favoured = sorted(shares, key=lambda key: (-shares[key][1], key))[:left]
    return {key: whole + (key in favoured) for key, (whole, _) in shares.items()}


def _parse(source: str, data: bytes) -> Iterator[DomainItem]:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        at = data[: error.start].count(b"\n") + 1
        raise InputError(
            f"{source}, line {at}: not UTF-8.", "Save the file in the encoding UTF-8."
        ) from error
    lines = [(number, line) for number, line in enumerate(text.split("\n"), 1) if line.strip()]
    if not lines:
        raise InputError(f"{source} has no items.", f"Write one a line: {_EXAMPLE}")
    seen: dict[str, int] = {}
    for number, line in lines:
        item = _item(f"{source}, line {number}", line, number)
        if item.id in seen:
            raise InputError(
                f"{source}, line {number}: the id {item.id!r} is that of line {seen[item.id]}.",
                "Give each item an id of its own, or none.",
            )
        seen[item.id] = number
        yield item


def _item(where: str, line: str, number: int) -> DomainItem:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{where}: not JSON.", f"Write one object a line: {_EXAMPLE}") from error
    if not isinstance(value, dict):
        raise InputError(f"{where}: not a JSON object.", f"Write one a line: {_EXAMPLE}")
    if unknown := sorted(set(value) - set(_FIELDS)):
        raise InputError(
            f"{where}: there is no field {unknown[0]!r}.", f"Fields are {', '.join(_FIELDS)}."
        )
    domain = _one_of(where, value, "domain", DOMAINS)
    kind = _one_of(where, value, "kind", KINDS)
    factual = kind == "factual"
    return DomainItem(
        domain=domain,
        kind=kind,
        prompt=_text(where, value, "prompt"),
        reference=_text(where, value, "reference", needed=not factual),
        claims=_claims(where, value, needed=factual),
        id=_text(where, value, "id", needed=False) or f"line {number}",
    )


def _one_of(where: str, value: Mapping[str, Any], name: str, known: Sequence[str]) -> str:
    found = _text(where, value, name)
    if found not in known:
        raise InputError(f"{where}: {found!r} is no {name}.", f"Write {', '.join(known)}.")
    return found


def _text(where: str, value: Mapping[str, Any], name: str, *, needed: bool = True) -> str:
    found = value.get(name)
    if found is None and not needed:
        return ""
    if found is None:
        raise InputError(f"{where}: {name} is missing.", f"Such as: {_EXAMPLE}")
    return _checked(where, name, found)


def _claims(where: str, value: Mapping[str, Any], *, needed: bool) -> tuple[str, ...]:
    found = value.get("claims")
    if found is None and not needed:
        return ()
    hint = 'Write what a right answer says: "claims": ["The heart pumps blood."].'
    if not needed:
        raise InputError(f"{where}: only items of kind factual have claims.", "Leave them out.")
    if found is None:
        raise InputError(f"{where}: claims is missing.", hint)
    if not isinstance(found, list) or not found:
        raise InputError(f"{where}: claims is no list of texts.", hint)
    # A judge gets them one a line.
    return tuple(" ".join(_checked(where, "a claim", one).split()) for one in found)


def _checked(where: str, name: str, found: object) -> str:
    """A text with something in it that UTF-8 can express."""
    if not isinstance(found, str):
        raise InputError(f"{where}: {name} is no text.", 'Write it in quotes: "...".')
    if not found.strip():
        raise InputError(f"{where}: {name} is empty.", "Write something, or remove the line.")
    try:
        found.encode("utf-8")
    except UnicodeEncodeError as error:
        raise InputError(
            f"{where}: {name} has half a surrogate pair.",
            "Write characters, not \\ud800 to \\udfff.",
        ) from error
    return found
