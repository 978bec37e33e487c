"""The facts about a phone that its measurements carry."""

from __future__ import annotations

import re

from sdk_builder.device.adb import AdbPhone
from sdk_builder.device.facts import DeviceFacts
from sdk_builder.device.readings import clocks_mhz, parse_meminfo, parse_named_values

READ_S = 20.0
MAX_CLOCKS = "/sys/devices/system/cpu/cpu[0-9]*/cpufreq/cpuinfo_max_freq"
# The first that says something names the SoC; before Android 12 only the later ones are there.
SOC = ("ro.soc.model", "ro.board.platform", "ro.hardware")
_SAYS_NOTHING = {"", "unknown", "default"}


def read_facts(phone: AdbPhone) -> DeviceFacts:
    """What the phone says of itself; what it does not say is empty or 0.

    Raises DeviceError only where the phone itself cannot be talked to.
    """
    properties = parse_properties(phone.shell(["getprop"], timeout_s=READ_S).text)
    # One look for both; cat's output cannot be mistaken for grep's, whose lines begin with "/".
    files = phone.shell(
        ["sh", "-c", f"cat /proc/meminfo; grep -sH . {MAX_CLOCKS}; getconf PAGE_SIZE"],
        timeout_s=READ_S,
    ).text
    release = properties.get("ro.build.version.release", "")
    api_level = _count(properties.get("ro.build.version.sdk", ""))
    api = f" (API {api_level})" if api_level else ""
    page = re.search(r"^(\d{4,6})$", files, re.MULTILINE)
    return DeviceFacts(
        kind="phone",
        id=phone.serial,
        model=properties.get("ro.product.model", ""),
        maker=properties.get("ro.product.manufacturer", ""),
        soc=_soc(properties),
        abi=properties.get("ro.product.cpu.abi", ""),
        system=f"Android {release}{api}" if release else "",
        api_level=api_level,
        core_max_mhz=clocks_mhz(parse_named_values(files)),
        memory_bytes=parse_meminfo(files, "MemTotal") or 0,
        page_size_bytes=int(page[1])
        if page
        else _count(properties.get("ro.product.cpu.pagesize.max", "")),
    )


def parse_properties(text: str) -> dict[str, str]:
    """The dump of getprop: ``[name]: [value]``; a value may go over several lines."""
    found = re.findall(r"^\[([^\]\n]+)\]: \[(.*?)\]\r?$", text, re.MULTILINE | re.DOTALL)
    return {name: value.strip() for name, value in found}


def _soc(properties: dict[str, str]) -> str:
    for name in SOC:
        value = properties.get(name, "")
        if value.lower() not in _SAYS_NOTHING:
            return value
    return ""


def _count(text: str) -> int:
    return int(text) if re.fullmatch("[0-9]{1,9}", text) else 0
