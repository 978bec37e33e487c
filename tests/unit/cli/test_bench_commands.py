"""devices, bench, report, compare and doctor --device: what they ask for and what they print."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdk_builder.benchmark.analysis.summary import CaseRow
from sdk_builder.benchmark.bench import Benched
from sdk_builder.benchmark.targets.fake_app import FakeBenchApp
from sdk_builder.cli.arguments import COUNTS, parse_threads
from sdk_builder.cli.requests import BenchOptions, PeerOptions, ReportOptions
from sdk_builder.device.fake import FakeAdb, FakePhone
from sdk_builder.errors import (
    AppCrashedError,
    BundleError,
    DeviceFullError,
    InputError,
    NoDeviceError,
    UsageError,
)
from sdk_builder.log import Steps
from tests.unit.benchmark.bench_fakes import make_bundle
from tests.unit.benchmark.test_phone import PROPERTIES
from tests.unit.cli.conftest import Shakti
from tests.unit.cli.fakes import FakeLibrary

ROOT = Path(__file__).parents[3]
ROW = CaseRow("decode-128", 5, 1, 41.26, 40.0, 42.5, "tokens/s")


@dataclass
class PhoneLibrary(FakeLibrary):
    """The real library over phones that are not there; `outcomes` replaces the benchmark."""

    phones: Sequence[FakePhone] = ()
    outcomes: Sequence[Benched] = ()
    asked: list[BenchOptions] = field(default_factory=list)
    reported: list[ReportOptions] = field(default_factory=list)

    def adb(self) -> FakeAdb:
        return FakeAdb(self.phones)

    def bench(self, options: BenchOptions, steps: Steps) -> Sequence[Any]:
        self.asked.append(options)
        return self.outcomes or super().bench(options, steps)


def phone(serial: str = "R5CT1", *, app: bool = True) -> FakePhone:
    made = FakePhone(serial, properties=PROPERTIES)
    if app:
        FakeBenchApp().install(made)
    return made


# --- devices ------------------------------------------------------------------------------


def test_devices_lists_each_phone_with_what_it_is(shakti: Shakti):
    locked = phone("LOCKED")
    locked.state = "unauthorized"
    outcome = shakti("devices", library=PhoneLibrary(phones=[phone(), locked]))
    assert outcome.code == 0
    for word in ("R5CT1", "Google Pixel 8", "Android 14", "arm64-v8a", "app 1.0.0", "unauthorized"):
        assert word in outcome.stdout
    assert "LOCKED: " in outcome.stdout  # its fix


def test_devices_json_has_facts_or_the_fix(shakti: Shakti):
    locked = phone("LOCKED")
    locked.state = "unauthorized"
    library = PhoneLibrary(phones=[phone(), locked])
    rows = {
        row["serial"]: row
        for row in shakti("devices", "--json", library=library).document["devices"]
    }
    assert rows["R5CT1"]["facts"]["api_level"] == 34
    assert rows["LOCKED"]["facts"] is None
    assert rows["LOCKED"]["fix"]


def test_devices_without_a_phone_says_how_to_connect_one(shakti: Shakti):
    outcome = shakti("devices", library=PhoneLibrary())
    assert (outcome.code, outcome.stdout) == (0, "No phone is attached.\n")
    assert "USB debugging" in outcome.stderr


# --- doctor --device ----------------------------------------------------------------------


def test_doctor_looks_at_the_only_phone(shakti: Shakti):
    outcome = shakti("doctor", "--device", library=PhoneLibrary(phones=[phone()]))
    assert "Android 14" in outcome.stdout


def test_doctor_of_a_phone_without_the_app_ends_with_6_and_the_fix(shakti: Shakti):
    library = PhoneLibrary(phones=[phone("A", app=False), phone("B")])
    outcome = shakti("doctor", "--device", "A", library=library)
    assert outcome.code == 6
    assert "demo install" in outcome.stdout


def test_doctor_of_a_phone_that_is_not_there_ends_with_6(shakti: Shakti):
    outcome = shakti("doctor", "--device", "C", "--json", library=PhoneLibrary(phones=[phone()]))
    assert outcome.code == 6
    assert outcome.document["error"]["cause"] == "NoDeviceError"


# --- bench --------------------------------------------------------------------------------


def test_bench_passes_on_what_was_asked(shakti: Shakti):
    library = PhoneLibrary(outcomes=[Benched("A", rows=(ROW,))])
    outcome = shakti(
        *("bench", "b", "--device", "A", "--device", "host", "--rounds", "7"),
        *("--prefill", "64,256", "--depth-sweep", "--threads", "auto", "--max-wait", "2"),
        *("--again", "--clean", "-o", "out"),
        library=library,
    )
    assert outcome.code == 0
    assert library.asked == [
        BenchOptions(
            bundle=Path("b"),
            devices=("A", "host"),
            output=Path("out"),
            rounds=7,
            prefill=(64, 256),
            decode=None,
            depths=(0, 512, 2048, 3584),
            threads="auto",
            quick=False,
            max_wait_s=120.0,
            again=True,
            clean=True,
            peer=None,
        )
    ]
    assert "Next: shakti-sdk report out" in outcome.stderr


def test_bench_prints_medians_with_their_spread(shakti: Shakti):
    done = Benched("A", Path("out/a.jsonl"), (ROW,), 2**30, ("a note",))
    outcome = shakti("bench", "b", library=PhoneLibrary(outcomes=[done]))
    for words in ("41.3 tokens/s", "40.0 to 42.5", "5 (+1 invalid)", "1024 MiB", "a note"):
        assert words in outcome.stdout
    (result,) = shakti("bench", "b", "--json", library=PhoneLibrary(outcomes=[done])).document[
        "results"
    ]
    assert result["cases"][0]["median"] == 41.26
    assert result["complete"]


def test_bench_of_one_device_that_fails_ends_with_its_error(shakti: Shakti):
    error = AppCrashedError("The app died.", "its log")
    library = PhoneLibrary(outcomes=[Benched("A", Path("a.jsonl"), (ROW,), error=error)])
    outcome = shakti("bench", "b", library=library)
    assert outcome.code == 6
    assert "41.3 tokens/s" in outcome.stdout  # what was measured is shown all the same
    assert "The app died." in outcome.stderr
    assert "its log" in outcome.stderr


def test_bench_of_several_devices_names_those_that_failed(shakti: Shakti):
    outcomes = [
        Benched("A", rows=(ROW,)),
        Benched("B", error=AppCrashedError("The app died.")),
        Benched("C", error=DeviceFullError("No room.")),
    ]
    outcome = shakti("bench", "b", "--json", library=PhoneLibrary(outcomes=outcomes))
    assert outcome.code == 6
    assert "2 of 3 devices failed: B, C" in outcome.document["error"]["message"]
    assert [one["error"] and one["error"]["cause"] for one in outcome.document["results"]] == [
        None,
        "AppCrashedError",
        "DeviceFullError",
    ]


def test_bench_without_a_phone_ends_with_6(shakti: Shakti, tmp_path: Path):
    make_bundle(tmp_path / "b")
    outcome = shakti("bench", str(tmp_path / "b"), library=PhoneLibrary())
    assert outcome.code == 6
    assert "No phone is attached" in outcome.stderr


def test_bench_of_a_bundle_that_is_none_ends_with_3(shakti: Shakti, tmp_path: Path):
    outcome = shakti("bench", str(tmp_path), library=PhoneLibrary(phones=[phone()]))
    assert outcome.code == 3


def test_bench_of_a_damaged_bundle_ends_with_3_before_any_phone_is_asked(
    shakti: Shakti, tmp_path: Path
):
    made = make_bundle(tmp_path / "b")
    path = made.path / "model.pte"
    path.write_bytes(b"x" * path.stat().st_size)
    there = phone()
    outcome = shakti("bench", str(made.path), library=PhoneLibrary(phones=[there]))
    assert outcome.code == 3
    assert there.ran == []


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--depths", "0", "--depth-sweep"), "--depth-sweep"),
        (("--prefill", "12,x"), "12,x"),
        (("--prefill", "12,12"), "twice"),
        (("--threads", "0"), "0 threads"),
        (("--threads", "many"), "--threads"),
        (("--rounds", "0"), "--rounds"),
        (("--peer", "llama.cpp"), "--peer-binary"),
        (("--peer-model", "x.gguf"), "--peer"),
        (("--peer", "mlc"), "mlc"),
    ],
)
def test_bench_with_contradicting_options_ends_with_2(
    shakti: Shakti, arguments: tuple[str, ...], says: str
):
    outcome = shakti("bench", "b", *arguments, library=PhoneLibrary())
    assert outcome.code == 2
    assert says in outcome.stderr


def test_bench_with_a_peer_passes_its_files_on(shakti: Shakti):
    library = PhoneLibrary(outcomes=[Benched("A")])
    shakti(
        *("bench", "b", "--device", "host", "--peer", "llama.cpp"),
        *("--peer-binary", "llama-bench", "--peer-model", "m.gguf"),
        library=library,
    )
    assert library.asked[0].peer == PeerOptions("llama.cpp", Path("llama-bench"), Path("m.gguf"))


@given(st.lists(st.integers(0, 10**6), min_size=1, unique=True))
def test_counts_are_what_was_typed(numbers: list[int]):
    assert COUNTS.convert(",".join(map(str, numbers)), None, None) == tuple(numbers)


@given(st.text())
def test_counts_are_numbers_or_refused(text: str):
    try:
        numbers = COUNTS.convert(text, None, None)
    except click.BadParameter:
        return
    assert numbers == tuple(int(word) for word in text.split(","))
    assert min(numbers) >= 0


def test_threads_are_none_auto_or_numbers():
    assert parse_threads(None) is None
    assert parse_threads("auto") == "auto"
    assert parse_threads("1, 4") == (1, 4)
    with pytest.raises(UsageError):
        parse_threads("-1")


# --- from bench to report and compare -----------------------------------------------------


@pytest.fixture
def measured(shakti: Shakti, tmp_path: Path) -> Path:
    """A folder with two complete runs of one phone."""
    bundle = make_bundle(tmp_path / "b")
    library = PhoneLibrary(phones=[phone()])
    for again in ((), ("--again",)):
        outcome = shakti(
            *("bench", str(bundle.path), "-o", str(tmp_path / "bench")),
            *("--prefill", "8", "--decode", "4", *again),
            library=library,
        )
        assert outcome.code == 0, outcome.stderr
    return tmp_path / "bench"


def test_report_of_measurements_is_written(shakti: Shakti, measured: Path, tmp_path: Path):
    outcome = shakti("report", str(measured), "-o", str(tmp_path / "report"), "--json")
    assert outcome.code == 0, outcome.stderr
    names = {Path(one["file"]).name for one in outcome.document["files"]}
    assert {"report.html", "report.md"} <= names
    assert all(
        Path(one["file"]).stat().st_size == one["size_bytes"] for one in outcome.document["files"]
    )


def test_report_of_nothing_ends_with_3(shakti: Shakti, tmp_path: Path):
    outcome = shakti("report", str(tmp_path))
    assert outcome.code == 3
    assert "bench" in outcome.stderr


def test_compare_of_a_run_with_its_repetition_has_a_verdict_for_each_case(
    shakti: Shakti, measured: Path
):
    base, new = sorted(measured.glob("*.jsonl"))
    outcome = shakti("compare", str(base), str(new), "--fail-above", "90%", "--json")
    assert outcome.code in (0, 8)  # instant timings are all noise; the test itself is tested apart
    assert {one["case"] for one in outcome.document["cases"]} == {
        "load",
        "prefill-8",
        "ttft-128",
        "decode-4",
    }
    assert all(one["base_samples"] == 5 for one in outcome.document["cases"])


def test_compare_of_too_few_rounds_ends_with_11_and_says_how_many_are_needed(
    shakti: Shakti, tmp_path: Path
):
    bundle = make_bundle(tmp_path / "b")
    library = PhoneLibrary(phones=[phone()])
    paths: list[Path] = []
    for name in ("base", "new"):
        shakti("bench", str(bundle.path), "--quick", "-o", str(tmp_path / name), library=library)
        paths += (tmp_path / name).glob("*.jsonl")
    outcome = shakti("compare", *map(str, paths))
    assert outcome.code == 11
    assert "not enough samples" in outcome.stdout
    assert "rounds on each side" in outcome.stderr


def test_compare_with_a_margin_that_is_none_ends_with_2(shakti: Shakti, measured: Path):
    outcome = shakti("compare", str(measured), str(measured), "--fail-above", "3")
    assert outcome.code == 2


def test_compare_of_a_file_that_is_not_there_ends_with_3(shakti: Shakti, measured: Path):
    assert shakti("compare", str(measured), "nowhere.jsonl").code == 3


def test_error_of_adb_is_the_commands(shakti: Shakti):
    class Unreachable(PhoneLibrary):
        def adb(self) -> FakeAdb:
            return FakeAdb(reachable=False)

    outcome = shakti("devices", "--json", library=Unreachable())
    assert outcome.code == NoDeviceError.exit_code
    assert outcome.document["error"]["cause"] == "NoDeviceError"


def test_port_of_adb_that_is_no_number_ends_with_2():
    # in a process of its own: adbutils reads the port when it is imported, too
    done = subprocess.run(
        [sys.executable, "-m", "sdk_builder", "devices"],
        env={**os.environ, "ANDROID_ADB_SERVER_PORT": "usb", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2, done.stderr
    assert "ANDROID_ADB_SERVER_PORT" in done.stderr


def test_bench_whose_devices_fail_alike_ends_with_their_family(shakti: Shakti):
    outcomes = [Benched("A", error=InputError("No.")), Benched("B", error=BundleError("None."))]
    outcome = shakti("bench", "b", "--json", library=PhoneLibrary(outcomes=outcomes))
    assert outcome.code == 3
    assert outcome.document["error"]["cause"] == "InputError"


def test_bench_with_a_peer_that_is_not_there_ends_with_3_before_anything_is_measured(
    shakti: Shakti, tmp_path: Path
):
    make_bundle(tmp_path / "b")
    outcome = shakti(
        *("bench", str(tmp_path / "b"), "--device", "host", "-o", str(tmp_path / "out")),
        *("--peer", "llama.cpp", "--peer-binary", sys.executable, "--peer-model", "nowhere.gguf"),
        library=PhoneLibrary(),
    )
    assert outcome.code == 3
    assert "nowhere.gguf" in outcome.stderr
    assert not (tmp_path / "out").exists()
