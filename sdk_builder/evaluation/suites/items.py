"""The items of a suite, from a file or the hub; and a smaller choice of them. No torch."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from sdk_builder.errors import DataError, InputError
from sdk_builder.evaluation.results import Data
from sdk_builder.evaluation.suites.suite import Item, Suite
from sdk_builder.rows.sources import open_source


@dataclass(frozen=True)
class Items:
    """Items in the order of their sources, and where they are from."""

    items: tuple[Item, ...]
    data: tuple[Data, ...]


def read_items(
    suite: Suite, sources: Sequence[str], *, limit: int | None = None, seed: int = 0
) -> Items:
    """All items of `sources`, or `limit` of each that keep the shares of its strata.

    sources: files, folders, globs or ``hub:OWNER/NAME[/CONFIG][:SPLIT]``; none: the suite's own of
    the hub. Raises InputError where there is none, DataError for a row that is not of the suite or
    a source without items, NetworkError where the hub cannot be reached.
    """
    if not sources and suite.hub is None:
        raise InputError(f"{suite.title} has no usual source.", f"Give --data {suite.hint}.")
    items: list[Item] = []
    data = []
    for source in sources or (suite.hub or "",):
        found = _read(suite, source)
        chosen = found if limit is None else choose(found, limit, seed)
        items += chosen
        data.append(
            Data(
                source=source,
                sha256=content_hash(found),
                items=len(chosen),
                of=len(found),
                limit=limit,
                seed=seed,
                licence=suite.licence,
            )
        )
    return Items(tuple(items), tuple(data))


def choose(items: Sequence[Item], limit: int, seed: int) -> list[Item]:
    """At most `limit` items, with each stratum's share kept to within one item.

    A larger limit keeps what a smaller one chose within a stratum, as far as its share grows. The
    choice depends on what the items say, not on their order.
    """
    if limit >= len(items):
        return list(items)
    strata: dict[str, list[int]] = {}
    for at in sorted(range(len(items)), key=lambda at: _lot(items[at], seed)):
        strata.setdefault(items[at].stratum, []).append(at)
    exact = {name: limit * len(members) / len(items) for name, members in strata.items()}
    quota = {name: int(share) for name, share in exact.items()}
    rest = sorted(exact, key=lambda name: (quota[name] - exact[name], name))
    for name in rest[: limit - sum(quota.values())]:
        quota[name] += 1
    taken = sorted(at for name, members in strata.items() for at in members[: quota[name]])
    return [items[at] for at in taken]


def content_hash(items: Sequence[Item]) -> str:
    """SHA-256 of what is asked and how it is judged, in order; not of the file's own form."""
    digest = hashlib.sha256()
    for item in items:
        digest.update(f"{item.text}\x1d{item.groups}{item.cluster}{_plain(item.key)}\n".encode())
    return digest.hexdigest()


def _plain(key: object) -> str:
    """A key as text, the same in every process: sets have no order."""
    fields = getattr(key, "__dict__", {"": key})
    return str(
        [(n, sorted(v) if isinstance(v, frozenset) else v) for n, v in sorted(fields.items())]
    )


def _lot(item: Item, seed: int) -> str:
    return hashlib.sha256(f"{seed}\x1f{item.text}".encode()).hexdigest()


def _read(suite: Suite, source: str) -> list[Item]:
    items = []
    for row in open_source(source).rows():
        if row.reason is not None:
            raise DataError(
                f"{row.origin}: {row.reason} ({row.detail}).", "Mend or remove the row."
            )
        item = suite.parse(row)
        if item is not None:
            items.append(item)
    if not items:
        raise DataError(f"{source} has no item of {suite.title}.", f"Give {suite.hint}.")
    return items
