"""What a phone says of itself."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdk_builder.device.facts import DeviceFacts
from sdk_builder.device.fake import FakePhone, Reply
from sdk_builder.device.phone_facts import parse_properties, read_facts
from tests.unit.device import dumps

MAX = "/sys/devices/system/cpu/cpu{}/cpufreq/cpuinfo_max_freq"


def pixel() -> FakePhone:
    return FakePhone(
        "37111FDJH0",
        properties=parse_properties(dumps.GETPROP_PIXEL),
        files={
            "/proc/meminfo": dumps.MEMINFO.encode(),
            **{MAX.format(n): b"1704000\n" for n in range(4)},
            **{MAX.format(n): b"2367000\n" for n in range(4, 8)},
            MAX.format(8): b"2914000\n",
        },
    )


def test_a_phone_has_all_its_facts_after_two_questions():
    phone = pixel()
    assert read_facts(phone) == DeviceFacts(
        kind="phone",
        id="37111FDJH0",
        model="Pixel 8",
        maker="Google",
        soc="Tensor G3",
        abi="arm64-v8a",
        system="Android 14 (API 34)",
        api_level=34,
        core_max_mhz=(1704.0,) * 4 + (2367.0,) * 4 + (2914.0,),
        memory_bytes=7_722_224 * 1024,
        page_size_bytes=16384,
    )
    assert len(phone.ran) == 2


@pytest.mark.parametrize(
    ("properties", "soc"),
    [
        ({"ro.soc.model": "SM8550", "ro.board.platform": "kalama"}, "SM8550"),
        ({"ro.soc.model": "", "ro.board.platform": "kalama"}, "kalama"),
        ({"ro.soc.model": "UNKNOWN", "ro.hardware": "qcom"}, "qcom"),
        ({}, ""),
    ],
)
def test_the_soc_has_the_best_name_that_is_told(properties, soc):
    assert read_facts(FakePhone(properties=properties)).soc == soc


def test_clocks_that_may_not_be_read_are_not_known():
    phone = pixel()
    for n in range(4):
        del phone.files[MAX.format(n)]
    assert read_facts(phone).core_max_mhz == ()


def test_the_page_size_comes_from_the_kernel_else_from_the_property():
    phone = pixel()
    phone.commands["getconf"] = lambda call: Reply("4096\n")
    assert read_facts(phone).page_size_bytes == 4096
    phone.commands["getconf"] = lambda call: Reply("", 127, "getconf: not found\n")
    assert read_facts(phone).page_size_bytes == 16384


def test_a_phone_that_tells_nothing_is_still_a_phone():
    phone = FakePhone("X")
    phone.commands["getconf"] = lambda call: Reply("", 127)
    assert read_facts(phone) == DeviceFacts(kind="phone", id="X", model="")


def test_values_over_several_lines_and_with_brackets_are_read():
    properties = parse_properties(dumps.GETPROP_PIXEL)
    assert properties["persist.odd"] == "two\nlines [with]: brackets"
    assert properties["sys.empty"] == ""
    assert len(properties) == 13
    assert parse_properties(dumps.GETPROP_PIXEL.replace("\n", "\r\n"))["ro.hardware"] == "shiba"


@given(st.text(), st.text())
def test_whatever_a_phone_prints_gives_facts(said, files):
    phone = FakePhone()
    phone.commands["getprop"] = lambda call: Reply(said)
    phone.commands["cat"] = phone.commands["grep"] = lambda call: Reply(files)
    assert read_facts(phone).kind == "phone"


@given(st.dictionaries(st.from_regex(r"[a-z.]{1,12}", fullmatch=True), st.from_regex(r"[^\]\n]*")))
def test_properties_come_back_as_they_were_dumped(properties):
    dump = "".join(f"[{name}]: [{value}]\n" for name, value in properties.items())
    if "\n" not in "".join(properties.values()) and "\r" not in dump:
        assert parse_properties(dump) == {k: v.strip() for k, v in properties.items()}
