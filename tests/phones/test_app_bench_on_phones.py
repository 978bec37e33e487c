"""The whole chain: `shakti-sdk bench`, a real adbd, the app's own instrumentation code on a JVM,
Android's runtime library, and a real model.
"""

from __future__ import annotations

import hashlib
import json
import statistics
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sdk_builder.cli import main
from sdk_builder.errors import VerificationError
from sdk_builder.log import Steps
from tests.app.compiled import compile_tests
from tests.app.host import app_process
from tests.app.inputs import properties_for
from tests.app.needs import require_app_tools
from tests.phones import bench_runs as runs
from tests.phones.bench_runs import bench
from tests.phones.conftest import MakeLab, fresh
from tests.phones.lab import Lab, Phone
from tests.phones.shims.state import Fault

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

BUNDLE_PROPERTY = "shakti.bundle.q4"
GOLDEN_PROMPTS = 5
LEAST_SHARE = 0.6
# Between the push, which is checked, and the app's own look.
TAMPER = (
    'for file in /data/local/tmp/shakti/bundles/*/model.pte; do [ -f "$file" ] && '
    'printf tampered | dd of="$file" bs=1 seek=40000000 conv=notrunc 2>/dev/null; done; exec "$@"'
)


@pytest.fixture(scope="module")
def bundle() -> Path:
    """SmolLM2, quantized to 4 bits."""
    require_app_tools()
    asked = f'"{BUNDLE_PROPERTY}"'
    return Path(properties_for([asked], Steps.silent())[BUNDLE_PROPERTY])


@pytest.fixture(scope="module")
def process() -> list[str]:
    """The command that starts the app's code."""
    require_app_tools()
    return app_process(compile_tests(Steps.silent()))


@pytest.fixture(scope="module")
def roomy_lab(make_lab: MakeLab) -> Iterator[Lab]:
    """One phone with room for a real bundle."""
    lab = make_lab(phones=1, data_mib=160)
    yield lab
    lab.close()


@pytest.fixture
def phone(roomy_lab: Lab, process: list[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Phone]:
    """A fresh phone with the app."""
    with fresh(roomy_lab, monkeypatch) as lab:
        (phone,) = lab.phones
        with phone.changed() as state:
            assert state.app is not None
            state.app.version = "1.2.3"
            state.app.process = process
        yield phone


def of_type(records: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [record for record in records if record["type"] == kind]


def test_app_measures_the_real_model_and_the_report_shows_its_samples(
    phone: Phone, bundle: Path, tmp_path: Path
):
    with phone.changed() as state:
        state.battery.percent, state.battery.current_ua = 63, -412_000
    ended = bench(bundle, tmp_path, phone.serial)
    assert ended.code == 0, ended.said
    file = ended.file(phone.serial)
    runs.assert_complete(file)
    runs.assert_all_kept(phone, file)
    records = runs.lines(file)

    described = records[0]["runtime"]
    assert described["name"] == "executorch"
    assert "react-native-executorch 0.5.15" in described["version"]
    assert (described["app"], described["app_version"]) == ("io.shakti.demo", "1.2.3")
    assert described["threads_settable"] is True

    first, second = of_type(records, "round")
    program = (bundle / "model.pte").read_bytes()
    assert first["program_sha256"] == hashlib.sha256(program).hexdigest()
    assert first["golden"]["prompts"] == GOLDEN_PROMPTS
    assert LEAST_SHARE <= first["golden"]["ranked_first"] <= 1
    assert second["program_sha256"] is None

    samples = runs.samples(records)
    for sample in samples:
        assert sample["peak_memory_bytes"] > len(program)
        for look in (sample["before"], sample["after"]):
            assert look["battery_percent"] == 63
            assert look["battery_current_ua"] == -412_000
            assert look["thermal_status"] == 0
            assert look["clocks_mhz"][0] == pytest.approx(852)
            assert look["available_memory_bytes"] == 4_100_000 * 1024
    decode = [one for one in samples if one["case"]["kind"] == "decode"]
    for sample in decode:
        assert len(sample["token_ms"]) == 16
        assert sum(sample["token_ms"]) == pytest.approx(sample["duration_ms"])
    medians = {row["case"]: row["median"] for row in ended.result(phone.serial)["cases"]}
    rates = [16_000 / one["duration_ms"] for one in decode]
    assert medians["decode-16"] == pytest.approx(statistics.median(rates))

    report = tmp_path / "report"
    main_ended(["report", str(file), "-o", str(report)])
    pages = list(report.rglob("*.html"))
    assert pages
    assert "SmolLM2" in pages[0].read_text(encoding="utf-8")


def main_ended(arguments: list[str]) -> None:
    """Run a command of the SDK that succeeds."""
    try:
        main(arguments)
    except SystemExit as left:
        assert not left.code, arguments


def test_app_that_is_killed_is_started_again_and_measures_what_is_missing(
    phone: Phone, bundle: Path, tmp_path: Path
):
    with phone.changed() as state:
        state.faults = [Fault("crash", at_case=2)]
    ended = bench(bundle, tmp_path, phone.serial)
    assert ended.code == 0, ended.said
    file = ended.file(phone.serial)
    runs.assert_complete(file)
    runs.assert_all_kept(phone, file)
    runs.assert_measured_once(phone)
    attempts = [record["attempt"] for record in of_type(runs.lines(file), "round")]
    assert attempts == [0, 1, 2]


def test_app_leaves_the_gate_when_the_phone_is_hot_and_the_rest_is_measured_when_it_is_cool(
    phone: Phone, bundle: Path, tmp_path: Path
):
    with phone.changed() as state:
        state.faults = [Fault("heat", at_case=1, seconds=2)]
    ended = bench(bundle, tmp_path, phone.serial, options=("--max-wait", "3"))
    assert ended.code == 0, ended.said
    records = runs.lines(ended.file(phone.serial))
    runs.assert_complete(ended.file(phone.serial))
    left = [end for end in of_type(records, "round_end") if end["status"] == "left_gate"]
    assert [end["message"] for end in left] == [
        "thermal status is 3 (severe), at most 0 (none) is allowed"
    ]
    (invalid,) = [one for one in runs.samples(records) if one["invalid_reason"]]
    assert invalid["after"]["thermal_status"] == 3


def test_program_that_was_changed_on_the_phone_is_not_measured(
    phone: Phone, process: list[str], bundle: Path, tmp_path: Path
):
    with phone.changed() as state:
        assert state.app is not None
        state.app.process = ["sh", "-c", TAMPER, "sh", *process]
    ended = bench(bundle, tmp_path, phone.serial)
    assert ended.code == VerificationError.exit_code, ended.said
    assert "damaged" in ended.said
    written = phone.written()
    assert [record["cause"] for record in of_type(written, "failure")] == ["hash_mismatch"]
    assert of_type(written, "sample") == []
    assert written[-1]["status"] == "failed"
    manifest = json.loads((bundle / "manifest.json").read_text(encoding="utf-8"))
    assert written[0]["program_sha256"] not in (None, manifest["program"]["sha256"])
