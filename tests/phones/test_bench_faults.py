"""`shakti-sdk bench` when something goes wrong: what it says, what it keeps, how it goes on."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from tests.phones import bench_runs as runs
from tests.phones.bench_runs import bench
from tests.phones.lab import MIB, Lab, Phone, wait_until
from tests.phones.shims.state import Fault, InstalledApp, log_line
from tests.unit.bundle.samples import write_bundle

DEVICE_ERROR = 6
PROGRAM_BYTES = 8 * MIB
# Slow enough that a fault which is to hit a certain case does.
SLOW = {"decode_ms_per_token": 12.0, "prefill_ms_per_token": 3.0}


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle whose program is large enough to be cut off on its way."""
    folder = tmp_path_factory.mktemp("bundle") / "tiny"
    return write_bundle(folder, program=bytes(range(256)) * (PROGRAM_BYTES // 256))


@pytest.fixture
def phone(phone: Phone) -> Phone:
    """The first phone, with an app that takes its time."""
    with phone.changed() as state:
        state.engine = dict(SLOW)
    return phone


def set_faults(phone: Phone, *faults: Fault) -> None:
    with phone.changed() as state:
        state.faults = list(faults)


def assert_rerun_completes(bundle: Path, folder: Path, phone: Phone) -> Path:
    """The same command again ends well, and measures only what was missing."""
    with phone.changed() as state:
        state.engine = {}  # nothing is to be timed by a fault any more
    again = bench(bundle, folder, phone.serial)
    assert again.code == 0, again.said
    file = again.file(phone.serial)
    runs.assert_complete(file)
    runs.assert_all_kept(phone, file)
    runs.assert_measured_once(phone)
    return file


@pytest.mark.slow
def test_one_phone_that_fails_does_not_stop_the_others(lab: Lab, bundle, tmp_path):
    broken, *others = lab.phones
    with broken.changed() as state:
        state.app = None
    ended = bench(bundle, tmp_path, "all")
    assert ended.code == DEVICE_ERROR
    assert "not installed" in ended.said
    for phone in others:
        runs.assert_complete(ended.file(phone.serial))
    measured = [len(phone.written()) for phone in others]
    with broken.changed() as state:
        state.app = InstalledApp()
    again = bench(bundle, tmp_path, "all")
    assert again.code == 0, again.said
    for phone in lab.phones:
        runs.assert_complete(again.file(phone.serial))
    assert [len(phone.written()) for phone in others] == measured


@pytest.mark.parametrize("spoken", ["2", "", "0x1"])
def test_an_app_of_another_protocol_is_refused_with_the_fix(
    lab, phone: Phone, bundle, tmp_path, spoken
):
    with phone.changed() as state:
        state.app = InstalledApp(protocol=spoken)
    ended = bench(bundle, tmp_path, phone.serial)
    assert ended.code == DEVICE_ERROR
    assert "protocol" in ended.said
    assert "demo install" in ended.said


def test_an_app_without_the_benchmark_is_refused_with_the_fix(lab, phone: Phone, bundle, tmp_path):
    with phone.changed() as state:
        state.app = InstalledApp(instrumented=False)
    ended = bench(bundle, tmp_path, phone.serial)
    assert ended.code == DEVICE_ERROR
    assert "demo install" in ended.said


@pytest.mark.parametrize(
    ("name", "value", "word"),
    [
        ("ro.product.cpu.abi", "armeabi-v7a", "armeabi-v7a"),
        ("ro.build.version.sdk", "23", "Android"),
    ],
)
def test_a_phone_that_cannot_run_the_app_is_told_so(
    lab, phone: Phone, bundle, tmp_path, name, value, word
):
    with phone.changed() as state:
        state.properties[name] = value
        state.properties["ro.product.cpu.abilist"] = state.properties["ro.product.cpu.abi"]
    ended = bench(bundle, tmp_path, phone.serial)
    assert ended.code == DEVICE_ERROR
    assert word in ended.said


def test_unplugged_in_the_middle_of_a_push(lab, phone: Phone, bundle, tmp_path):
    def half_there() -> bool:
        files = phone.path("/data/local/tmp").glob("shakti/bundles/*/model.pte*")
        return any(file.stat().st_size > PROGRAM_BYTES // 8 for file in files)

    with runs.when(half_there, phone.kill_adbd):
        ended = bench(bundle, tmp_path, phone.serial)
    assert ended.code == DEVICE_ERROR
    assert "went away" in ended.said
    phone.connect()
    assert_rerun_completes(bundle, tmp_path, phone)


def test_unplugged_while_it_measures_and_the_app_goes_on(lab, phone: Phone, bundle, tmp_path):
    with runs.when(lambda: phone.progress() >= 3, phone.kill_adbd):
        ended = bench(bundle, tmp_path, phone.serial)
    assert ended.code == DEVICE_ERROR
    assert "went away" in ended.said
    wait_until(lambda: not phone.app_is_alive(), "the app has ended")
    phone.connect()
    assert_rerun_completes(bundle, tmp_path, phone)
    # The round that nobody watched was fetched, not measured again.
    starts = [record for record in phone.written() if record["type"] == "round"]
    assert [start["round"] for start in starts] == list(range(runs.ROUNDS))


def test_plugged_in_again_while_the_app_still_measures(lab, phone: Phone, bundle, tmp_path):
    with phone.changed() as state:
        state.engine["decode_ms_per_token"] = 150  # 2.4 s for a case
    with runs.when(lambda: phone.progress() >= 3, phone.kill_adbd):
        ended = bench(bundle, tmp_path, phone.serial)
    assert ended.code == DEVICE_ERROR
    assert phone.app_is_alive()
    phone.connect()
    assert_rerun_completes(bundle, tmp_path, phone)


def test_unplugged_while_it_measures_and_the_app_dies(lab, phone: Phone, bundle, tmp_path):
    with phone.changed() as state:
        state.app_outlives_shell = False
    with runs.when(lambda: phone.progress() >= 3, phone.kill_adbd):
        ended = bench(bundle, tmp_path, phone.serial)
    assert ended.code == DEVICE_ERROR
    phone.connect()
    assert_rerun_completes(bundle, tmp_path, phone)


def test_a_phone_without_room_is_full_and_works_when_there_is_room(lab, phone, bundle, tmp_path):
    phone.fill("/data", leave_bytes=PROGRAM_BYTES // 2)
    ended = bench(bundle, tmp_path, phone.serial)
    assert ended.code == DEVICE_ERROR
    assert "is full" in ended.said
    assert list(phone.path("/data/local/tmp").rglob("model.pte*")) == []
    phone.path("/data/.filler").unlink()
    assert_rerun_completes(bundle, tmp_path, phone)


@pytest.mark.slow
def test_a_phone_whose_results_have_no_room_keeps_what_was_measured(lab, phone, bundle, tmp_path):
    phone.fill("/sdcard", leave_bytes=6000)
    ended = bench(bundle, tmp_path, phone.serial)
    assert ended.code == DEVICE_ERROR
    assert "could not write its results: The disk is full" in ended.said
    phone.path("/sdcard/.filler").unlink()
    assert_rerun_completes(bundle, tmp_path, phone)


@pytest.mark.slow
def test_heat_in_the_middle_makes_a_sample_invalid_and_the_rest_waits(
    lab, phone: Phone, bundle, tmp_path
):
    set_faults(phone, Fault("heat", at_case=2, status=3, seconds=2))
    ended = bench(bundle, tmp_path, phone.serial, options=("--max-wait", "0.05"))
    assert ended.code == 0, ended.said
    file = ended.file(phone.serial)
    runs.assert_complete(file)
    runs.assert_all_kept(phone, file)
    runs.assert_measured_once(phone)
    invalid = [one for one in runs.samples(runs.lines(file)) if one["invalid_reason"]]
    assert len(invalid) == 1
    assert "severe" in invalid[0]["invalid_reason"]
    starts = [one for one in runs.lines(file) if one["type"] == "round"]
    assert all(start["conditions"]["thermal_status"] == 0 for start in starts)
    assert sum(row["invalid"] for row in ended.result(phone.serial)["cases"]) == 1


def test_a_phone_that_stays_hot_is_given_up_after_the_longest_wait(lab, phone, bundle, tmp_path):
    with phone.changed() as state:
        state.thermal_status = 4
    ended = bench(bundle, tmp_path, phone.serial, options=("--max-wait", "0.02"))
    assert ended.code == DEVICE_ERROR
    assert "critical" in ended.said
    assert phone.written() == []
    with phone.changed() as state:
        state.thermal_status = 0
    assert_rerun_completes(bundle, tmp_path, phone)


def test_a_crash_that_am_calls_a_success_is_noted_and_the_rest_is_measured(
    lab, phone: Phone, bundle, tmp_path
):
    set_faults(phone, Fault("crash", at_case=2))
    ended = bench(bundle, tmp_path, phone.serial)
    assert ended.code == 0, ended.said
    assert "ended before it was done" in ended.stderr
    file = ended.file(phone.serial)
    failures = [one for one in runs.lines(file) if one["type"] == "failure"]
    assert [one["cause"] for one in failures] == ["app_crashed"]
    runs.assert_complete(file)
    runs.assert_all_kept(phone, file)
    runs.assert_measured_once(phone)


@pytest.mark.slow
def test_an_app_that_always_crashes_is_given_up_with_its_last_words(
    lab, phone: Phone, bundle, tmp_path
):
    phone.folder.log(*(log_line("I", "Noise", f"line {i}", 99) for i in range(10_000)))
    set_faults(phone, Fault("crash", at_case=0, times=100))
    ended = bench(bundle, tmp_path, phone.serial)
    assert ended.code == DEVICE_ERROR
    assert "scripted crash" in ended.said
    assert ended.said.count("Noise") < 100
    began = 100 - phone.state().faults[0].times
    assert 1 < began < 10
    set_faults(phone)
    assert_rerun_completes(bundle, tmp_path, phone)


def test_a_line_that_the_crash_cut_off_is_all_that_is_lost(lab, phone: Phone, bundle, tmp_path):
    set_faults(phone, Fault("crash", at_case=2, cut_bytes=50))
    ended = bench(bundle, tmp_path, phone.serial)
    assert ended.code == 0, ended.said
    file = assert_rerun_completes(bundle, tmp_path, phone)
    first_attempt = [one for one in runs.samples(runs.lines(file)) if one["attempt"] == 0]
    assert len(first_attempt) == 1  # of two: the second was cut


def test_garbage_among_the_results_costs_nothing_else(lab, phone: Phone, bundle, tmp_path):
    set_faults(phone, Fault("garbage", at_case=1), Fault("garbage", at_case=3))
    ended = bench(bundle, tmp_path, phone.serial)
    assert ended.code == 0, ended.said
    assert "skipped" in ended.stderr
    starts = [one for one in phone.written() if one["type"] == "round"]
    assert len(starts) == runs.ROUNDS
    assert_rerun_completes(bundle, tmp_path, phone)


@pytest.mark.slow
def test_an_app_that_falls_silent_is_given_up_and_the_rest_is_measured(
    lab, phone: Phone, bundle, tmp_path, monkeypatch
):
    monkeypatch.setattr("sdk_builder.benchmark.targets.phone.SILENCE_HEARTBEATS", 1)  # 5 s, not 30
    set_faults(phone, Fault("stall", at_case=2))
    ended = bench(bundle, tmp_path, phone.serial)
    assert ended.code == 0, ended.said
    file = ended.file(phone.serial)
    failures = [one for one in runs.lines(file) if one["type"] == "failure"]
    assert [one["cause"] for one in failures] == ["run_stalled"]
    runs.assert_complete(file)
    runs.assert_all_kept(phone, file)
    runs.assert_measured_once(phone)


def test_a_bench_that_is_killed_goes_on(lab, phone: Phone, bundle, tmp_path):
    process = runs.started(bundle, tmp_path, phone.serial)
    with runs.when(lambda: phone.progress() >= 3, process.kill):
        runs.ended(process)
    assert_rerun_completes(bundle, tmp_path, phone)


def test_ctrl_c_puts_the_phone_back_and_the_rerun_completes(lab, phone: Phone, bundle, tmp_path):
    before = phone.state().settings
    process = runs.started(bundle, tmp_path, phone.serial)
    with runs.when(lambda: phone.progress() >= 3, lambda: process.send_signal(signal.SIGINT)):
        ended = runs.ended(process)
    assert ended.code == 130, ended.said
    assert phone.state().settings == before
    assert_rerun_completes(bundle, tmp_path, phone)
