"""Apps on stand-in phones: installing, instrumenting, keeping awake, reading the log."""

from __future__ import annotations

import time

import pytest

from sdk_builder.device import logcat
from sdk_builder.device.adb import AdbPhone
from sdk_builder.device.adb_server import ServerAdb
from sdk_builder.device.app import (
    INSTALL_FILE,
    force_stop,
    install,
    installed_app,
    is_running,
    uninstall,
)
from sdk_builder.device.awake import kept_awake
from sdk_builder.device.instrument import instrument
from sdk_builder.device.readiness import examine_phone
from sdk_builder.errors import DeviceFullError, DeviceLostError, InstallFailedError, RunStalledError
from tests.phones.lab import MIB, RESULTS_DIR, Lab, Phone, wait_until
from tests.phones.plans import put_plan
from tests.phones.shims.state import INSTRUMENTATION, PACKAGE, Fault, log_line


@pytest.fixture
def there(lab: Lab, phone: Phone) -> AdbPhone:
    """The first phone, as the SDK has it."""
    return ServerAdb().phone(phone.serial)


@pytest.fixture
def slow_plan(lab: Lab, phone: Phone) -> str:
    """A plan on the phone for an app that takes its time."""
    with phone.changed() as state:
        state.engine = {"prefill_ms_per_token": 5.0, "decode_ms_per_token": 50.0}
    return put_plan(phone)


def run_plan(there: AdbPhone, plan: str, statuses: list[dict[str, str]], silence_s: float = 20):
    extras = {"action": "run", "plan": plan}
    return instrument(
        there,
        INSTRUMENTATION,
        extras,
        silence_s=silence_s,
        watch=lambda status: statuses.append(dict(status)),
    )


# --- installing ------------------------------------------------------------------------------


def test_an_app_is_installed_found_and_uninstalled(lab, phone: Phone, there, tmp_path):
    with phone.changed() as state:
        state.app = None
    assert installed_app(there, PACKAGE) is None
    apk = tmp_path / "the 'app'; x.apk"
    apk.write_bytes(b"PK" * 1000)
    install(there, apk)
    found = installed_app(there, PACKAGE)
    assert found is not None
    assert (found.version_name, found.version_code) == ("1.0.0", 10000)
    assert not phone.path(INSTALL_FILE).exists()
    assert uninstall(there, PACKAGE)
    assert installed_app(there, PACKAGE) is None
    assert not uninstall(there, PACKAGE)


@pytest.mark.parametrize(
    ("answer", "word", "hint"),
    [
        ("INSTALL_FAILED_UPDATE_INCOMPATIBLE: signatures do not match",
         "INSTALL_FAILED_UPDATE_INCOMPATIBLE", "demo uninstall"),
        ("INSTALL_FAILED_INSUFFICIENT_STORAGE", "INSTALL_FAILED_INSUFFICIENT_STORAGE", "space"),
        ("INSTALL_FAILED_NO_MATCHING_ABIS: Failed to extract native libraries, res=-113",
         "INSTALL_FAILED_NO_MATCHING_ABIS", "arm64-v8a"),
    ],
)  # fmt: skip
def test_a_refused_installation_says_why_and_leaves_no_file(
    lab, phone: Phone, there, tmp_path, answer, word, hint
):
    with phone.changed() as state:
        state.install_answer = answer
    (tmp_path / "app.apk").write_bytes(b"PK")
    with pytest.raises(InstallFailedError) as caught:
        install(there, tmp_path / "app.apk")
    assert caught.value.reason == word
    assert hint in caught.value.hint
    assert not phone.path(INSTALL_FILE).exists()


def test_an_app_that_does_not_fit_is_not_installed(lab, phone: Phone, there, tmp_path):
    phone.fill("/data", leave_bytes=MIB)
    (tmp_path / "app.apk").write_bytes(bytes(2 * MIB))
    with pytest.raises(DeviceFullError):
        install(there, tmp_path / "app.apk")
    assert phone.calls("pm") == []


# --- instrumentation -------------------------------------------------------------------------


def test_the_app_describes_itself(lab, phone: Phone, there):
    outcome = instrument(
        there, INSTRUMENTATION, {"action": "describe"}, silence_s=20, watch=lambda _: None
    )
    assert not outcome.crashed
    assert outcome.code == -1
    assert outcome.results["shakti_protocol"] == "1"
    assert outcome.results["shakti_results_dir"] == RESULTS_DIR
    assert phone.calls("am") == [
        ["am", "instrument", "-w", "-r", "-e", "action", "describe", INSTRUMENTATION]
    ]


