"""`shakti-sdk bench` on stand-in phones, where all goes well."""

from __future__ import annotations

import statistics
from pathlib import Path

import pytest

from tests.phones import bench_runs as runs
from tests.phones.bench_runs import bench
from tests.phones.lab import MIB, Lab, Phone
from tests.unit.bundle.samples import write_bundle


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle whose program is real enough to be pushed and hashed."""
    folder = tmp_path_factory.mktemp("bundle") / "tiny"
    return write_bundle(folder, program=bytes(range(256)) * (MIB // 256))


@pytest.mark.slow
def test_three_phones_are_measured_side_by_side(lab: Lab, bundle: Path, tmp_path: Path):
    for phone in lab.phones:
        with phone.changed() as state:
            state.engine = {"decode_ms_per_token": 20}
    ended = runs.ended(runs.started(bundle, tmp_path, "all"))
    assert ended.code == 0, ended.said
    files = [ended.file(phone.serial) for phone in lab.phones]
    assert len(set(files)) == 3
    spans = []
    for phone, file in zip(lab.phones, files, strict=True):
        runs.assert_complete(file)
        runs.assert_all_kept(phone, file)
        first = runs.lines(file)[0]
        assert (first["type"], first["device"]["id"]) == ("run", phone.serial)
        times = [record["at"] for record in runs.lines(file)[1:]]
        spans.append((min(times), max(times)))
    assert max(begin for begin, _ in spans) < min(end for _, end in spans)


def test_what_was_measured_is_what_the_engine_took(lab, phone: Phone, bundle, tmp_path):
    with phone.changed() as state:
        state.engine = {"prefill_ms_per_token": 4, "decode_ms_per_token": 20, "load_ms": 60}
    ended = bench(bundle, tmp_path, phone.serial)
    assert ended.code == 0, ended.said
    medians = {row["case"]: row["median"] for row in ended.result(phone.serial)["cases"]}
    # The engine is never faster than it was told, however busy the machine.
    assert medians["load"] >= 60
    assert medians["prefill-32"] <= 250  # tokens/s
    assert medians["decode-16"] <= 50
    assert medians["ttft-128"] >= 512  # ms
    # And what is shown is what the app wrote on the phone.
    samples = [one for one in phone.written() if one["type"] == "sample"]
    decode_ms = [one["duration_ms"] for one in samples if one["case"]["kind"] == "decode"]
    rates = [16 * 1000 / duration_ms for duration_ms in decode_ms]
    assert medians["decode-16"] == pytest.approx(statistics.median(rates))


def test_a_run_that_is_complete_is_not_repeated(lab, phone: Phone, bundle, tmp_path):
    first = bench(bundle, tmp_path, phone.serial)
    assert first.code == 0, first.said
    before = first.file(phone.serial).read_bytes()
    rounds = len(phone.written())
    second = bench(bundle, tmp_path, phone.serial)
    assert second.code == 0, second.said
    assert second.file(phone.serial).read_bytes() == before
    assert len(phone.written()) == rounds


def test_no_command_reaches_the_phone_while_it_measures(lab, phone: Phone, bundle, tmp_path):
    with phone.changed() as state:
        state.engine = {"decode_ms_per_token": 50}
    counts: list[int] = []

    def count() -> None:
        counts.append(len(phone.calls()))

    with (
        runs.when(lambda: phone.progress() >= 3, count),
        runs.when(lambda: phone.progress() >= len(runs.CASES), count),
    ):
        ended = bench(bundle, tmp_path, phone.serial)
    assert ended.code == 0, ended.said
    assert counts[0] == counts[1]


def test_the_phone_is_awake_while_it_measures_and_as_it_was_afterwards(
    lab, phone: Phone, bundle, tmp_path
):
    before = phone.state().settings
    seen: list[tuple[bool, str]] = []

    def look() -> None:
        state = phone.state()
        seen.append((state.awake, state.settings["global stay_on_while_plugged_in"]))

    with runs.when(lambda: phone.progress() >= 1, look):
        ended = bench(bundle, tmp_path, phone.serial)
    assert ended.code == 0, ended.said
    assert seen[0][0]
    assert seen[0][1] != "0"
    assert phone.state().settings == before


def test_a_serial_with_quotes_spaces_and_semicolons_is_measured(lab, phone, bundle, tmp_path):
    serial = phone.relayed("""bench 'phone"; rm -rf x; $(id)""")
    lab.connect(serial)
    try:
        ended = bench(bundle, tmp_path / "odd 'folder'; x", serial)
    finally:
        lab.adb("disconnect", serial)
    assert ended.code == 0, ended.said
    file = ended.file(serial)
    assert file.parent == tmp_path / "odd 'folder'; x"
    assert not set(file.name) & set(" '\";$()/")
    runs.assert_complete(file)
    assert runs.lines(file)[0]["device"]["id"] == serial


def test_phones_that_are_not_ready_are_left_out_of_all_with_a_word(lab, bundle, tmp_path):
    unauthorized = lab.start_unaccepting(7202)
    try:
        ended = bench(bundle, tmp_path, "all")
        alone = bench(bundle, tmp_path / "alone", unauthorized)
    finally:
        lab.adb("disconnect", unauthorized)
    assert ended.code == 0, ended.said
    measured = {row["device"] for row in ended.document["results"]}
    assert measured == {phone.serial for phone in lab.phones}
    assert unauthorized in ended.stderr
    assert "Allow USB debugging" in ended.stderr
    assert alone.code == 6
    assert "Allow USB debugging" in alone.said
