"""Raw rows: where each comes from, and why one may be unusable."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any


class Reason(str, Enum):
    """Why a row was dropped."""

    EMPTY_TEXT = "empty text"
    MISSING_FIELD = "missing field"
    WRONG_TYPE = "wrong type"
    UNKNOWN_ROLE = "unknown role"
    ROLE_ORDER = "bad role order"
    ENDS_WITH_USER = "ends with the user"
    SAME_ANSWERS = "chosen equals rejected"
    OTHER_PROMPTS = "chosen and rejected have other prompts"
    NOT_UTF8 = "not UTF-8"
    BROKEN_JSON = "broken JSON"
    DUPLICATE = "duplicate"
    NEAR_DUPLICATE = "near duplicate"
    BAD_SHARD = "bad shard"  # stands for the rest of a file; not counted as a row

    def __str__(self) -> str:
        return self.value


class Unusable(Exception):
    """A row that is dropped; caught where rows become records."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(reason, detail)
        self.reason = reason
        self.detail = detail


@dataclass(frozen=True)
class Origin:
    """A row's place: the line where it starts in a text file, else its number, both from 1."""

    file: str
    row: int

    def __str__(self) -> str:
        return f"{self.file}:{self.row}"


@dataclass(frozen=True)
class Row:
    """A row as it was read: its fields, or none and the reason why."""

    origin: Origin
    fields: Mapping[str, Any]
    reason: Reason | None = None
    detail: str = ""
