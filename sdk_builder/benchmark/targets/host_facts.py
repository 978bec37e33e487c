"""What this machine is."""

from __future__ import annotations

import os
import platform
import re
import sys
from pathlib import Path

from sdk_builder.device.facts import DeviceFacts
from sdk_builder.errors import ShaktiError
from sdk_builder.process import run

_DMI = Path("/sys/class/dmi/id")
_CPU_INFO = Path("/proc/cpuinfo")


def read_facts() -> DeviceFacts:
    """The facts of this machine, as far as its system tells them."""
    import psutil

    processor = _processor()
    return DeviceFacts(
        kind="host",
        id=platform.node() or "localhost",
        model=_product() or processor or platform.machine(),
        maker=_read(_DMI / "sys_vendor"),
        soc=processor,
        abi=platform.machine(),
        system=f"{platform.system()} {platform.release()}".strip(),
        core_max_mhz=_core_max_mhz(),
        memory_bytes=psutil.virtual_memory().total,
        page_size_bytes=os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 0,
    )


def _processor() -> str:
    """The processor's name: "AMD EPYC 7763", "Apple M3"; empty if nobody tells."""
    if sys.platform == "darwin":
        return _sysctl("machdep.cpu.brand_string")
    found = re.search(r"^(?:model name|Hardware)\s*:\s*(.+)$", _read(_CPU_INFO), re.MULTILINE)
    return found[1].strip() if found else platform.processor()


def _product() -> str:
    return _sysctl("hw.model") if sys.platform == "darwin" else _read(_DMI / "product_name")


def _core_max_mhz() -> tuple[float, ...]:
    """The highest clock of each core that we may use; 0 where it is not known."""
    import psutil

    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    logical = usable or 1
    cores = min(psutil.cpu_count(logical=False) or logical, logical)
    try:
        clocks = psutil.cpu_freq(percpu=True) or []
    except (OSError, NotImplementedError, RuntimeError):
        clocks = []  # no such sensor: containers, some virtual machines
    highest = [float(clock.max or 0.0) for clock in clocks]
    if len(set(highest)) <= 1:
        return (highest[0] if highest else 0.0,) * cores
    return tuple(highest[:logical])


def _sysctl(name: str) -> str:
    try:
        done = run(["sysctl", "-n", name], timeout_s=10, what="asking what this machine is")
    except ShaktiError:
        return ""
    return done.stdout.strip()


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""
