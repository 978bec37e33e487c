"""Items from files: what is chosen, what is refused, and what their hash tells."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdk_builder.errors import DataError, InputError, NetworkError, UsageError
from sdk_builder.evaluation.suites import bbq, crows_pairs, hate
from sdk_builder.evaluation.suites.items import choose, content_hash, read_items
from sdk_builder.evaluation.suites.run import find_suite
from sdk_builder.evaluation.suites.suite import Item
from tests.unit.evaluation.suites.rows import pair, question

KINDS = st.lists(st.sampled_from("abcd"), min_size=1, max_size=60)


def items(kinds: str | list[str]) -> list[Item]:
    return [
        crows_pairs.parse(pair(f"more {at}", f"less {at}", kind)) for at, kind in enumerate(kinds)
    ]


def write(path: Path, rows: list[dict[str, Any]]) -> str:
    path.write_text("".join(json.dumps(one) + "\n" for one in rows), encoding="utf-8")
    return str(path)


PAIRS = [dict(pair(f"more {at}", f"less {at}").fields) for at in range(5)]


# --- a smaller choice -----------------------------------------------------------------------


@given(KINDS, st.integers(1, 70))
def test_each_stratum_keeps_its_share_to_within_one_item(kinds: list[str], limit: int):
    chosen = choose(items(kinds), limit, seed=0)
    assert len(chosen) == min(limit, len(kinds))
    found, all_of = Counter(one.stratum for one in chosen), Counter(kinds)
    for kind, count in all_of.items():
        assert abs(found[kind] - len(chosen) * count / len(kinds)) < 1


@given(KINDS, st.integers(1, 60), st.randoms())
def test_the_choice_does_not_depend_on_the_order_of_the_file(kinds: list[str], limit: int, draw):
    whole = items(kinds)
    shuffled = draw.sample(whole, len(whole))
    assert {one.text for one in choose(whole, limit, 1)} == {
        one.text for one in choose(shuffled, limit, 1)
    }


def test_another_seed_chooses_others_and_the_same_the_same():
    whole = items("ab" * 50)
    first, again, other = (choose(whole, 20, seed) for seed in (0, 0, 1))
    assert first == again
    assert first != other


def test_a_larger_limit_keeps_what_a_smaller_one_chose():
    whole = items("a" * 40)
    assert {one.text for one in choose(whole, 10, 0)} < {one.text for one in choose(whole, 20, 0)}


# --- reading --------------------------------------------------------------------------------


def test_items_of_several_files_are_in_their_order(tmp_path: Path):
    first = write(tmp_path / "a.jsonl", PAIRS[:2])
    second = write(tmp_path / "b.jsonl", PAIRS[2:])
    found = read_items(crows_pairs.SUITE, (first, second), limit=2)
    assert [(one.source, one.items, one.of) for one in found.data] == [
        (first, 2, 2),
        (second, 2, 3),
    ]
    assert len(found.items) == 4


def test_the_hash_is_of_what_is_asked_and_not_of_the_file(tmp_path: Path):
    lines = write(tmp_path / "a.jsonl", PAIRS)
    table = tmp_path / "b.csv"
    names = list(PAIRS[0])
    rows = [",".join(names), *(",".join(one[name] for name in names) for one in PAIRS)]
    table.write_text("\n".join(rows), encoding="utf-8")
    (one,) = read_items(crows_pairs.SUITE, (lines,)).data
    (other,) = read_items(crows_pairs.SUITE, (str(table),)).data
    assert one.sha256 == other.sha256


def test_another_label_is_another_hash():
    one, other = (bbq.parse(question(label=label)) for label in (1, 2))
    assert one.text == other.text
    assert content_hash([one]) != content_hash([other])


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "has no item of CrowS-Pairs"),
        (b'{"sent_more": "a"}\n', "has no field sent_less"),
        (b"{broken\n", "broken JSON"),
        (b'{"sent_more": "\xff"}\n', "not UTF-8"),
        (b"[1]\n", "wrong type"),
    ],
)
def test_a_damaged_file_is_one_line(content: bytes, said: str, tmp_path: Path):
    path = tmp_path / "bad.jsonl"
    path.write_bytes(content)
    with pytest.raises(DataError, match=said) as caught:
        read_items(crows_pairs.SUITE, (str(path),))
    assert "\n" not in caught.value.message
    assert caught.value.hint


def test_a_file_that_is_not_there_is_one_line(tmp_path: Path):
    with pytest.raises(DataError, match="no file or folder"):
        read_items(crows_pairs.SUITE, (str(tmp_path / "none.csv"),))


def test_a_suite_without_a_usual_source_needs_a_file():
    with pytest.raises(InputError, match="has no usual source") as caught:
        read_items(hate.IMPLICIT_HATE, ())
    assert "implicit_hate_v1_stg1_posts.tsv" in caught.value.hint


def test_the_hub_without_a_network_is_one_line(monkeypatch: pytest.MonkeyPatch):
    datasets = pytest.importorskip("datasets")

    def refuse(*given: Any, **options: Any) -> Any:
        raise ConnectionError("no route to host")

    monkeypatch.setattr(datasets, "load_dataset", refuse)
    with pytest.raises(NetworkError, match="cannot be reached: no route to host"):
        read_items(crows_pairs.SUITE, ())


def test_an_unknown_suite_names_those_that_there_are():
    with pytest.raises(UsageError, match="'crows'") as caught:
        find_suite("crows")
    assert "crows-pairs, bbq, toxigen, implicit-hate" in caught.value.hint
