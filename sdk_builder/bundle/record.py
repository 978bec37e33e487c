"""What every record of a manifest has in common: strict, frozen, one form as bytes."""

from __future__ import annotations

import json
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from sdk_builder.errors import BundleError

LARGEST = 2**63 - 1  # what the app's 64-bit numbers hold
# A file directly in the bundle: no folders, nothing hidden, nothing a shell would trip over.
FILE_NAME = "[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}"

Count = Annotated[int, Field(ge=0, le=LARGEST)]
Positive = Annotated[int, Field(ge=1, le=LARGEST)]
TokenId = Annotated[int, Field(ge=0, lt=2**31)]
NotNegative = Annotated[float, Field(ge=0.0)]
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
FileName = Annotated[str, StringConstraints(pattern=f"^{FILE_NAME}$")]


class Record(BaseModel):
    """A frozen record: unknown fields, wrong types, NaN and infinity are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


def canonical_json(value: Any) -> str:
    """The one text for a JSON value: sorted keys, two spaces, a newline at the end.

    Raises BundleError for text that is not valid Unicode (a lone surrogate) and for NaN.
    """
    try:
        text = json.dumps(value, sort_keys=True, indent=2, ensure_ascii=False, allow_nan=False)
        text.encode("utf-8")
    except (ValueError, UnicodeEncodeError) as error:
        raise BundleError(f"A manifest cannot hold this value: {error}.") from error
    return text + "\n"
