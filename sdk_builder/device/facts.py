"""What a device is: the facts that a measurement must carry to mean anything elsewhere."""

from __future__ import annotations

from typing import Literal

from sdk_builder.bundle.record import Count, NotNegative, Record


class DeviceFacts(Record):
    """A phone, or this machine. Empty strings, zeros and empty tuples mean "not known"."""

    kind: Literal["phone", "host"]
    id: str  # the adb serial, or the host's name
    model: str  # as its maker calls it: "Pixel 8"
    maker: str = ""
    soc: str = ""  # "Tensor G3"; for a host the processor's name
    abi: str = ""  # the first that it runs: "arm64-v8a"
    system: str = ""  # "Android 14 (API 34)", "Linux 6.1"
    api_level: Count = 0
    core_max_mhz: tuple[NotNegative, ...] = ()  # one number a core
    memory_bytes: Count = 0
    page_size_bytes: Count = 0
