"""Heat, battery, clocks and memory out of what phones print."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdk_builder.device.fake import FakePhone, Reply
from sdk_builder.device.readings import (
    Battery,
    Thermal,
    clocks_mhz,
    parse_battery,
    parse_meminfo,
    parse_named_values,
    parse_thermal,
    read_conditions,
)
from sdk_builder.errors import DeviceLostError
from tests.unit.device import dumps

CPU = "/sys/devices/system/cpu"
SUPPLY = "/sys/class/power_supply/battery"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            dumps.THERMAL_PIXEL,
            Thermal(
                1,
                {"VIRTUAL-SKIN": 37.243, "BIG": 52.0, "LITTLE": 44.0, "battery": 31.2},
            ),
        ),
        (
            dumps.THERMAL_SAMSUNG,
            Thermal(0, {"AP": 29.7, "BAT": 28.1, "SKIN": 27.0, "SKIN 2": 26.0, "gpu": 24.5}),
        ),
        (dumps.THERMAL_OLD, Thermal(2, {})),
        ("Can't find service: thermalservice\n", Thermal()),
        ("Thermal Status: 9\n", Thermal()),
        ("", Thermal()),
    ],
    ids=["pixel", "samsung", "old", "no service", "odd", "empty"],
)
def test_heat_is_what_the_sensors_give_now(text, expected):
    assert parse_thermal(text) == expected


@pytest.mark.parametrize(
    ("text", "expected", "charging"),
    [
        (dumps.BATTERY_PIXEL, Battery(67.0, 29.1, 4123, 2_874_000, 2, True), True),
        (dumps.BATTERY_SAMSUNG, Battery(81.0, 30.5, 4025, 3_500_000, 3, False), False),
        (dumps.BATTERY_TABLET, Battery(50.0, None, 4000, None, 5, True), True),
        ("  status: 2\n", Battery(status=2), True),
        ("  status: 4\n", Battery(status=4), False),
        ("  status: 1\n", Battery(status=1), None),
        ("  level: 130\n  temperature: 99999\n  voltage: 0\n", Battery(), None),
        ("  USB powered: maybe\n", Battery(), None),
        ("", Battery(), None),
    ],
)
def test_the_battery_is_read_as_its_maker_prints_it(text, expected, charging):
    assert parse_battery(text) == expected
    assert parse_battery(text).charging is charging


def test_clocks_are_in_the_order_of_the_cores():
    said = "".join(f"{CPU}/cpu{n}/cpufreq/scaling_cur_freq:{n + 1}00000\n" for n in (0, 1, 10))
    assert clocks_mhz(parse_named_values(said)) == ()  # eight cores are not told
    rest = "".join(f"{CPU}/cpu{n}/cpufreq/scaling_cur_freq:{n + 1}00000\n" for n in range(2, 10))
    assert clocks_mhz(parse_named_values(said + rest)) == tuple(100.0 * n for n in range(1, 12))


@pytest.mark.parametrize("value", ["<unknown>", "0", "-5", "", "9" * 30])
def test_an_odd_clock_makes_all_unknown(value):
    names = {f"{CPU}/cpu0/cpufreq/x": "1800000", f"{CPU}/cpu1/cpufreq/x": value}
    assert clocks_mhz(names) == ()


def test_memory_is_in_bytes():
    assert parse_meminfo(dumps.MEMINFO, "MemAvailable") == 3_200_100 * 1024
    assert parse_meminfo(dumps.MEMINFO, "MemNone") is None
    assert parse_meminfo("MemTotal: many kB\n", "MemTotal") is None


# Pieces of true dumps in any order, cut anywhere, with any numbers in them.
PIECES = [
    line + "\n"
    for text in vars(dumps).values()
    if isinstance(text, str) and "\n" in text
    for line in text.splitlines()
]
GARBAGE = st.lists(
    st.one_of(
        st.sampled_from(PIECES),
        st.text(max_size=30),
        st.integers().map(str),
        st.floats().map(lambda v: f"\tTemperature{{mValue={v}, mType=-7, mName=a, mStatus=0}}\n"),
        st.tuples(st.sampled_from(["level", "scale", "voltage", "temperature"]), st.integers()).map(
            lambda row: f"  {row[0]}: {row[1]}\n"
        ),
        st.tuples(st.sampled_from(["Thermal Status", "Charge counter"]), st.integers()).map(
            lambda row: f"{row[0]}: {row[1]}\n"
        ),
    ),
    max_size=12,
).map("".join)


@given(GARBAGE, GARBAGE, GARBAGE, GARBAGE)
def test_whatever_a_phone_prints_gives_conditions(thermal, battery, files, memory):
    phone = FakePhone(services={"thermalservice": thermal, "battery": battery})
    phone.files["/proc/meminfo"] = memory.encode()
    phone.commands["grep"] = lambda call: Reply(files)
    seen = read_conditions(phone)
    assert seen.thermal_status in (None, 0, 1, 2, 3, 4, 5, 6)
    assert all(-40 < value < 200 for value in seen.temperatures_c.values())


def test_one_look_takes_all_that_is_there():
    phone = FakePhone(
        services={"thermalservice": dumps.THERMAL_PIXEL, "battery": dumps.BATTERY_PIXEL},
        files={
            "/proc/meminfo": dumps.MEMINFO.encode(),
            "/proc/loadavg": b"2.25 1.10 0.90 3/1200 4321\n",
            f"{SUPPLY}/current_now": b"-351562\n",
            f"{SUPPLY}/charge_counter": b"2873999\n",
            f"{SUPPLY}/uevent": b"POWER_SUPPLY_NAME=battery\nPOWER_SUPPLY_ONLINE=1\n",
            f"{CPU}/cpu0/cpufreq/scaling_cur_freq": b"1704000\n",
            f"{CPU}/cpu1/cpufreq/scaling_cur_freq": b"300000\n",
        },
    )
    seen = read_conditions(phone)
    assert (seen.thermal_status, seen.battery_percent, seen.charging) == (1, 67.0, True)
    assert (seen.battery_current_ua, seen.charge_counter_uah) == (-351_562, 2_873_999)
    assert (seen.battery_voltage_mv, seen.battery_temperature_c) == (4123, 29.1)
    assert (seen.clocks_mhz, seen.load_average) == ((1704.0, 300.0), 2.25)
    assert seen.available_memory_bytes == 3_200_100 * 1024
    assert len(phone.ran) == 4


def test_a_phone_that_tells_nothing_has_no_known_conditions():
    seen = read_conditions(FakePhone())
    assert seen.model_dump(exclude={"at"}, exclude_defaults=True) == {}


def test_a_lost_phone_is_an_error_not_an_unknown():
    phone = FakePhone()
    phone.unplug_after(calls=2)
    with pytest.raises(DeviceLostError):
        read_conditions(phone)
