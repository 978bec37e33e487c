"""A phone as a target: the app behind the adb seam."""

from __future__ import annotations

import pytest

from sdk_builder.benchmark.bench import Benched, BenchRequest, run_bench
from sdk_builder.benchmark.devices import device_rows
from sdk_builder.benchmark.plans import make_plan, round_plan
from sdk_builder.benchmark.results import read_results
from sdk_builder.benchmark.subject import program_check, subject_of
from sdk_builder.benchmark.targets.fake_app import RESULTS_DIR, FakeBenchApp
from sdk_builder.benchmark.targets.phone import PhoneTarget, describe_app
from sdk_builder.bundle.reader import Bundle
from sdk_builder.device.bundles import bundle_folder
from sdk_builder.device.conditions import Conditions
from sdk_builder.device.demo_app import PACKAGE, PHONE_FOLDER
from sdk_builder.device.fake import FakeAdb, FakePhone, Reply
from sdk_builder.errors import (
    AndroidTooOldError,
    AppCrashedError,
    AppMissingError,
    AppProtocolError,
    DeviceLostError,
    SeveralDevicesError,
    UsageError,
    WrongAbiError,
)
from sdk_builder.log import Steps
from tests.unit.benchmark.bench_fakes import make_bundle

PROPERTIES = {
    "ro.product.model": "Pixel 8",
    "ro.product.manufacturer": "Google",
    "ro.product.cpu.abi": "arm64-v8a",
    "ro.build.version.release": "14",
    "ro.build.version.sdk": "34",
}


def make_phone(
    serial: str = "R5CT1", app: FakeBenchApp | None = None, properties: dict[str, str] | None = None
) -> FakePhone:
    phone = FakePhone(serial, properties={**PROPERTIES, **(properties or {})})
    (app or FakeBenchApp()).install(phone)
    return phone


@pytest.fixture
def bundle(tmp_path) -> Bundle:
    return make_bundle(tmp_path / "bundle")


def bench(bundle: Bundle, *phones: FakePhone, **changes) -> list[Benched]:
    devices = tuple(changes.pop("devices", ("all",)))
    request = BenchRequest(
        bundle.path,
        devices,
        output=bundle.path.parent / "results",
        rounds=changes.pop("rounds", 2),
        prefill=(8,),
        decode=(4,),
        max_wait_s=0.0,
        **changes,
    )
    return run_bench(request, lambda: FakeAdb(phones), Steps.silent())


# --- the app ------------------------------------------------------------------------------


def test_app_describes_itself():
    described = describe_app(make_phone())
    assert str(described.results_dir) == RESULTS_DIR
    assert described.runtime.app == PACKAGE
    assert described.runtime.app_version == "1.0.0"
    assert described.runtime.threads_settable


def test_missing_app_is_told_with_the_command_that_brings_it():
    phone = FakePhone("R5CT1", properties=PROPERTIES)
    with pytest.raises(AppMissingError, match="R5CT1") as caught:
        describe_app(phone)
    assert "demo install" in caught.value.hint


@pytest.mark.parametrize(
    ("protocol", "hint"), [(2, "Update shakti-sdk"), (0, "shakti-sdk demo install")]
)
def test_app_of_another_protocol_is_refused_and_says_which_side_is_old(protocol: int, hint: str):
    with pytest.raises(AppProtocolError, match=f"protocol {protocol}, this shakti-sdk 1") as caught:
        describe_app(make_phone(app=FakeBenchApp(protocol=protocol)))
    assert hint in caught.value.hint


def test_app_without_a_benchmark_is_refused():
    phone = make_phone()
    del phone.commands["am"]  # the phone's own knows no such instrumentation
    with pytest.raises(AppProtocolError, match="does not answer"):
        describe_app(phone)


@pytest.mark.parametrize("folder", ["", "files/bench", "/sdcard/../data"])
def test_app_that_names_a_strange_results_folder_is_refused(folder: str):
    with pytest.raises(AppProtocolError, match="folder"):
        describe_app(make_phone(app=FakeBenchApp(results_dir=folder)))


