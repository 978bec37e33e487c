"""Items from files: one clear line for each fault, and a fair choice of some of them."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdk_builder.errors import InputError, UsageError
from sdk_builder.evaluation.domain.items import DOMAINS, KINDS, DomainItem, choose, read_items

GOOD = {"domain": "legal", "kind": "relevancy", "prompt": "What is a will?", "reference": "A text."}
FACTUAL = {"domain": "legal", "kind": "factual", "prompt": "What is it?", "claims": ["A  text.\n"]}


def line(**changes: Any) -> str:
    fields = {**GOOD, **changes}
    return json.dumps({name: value for name, value in fields.items() if value is not ...})


def written(folder: Path, text: str | bytes) -> Path:
    path = folder / "items.jsonl"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def test_items_are_read(tmp_path: Path):
    text = f"\ufeff{line(id='will')}\r\n\n{json.dumps(FACTUAL)}\n"
    found = read_items(written(tmp_path, text))
    assert found.items == (
        DomainItem("legal", "relevancy", "What is a will?", reference="A text.", id="will"),
        DomainItem("legal", "factual", "What is it?", claims=("A text.",), id="line 3"),
    )
    assert [item.expected for item in found.items] == ["A text.", "A text."]
    assert found.source == str(tmp_path / "items.jsonl")
    assert found.licence is None


FAULTS = {
    "": "has no items",
    " \n\n": "has no items",
    "no json": "line 1: not JSON",
    "[" * 100_000: "line 1: not JSON",
    "[1]": "line 1: not a JSON object",
    line() + "\n" + "{}": "line 2: domain is missing",
    line(domain=...): "domain is missing",
    line(domain="sports"): "'sports' is no domain",
    line(domain=["legal"]): "domain is no text",
    line(kind="speed"): "'speed' is no kind",
    line(prompt=...): "prompt is missing",
    line(prompt=" "): "prompt is empty",
    line(prompt=3): "prompt is no text",
    line(prompt="\ud800"): "half a surrogate pair",
    line(reference=...): "reference is missing",
    line(claims=["x"]): "only items of kind factual have claims",
    line(kind="factual"): "claims is missing",
    line(kind="factual", claims="one"): "claims is no list of texts",
    line(kind="factual", claims=[]): "claims is no list of texts",
    line(kind="factual", claims=["a", 1]): "a claim is no text",
    line(kind="factual", claims=[""]): "a claim is empty",
    line(id=7): "id is no text",
    line(answer="x"): "there is no field 'answer'",
    line(id="a") + "\n" + line(id="a"): "line 2: the id 'a' is that of line 1",
}


@pytest.mark.parametrize("text", FAULTS, ids=[said[:40] for said in FAULTS.values()])
def test_fault_is_said_in_one_line_with_what_to_do(text: str, tmp_path: Path):
    path = written(tmp_path, text)
    with pytest.raises(InputError) as caught:
        read_items(path)
    assert FAULTS[text] in caught.value.message
    assert caught.value.message.startswith(str(path))
    assert "\n" not in caught.value.message
    assert caught.value.hint


def test_other_encodings_are_refused(tmp_path: Path):
    data = line().encode() + b"\n" + "é".encode("latin-1")
    with pytest.raises(InputError, match="line 2: not UTF-8"):
        read_items(written(tmp_path, data))


@pytest.mark.parametrize("name", ["absent.jsonl", "."])
def test_unreadable_file_is_said(name: str, tmp_path: Path):
    with pytest.raises(InputError, match="Cannot read"):
        read_items(tmp_path / name)


def test_smoke_set_has_eight_of_each():
    found = read_items()
    counts = Counter((item.domain, item.kind) for item in found.items)
    assert counts == {(domain, kind): 8 for domain in DOMAINS for kind in KINDS}
    assert len({item.prompt for item in found.items}) == 72
    assert found.licence == "Apache-2.0"


# --- some of them ----------------------------------------------------------------------


@pytest.mark.parametrize(("limit", "each"), [(9, 1), (18, 2), (36, 4), (72, 8), (1000, 8)])
def test_limit_takes_the_same_share_of_each(limit: int, each: int):
    counts = Counter((item.domain, item.kind) for item in choose(read_items().items, limit, 0))
    assert set(counts.values()) == {each}
    assert len(counts) == 9


def test_choice_depends_on_the_seed_alone():
    items = read_items().items
    assert choose(items, 18, 1) == choose(items, 18, 1)
    assert choose(items, 18, 1) != choose(items, 18, 2)


@pytest.mark.parametrize("limit", [0, -1])
def test_limit_below_one_is_refused(limit: int):
    with pytest.raises(UsageError, match="limit"):
        choose(read_items().items, limit, 0)


KEYS = st.lists(st.tuples(st.sampled_from(DOMAINS), st.sampled_from(KINDS)), min_size=1)


@given(KEYS, st.integers(1, 60), st.integers(0, 3))
def test_shares_are_as_near_as_can_be(keys: list[tuple[str, str]], limit: int, seed: int):
    items = [DomainItem(domain, kind, f"{i}") for i, (domain, kind) in enumerate(keys)]
    chosen = choose(items, limit, seed)
    assert len(chosen) == min(limit, len(items))
    assert chosen == [item for item in items if item in chosen]
    wanted = Counter((item.domain, item.kind) for item in chosen)
    for key, count in Counter(keys).items():
        assert abs(wanted[key] - min(limit / len(items), 1) * count) < 1
