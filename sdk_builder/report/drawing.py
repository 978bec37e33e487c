"""A figure as the pages take it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Drawing:
    """A figure with what the pages say of it; `name` is its file name without an ending.

    caption: what is shown; how it is to be read stands in the figure itself.
    """

    name: str
    title: str
    caption: str
    figure: Figure