def test_phone_with_another_processor_is_refused():
    with pytest.raises(WrongAbiError):
        PhoneTarget(make_phone(properties={"ro.product.cpu.abi": "armeabi-v7a"}), Steps.silent())


def test_phone_with_an_old_android_is_refused():
    with pytest.raises(AndroidTooOldError):
        PhoneTarget(make_phone(properties={"ro.build.version.sdk": "23"}), Steps.silent())


# --- a benchmark --------------------------------------------------------------------------


def test_benchmark_of_a_phone_has_every_sample(bundle: Bundle):
    (done,) = bench(bundle, make_phone())
    assert done.error is None
    assert {row.case: row.samples for row in done.rows} == {
        "load": 2,
        "prefill-8": 2,
        "ttft-128": 2,
        "decode-4": 2,
    }
    assert done.path is not None
    run = read_results(done.path).run
    assert run.device.model == "Pixel 8"
    assert run.runtime.app == PACKAGE


def test_bundle_is_pushed_once_and_stays(bundle: Bundle):
    phone = make_phone()
    bench(bundle, phone)
    folder = bundle_folder(bundle)
    pushed = {name for name in phone.files if name.startswith(f"{folder}/")}
    assert pushed == {f"{folder}/{name}" for name in bundle.manifest.file_names}
    assert phone.files[f"{folder}/model.pte"] == bundle.read_bytes("model.pte")
    phone.ran.clear()
    bench(bundle, phone, again=True)
    assert not any(argv[0] == "sh" and "cat >>" in " ".join(argv[:3]) and "model.pte" in argv[-1]
                   for argv in phone.ran)  # fmt: skip


def test_clean_takes_the_bundle_off_the_phone(bundle: Bundle):
    phone = make_phone()
    (done,) = bench(bundle, phone, clean=True)
    assert done.error is None
    assert not [name for name in phone.files if name.startswith(PHONE_FOLDER)]


def test_complete_benchmark_is_not_measured_again(bundle: Bundle):
    app = FakeBenchApp()
    phone = make_phone(app=app)
    (first,) = bench(bundle, phone)
    processes = len(app.plans)
    (second,) = bench(bundle, phone)
    assert (second.already, second.path, second.rows) == (True, first.path, first.rows)
    assert len(app.plans) == processes


def test_again_measures_into_another_file(bundle: Bundle):
    phone = make_phone()
    (first,) = bench(bundle, phone)
    (second,) = bench(bundle, phone, again=True)
    assert not second.already
    assert first.path != second.path
    assert second.path is not None
    assert read_results(second.path).next_round is None


def test_one_phone_failing_does_not_stop_the_others(bundle: Bundle):
    broken = make_phone("BROKEN")
    del broken.apps[PACKAGE]
    bad, good = bench(bundle, make_phone("GOOD"), broken)
    assert good.error is None
    assert len(good.rows) == 4
    assert isinstance(bad.error, AppMissingError)


def test_unplugged_phone_keeps_what_it_measured_and_goes_on(bundle: Bundle):
    app = FakeBenchApp(losses=frozenset({1}))
    phone = make_phone(app=app)
    (cut,) = bench(bundle, phone)
    assert isinstance(cut.error, DeviceLostError)
    assert sum(row.samples for row in cut.rows) == 4  # the first round
    phone.plug_in()
    (whole,) = bench(bundle, phone)
    assert whole.error is None
    assert {row.samples for row in whole.rows} == {2}
    # the case that the lost attempt had finished was read from the phone, not measured again
    assert [len(plan.cases) for plan in app.plans] == [4, 4, 3]


def test_app_that_always_crashes_is_told_with_the_phones_log(bundle: Bundle):
    app = FakeBenchApp(crashes=frozenset(range(100)))
    phone = make_phone(app=app)
    phone.log.append(
        f"11-24 03:06:41.123  4242  4242 E AndroidRuntime: Process: {PACKAGE}, PID: 4242"
    )
    (done,) = bench(bundle, phone)
    # each attempt leaves one sample, so the run gets there although the app never ends well
    assert done.error is None
    assert {row.samples for row in done.rows} == {2}
    assert done.path is not None
    failures = read_results(done.path).failures
    assert failures
    assert {failure.cause for failure in failures} == {"app_crashed"}


