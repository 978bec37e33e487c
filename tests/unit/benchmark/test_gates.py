"""The gate: what closes it, what makes a sample invalid, and waiting with an end."""

from __future__ import annotations

import pytest

from sdk_builder.benchmark.gates import CHARGE, COOL, closed_reason, invalid_reason, wait_until_open
from sdk_builder.benchmark.plans import OPEN_GATE
from sdk_builder.benchmark.protocol import Case, Gate
from sdk_builder.device.conditions import Conditions
from sdk_builder.errors import GateClosedError
from tests.unit.benchmark.bench_fakes import sample_of

GATE = Gate()


def look(**changes) -> Conditions:
    return Conditions(at="now", **changes)


@pytest.mark.parametrize(
    ("conditions", "starting", "said"),
    [
        (look(), True, None),
        (look(thermal_status=0), True, None),
        (look(thermal_status=1), False, "thermal status is 1 (light)"),
        (look(battery_temperature_c=38.0), True, None),
        (look(battery_temperature_c=38.1), True, "at most 38.0 °C to start"),
        (look(battery_temperature_c=38.1), False, None),
        (look(battery_temperature_c=42.0), False, None),
        (look(battery_temperature_c=42.5), False, "at most 42.0 °C is allowed"),
        (look(battery_percent=20.0), True, None),
        (look(battery_percent=19.0), True, "at least 20 %"),
        (look(battery_percent=3.0, charging=True), False, "at least 20 %"),
    ],
)
def test_gate_closes_beyond_its_limits_and_not_at_them(conditions, starting, said):
    reason = closed_reason(conditions, GATE, starting=starting)
    assert (reason is None) if said is None else (reason is not None and said in reason)


def test_open_gate_lets_everything_pass():
    worst = look(thermal_status=6, battery_temperature_c=70.0, battery_percent=1.0)
    assert closed_reason(worst, OPEN_GATE, starting=True) is None


def test_start_limit_above_the_other_one_does_not_widen_it():
    gate = Gate(start_battery_temperature_c=50.0, max_battery_temperature_c=40.0)
    assert closed_reason(look(battery_temperature_c=45.0), gate, starting=True) is not None


def test_sample_is_invalid_by_what_was_before_or_after_it():
    case = Case(kind="prefill", tokens=8)
    hot = look(thermal_status=3)
    assert invalid_reason(sample_of(case), GATE) is None
    assert (invalid_reason(sample_of(case, before=hot), GATE) or "").startswith("before: thermal")
    assert (invalid_reason(sample_of(case, after=hot), GATE) or "").startswith("after: thermal")


class Cooling:
    """A clock that only sleeping moves, and a phone that loses 1 °C in 10 s."""

    def __init__(self, at_c: float) -> None:
        self.now_s = 0.0
        self.at_c = at_c

    def clock(self) -> float:
        return self.now_s

    def sleep(self, seconds: float) -> None:
        self.now_s += seconds

    def read(self) -> Conditions:
        return look(battery_temperature_c=self.at_c - self.now_s / 10)


def wait(phone: Cooling, max_wait_s: float, heard: list[tuple[float, float]]) -> Conditions:
    return wait_until_open(
        phone.read,
        GATE,
        max_wait_s=max_wait_s,
        poll_s=15,
        sleep=phone.sleep,
        clock=phone.clock,
        on_wait=lambda reason, now, left: heard.append((now.battery_temperature_c or 0.0, left)),
    )


def test_waits_until_it_is_cool_and_tells_the_temperature_and_the_time_left():
    phone, heard = Cooling(41.0), list[tuple[float, float]]()
    found = wait(phone, 900, heard)
    assert found.battery_temperature_c == 38.0
    assert phone.now_s == 30.0
    assert heard == [(41.0, 900.0), (39.5, 885.0)]


def test_waiting_ends_in_time_with_the_reason_and_the_fix():
    phone = Cooling(60.0)
    with pytest.raises(GateClosedError, match=r"Waited 100 s .* 50\.0 °C") as caught:
        wait(phone, 100, [])
    assert phone.now_s == 100.0
    assert caught.value.hint == COOL


def test_empty_battery_is_to_be_charged():
    with pytest.raises(GateClosedError) as caught:
        wait_until_open(lambda: look(battery_percent=5.0), GATE, max_wait_s=0)
    assert caught.value.hint == CHARGE
