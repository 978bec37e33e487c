"""The folder of what is fetched or made once and kept."""

from __future__ import annotations

import os
from pathlib import Path


def cache_dir() -> Path:
    """SHAKTI_CACHE, or ~/.cache/shakti-sdk."""
    given = os.environ.get("SHAKTI_CACHE")
    return Path(given).expanduser() if given else Path.home() / ".cache" / "shakti-sdk"