def test_crash_carries_the_phones_log(bundle: Bundle):
    phone = make_phone(app=FakeBenchApp(crashes=frozenset({0})))
    phone.running[PACKAGE] = 4242
    phone.log.append("11-24 03:06:41.123  4242  4242 E AndroidRuntime: OutOfMemoryError")
    target = PhoneTarget(phone, Steps.silent())
    plan, _ = make_plan(bundle.manifest.program.context_length, prefill=(8,), decode=(4,), ttft=0)
    folder = target.prepare(subject_of(bundle), Steps.silent())
    sent = round_plan(
        plan, "0" * 16, 0, 0, folder, program_check(bundle.manifest), plan.cases, True
    )
    with pytest.raises(AppCrashedError, match="Process crashed"):
        target.run_round(sent, lambda progress: None)
    assert target.output(sent).count(b'"type": "sample"') == 1


def test_hot_phone_has_its_sample_marked_and_measured_again(bundle: Bundle):
    cool = Conditions(at="2026-01-01T00:00:00.000Z", thermal_status=0)
    hot = Conditions(at="2026-01-01T00:00:00.000Z", thermal_status=3)
    app = FakeBenchApp(looks=[cool, cool, cool, cool, hot, cool])
    (done,) = bench(bundle, make_phone(app=app))
    assert done.error is None
    assert sum(row.invalid for row in done.rows) == 1
    assert {row.samples for row in done.rows} == {2}


def test_settings_are_as_before(bundle: Bundle):
    phone = make_phone()
    phone.settings = {
        ("global", "stay_on_while_plugged_in"): "0",
        ("system", "screen_off_timeout"): "30000",
    }
    before = dict(phone.settings)
    bench(bundle, phone)
    assert phone.settings == before


# --- what to measure ----------------------------------------------------------------------


def test_without_a_device_one_of_several_must_be_named(bundle: Bundle):
    with pytest.raises(SeveralDevicesError, match="A, B"):
        bench(bundle, make_phone("A"), make_phone("B"), devices=())


def test_threads_are_left_out_where_the_app_cannot_set_them(bundle: Bundle):
    app = FakeBenchApp(threads_settable=False)
    (done,) = bench(bundle, make_phone(app=app), threads=(1, 2))
    assert done.error is None
    assert any("--threads" in note for note in done.notes)
    assert all(case.threads is None for plan in app.plans for case in plan.cases)


def test_threads_are_swept_where_it_can(bundle: Bundle):
    app = FakeBenchApp()
    (done,) = bench(bundle, make_phone(app=app), threads=(1, 2))
    assert {row.case for row in done.rows} >= {"decode-4/1t", "decode-4/2t"}


def test_quick_with_cases_of_ones_own_is_refused(bundle: Bundle):
    with pytest.raises(UsageError, match="quick"):
        bench(bundle, make_phone(), quick=True)


# --- the list -----------------------------------------------------------------------------


def test_list_tells_what_keeps_each_phone_from_being_measured():
    silent = make_phone("SILENT")
    silent.commands["getprop"] = lambda call: Reply("", ends="silence")
    locked = make_phone("LOCKED")
    locked.state = "unauthorized"
    bare = make_phone("BARE")
    del bare.apps[PACKAGE]
    old = make_phone("OLD", properties={"ro.build.version.sdk": "21"})
    rows = {
        row.serial: row for row in device_rows(FakeAdb([make_phone(), silent, locked, bare, old]))
    }
    assert (rows["R5CT1"].fix, rows["R5CT1"].app_version) == ("", "1.0.0")
    assert rows["R5CT1"].facts is not None
    assert rows["R5CT1"].facts.model == "Pixel 8"
    assert rows["LOCKED"].facts is None
    assert rows["LOCKED"].state == "unauthorized"
    assert rows["LOCKED"].fix
    assert "demo install" in rows["BARE"].fix
    assert "Android" in rows["OLD"].fix
    assert rows["SILENT"].state == "silent"
