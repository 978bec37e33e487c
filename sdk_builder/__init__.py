"""shakti-sdk: a checkpoint goes in, a verified bundle comes out.

`export`, `Bundle` and `Session` are loaded when first used: importing this package is free.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sdk_builder.bundle.reader import Bundle
    from sdk_builder.pipeline.export import export
    from sdk_builder.runtime import Session

__version__ = "0.1.0"
__all__ = ["Bundle", "Session", "__version__", "export"]

_HOME = {
    "Bundle": "sdk_builder.bundle.reader",
    "Session": "sdk_builder.runtime",
    "export": "sdk_builder.pipeline",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)