def test_a_run_tells_how_far_it_is_and_how_it_ended(lab, phone: Phone, there):
    statuses: list[dict[str, str]] = []
    outcome = run_plan(there, put_plan(phone), statuses)
    assert (outcome.crashed, outcome.results) == (False, {"shakti_status": "complete"})
    told = [(status["shakti_done"], status["shakti_now"]) for status in statuses]
    assert list(dict.fromkeys(told)) == [
        ("0", "load"), ("1", "prefill-16"), ("2", "decode-8"), ("3", "decode-8"),
    ]  # fmt: skip


def test_status_comes_while_the_app_runs(lab, phone: Phone, there, slow_plan):
    came: list[float] = []
    instrument(
        there,
        INSTRUMENTATION,
        {"action": "run", "plan": slow_plan},
        silence_s=20,
        watch=lambda _: came.append(time.monotonic()),
    )
    assert came[-1] - came[0] > 0.4  # 8 tokens take that long


def test_a_crash_with_exit_code_0_is_a_crash(lab, phone: Phone, there):
    with phone.changed() as state:
        state.faults = [Fault("crash", at_case=1)]
    plan = put_plan(phone)
    since = logcat.mark(there)
    phone.folder.log(*(log_line("W", "Noise", "nothing to see", 99) for _ in range(10_000)))
    outcome = run_plan(there, plan, [])
    phone.folder.log(*(log_line("W", "Noise", "nothing to see", 99) for _ in range(10_000)))
    assert outcome.crashed
    assert "Process crashed" in outcome.reason
    told = logcat.tail(there, since, PACKAGE)
    assert "scripted crash" in told
    assert f"Process: {PACKAGE}" in told
    assert "nothing to see" not in told


def test_an_app_that_is_not_there_is_not_found(lab, phone: Phone, there):
    with phone.changed() as state:
        state.app = None
    outcome = run_plan(there, "/none", [])
    assert outcome.not_found
    assert "Unable to find instrumentation" in outcome.reason


def test_an_app_that_falls_silent_is_stalled_and_can_be_stopped(
    lab, phone: Phone, there, slow_plan
):
    with phone.changed() as state:
        state.faults = [Fault("stall", at_case=1)]
    with pytest.raises(RunStalledError):
        run_plan(there, slow_plan, [], silence_s=2)
    assert is_running(there, PACKAGE)
    force_stop(there, PACKAGE)
    assert not is_running(there, PACKAGE)


def test_a_phone_that_goes_away_is_lost_and_its_app_goes_on(lab, phone: Phone, there, slow_plan):
    def unplug(_: object) -> None:
        phone.kill_adbd()

    with pytest.raises(DeviceLostError):
        instrument(
            there,
            INSTRUMENTATION,
            {"action": "run", "plan": slow_plan},
            silence_s=20,
            watch=unplug,
        )
    assert phone.app_is_alive()
    wait_until(lambda: not phone.app_is_alive(), "the app ends")
    assert phone.written()[-1]["status"] == "complete"


# --- awake -----------------------------------------------------------------------------------


def test_the_phone_is_awake_meanwhile_and_as_it_was_afterwards(lab, phone: Phone, there):
    before = phone.state().settings
    warnings: list[str] = []
    with kept_awake(there, warn=warnings.append):
        meanwhile = phone.state()
        assert meanwhile.awake
        assert meanwhile.settings["global stay_on_while_plugged_in"] != "0"
        assert int(meanwhile.settings["system screen_off_timeout"]) > 3_600_000
    assert phone.state().settings == before
    assert warnings == []


def test_a_setting_that_was_not_set_is_not_set_afterwards(lab, phone: Phone, there):
    with phone.changed() as state:
        del state.settings["system screen_off_timeout"]
    before = phone.state().settings
    with kept_awake(there, warn=pytest.fail):
        assert phone.state().settings != before
    assert phone.state().settings == before


def test_a_phone_that_went_away_meanwhile_is_put_back_by_the_next_run(lab, phone: Phone, there):
    before = phone.state().settings
    warnings: list[str] = []
    with kept_awake(there, warn=warnings.append):
        phone.kill_adbd()
    assert phone.state().settings != before
    assert any(phone.serial in warning for warning in warnings)
    phone.connect()
    with kept_awake(there, warn=pytest.fail):
        pass
    assert phone.state().settings == before


def test_a_phone_that_is_fit_has_no_finding_that_is_missing(lab, phone: Phone, there):
    found = {finding.name: finding for finding in examine_phone(there, package=PACKAGE)}
    assert {name for name, one in found.items() if one.status == "missing"} == set()
    with phone.changed() as state:
        state.app = None
        state.properties["ro.product.cpu.abi"] = "armeabi-v7a"
    found = {finding.name: finding for finding in examine_phone(there, package=PACKAGE)}
    assert {name for name, one in found.items() if one.status == "missing"} == {"ABI", "demo app"}
