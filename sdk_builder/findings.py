"""What a look at a machine or a phone found, with the fix."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at; `fix` is empty when there is nothing to do."""

    name: str
    status: Literal["ok", "warning", "missing"]
    detail: str
    fix: str = ""
