"""The one look of all figures, and how a figure becomes SVG, inline SVG and PNG.

matplotlib is used through its objects only and is imported where a figure is made: its state,
and its start-up time, stay out of everything else. The same data gives the same bytes.
"""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH_IN = 5.6
LEFT_IN, RIGHT_IN = 0.95, 1.16  # for row labels, and for the numbers at the end of a row
PNG_DPI = 200
LONGEST_LABEL = 44


@dataclass(frozen=True)
class Shade:
    """A colour in light, which figures are drawn with, and what takes its place in the dark."""

    light: str
    dark: str


# Okabe and Ito's palette, which colour-blind readers can tell apart; every light value is
# unique, because inline SVG swaps it for a CSS variable. Formats also differ by marker.
SHADES: Mapping[str, Shade] = MappingProxyType(
    {
        "paper": Shade("#ffffff", "#161b22"),  # what the figure is drawn on
        "ink": Shade("#1f2328", "#e6edf3"),
        "soft": Shade("#59636e", "#9ba7b4"),
        "grid": Shade("#dfe3e8", "#313943"),
        "bad": Shade("#cf222e", "#ff7b72"),
        "q4": Shade("#0072b2", "#2f8bcb"),
        "q5": Shade("#008f6b", "#1f9f78"),
        "q8": Shade("#d98200", "#c07c14"),
        "none": Shade("#7d8590", "#757f8b"),
        "other1": Shade("#b8578f", "#c0669b"),
        "other2": Shade("#6f5bb5", "#8a76d3"),
        "other3": Shade("#a0522d", "#b9653c"),
    }
)
FORMATS = ("q4", "q5", "q8", "none")
_OTHERS = ("other1", "other2", "other3")
MARKERS: Mapping[str, str] = MappingProxyType({"q4": "o", "q5": "D", "q8": "s", "none": "^"})

_RC: dict[Any, Any] = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 9.0,
    "text.parse_math": False,  # a device may be called "$x$"
    "axes.unicode_minus": False,
    "svg.fonttype": "none",
    "hatch.linewidth": 0.8,
    "path.simplify": False,
}


def shade(name: str) -> str:
    """The light colour with this name."""
    return SHADES[name].light


def format_colour(scheme: str) -> str:
    """The colour of a format; formats of other runtimes share three more."""
    if scheme in FORMATS:
        return shade(scheme)
    return shade(_OTHERS[sum(scheme.encode("utf-8", "replace")) % len(_OTHERS)])


def format_marker(scheme: str) -> str:
    """The marker of a format."""
    return MARKERS.get(scheme, "v")


def short(text: str, longest: int = LONGEST_LABEL) -> str:
    """The text on one line, nothing unprintable, cut with an ellipsis where it is too long."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return line if len(line) <= longest else line[: longest - 1] + "…"


@contextmanager
def house_style() -> Iterator[None]:
    """Hold while figures are made and written."""
    import matplotlib

    with matplotlib.rc_context(_RC), warnings.catch_warnings():
        # SVG keeps the text, and the browser has the glyph.
        warnings.filterwarnings("ignore", message=r"Glyph .* missing from font")
        yield


def new_figure(height_in: float, title: str, note: str) -> Figure:
    """An empty figure with its title at the top and a note on how to read it at the foot."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTH_IN, height_in), facecolor=shade("paper"))
    FigureCanvasAgg(figure)
    figure.text(
        0.12 / WIDTH_IN,
        1 - 0.12 / height_in,
        title,
        ha="left",
        va="top",
        fontsize=11,
        fontweight="bold",
        color=shade("ink"),
    )
    figure.text(
        0.12 / WIDTH_IN,
        0.08 / height_in,
        note,
        ha="left",
        va="bottom",
        fontsize=7.5,
        color=shade("soft"),
        linespacing=1.35,
    )
    return figure


def add_axes(
    figure: Figure, top_in: float, height_in: float, *, left: float = LEFT_IN, right: float
) -> Axes:
    """Axes in inches: `top_in` from the figure's top edge, margins `left` and `right`."""
    whole = figure.get_figheight()
    width = (WIDTH_IN - left - right) / WIDTH_IN
    axes = figure.add_axes(
        (left / WIDTH_IN, 1 - (top_in + height_in) / whole, width, height_in / whole)
    )
    axes.set_facecolor("none")
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(shade("soft"))
    axes.tick_params(colors=shade("soft"), labelcolor=shade("ink"), labelsize=8, length=3)
    axes.xaxis.label.set_color(shade("ink"))
    axes.yaxis.label.set_color(shade("ink"))
    axes.set_axisbelow(True)
    return axes


def gid(name: str, *parts: str) -> str:
    """An element's name in the SVG."""
    return "-".join([name, *(re.sub(r"[^a-z0-9]+", "-", part.lower()) for part in parts)])


# --- output -----------------------------------------------------------------------------


def to_png(figure: Figure) -> bytes:
    """The figure as PNG, light."""
    out = io.BytesIO()
    with house_style():
        figure.savefig(out, format="png", dpi=PNG_DPI, metadata={"Software": None})
    return out.getvalue()


def to_svg(figure: Figure, name: str) -> bytes:
    """The figure as an SVG file, light, its text as text."""
    import matplotlib

    out = io.BytesIO()
    nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    with house_style(), matplotlib.rc_context({"svg.hashsalt": name}):
        figure.savefig(out, format="svg", metadata=nothing)
    return out.getvalue()


def to_inline_svg(svg: bytes, name: str, label: str) -> str:
    """The SVG file as an element for HTML: colours follow the page, ids are the figure's own."""
    from xml.sax.saxutils import quoteattr

    text = svg.decode("utf-8")
    text = text[text.index("<svg") :].strip()
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    # The page's own style says the same, for the figures alone.
    text = re.sub(r"<style.*?</style>", "", text, flags=re.DOTALL)
    used = set(re.findall(r'(?:url\(#|xlink:href="#)([^)"]+)', text))
    text = re.sub(r' id="([^"]*)"', lambda m: f' id="{name}-{m[1]}"' if m[1] in used else "", text)
    text = re.sub(r"url\(#([^)]*)\)", rf"url(#{name}-\1)", text)
    text = re.sub(r'xlink:href="#([^"]*)"', rf'href="#{name}-\1"', text)
    for key, colour in SHADES.items():
        text = text.replace(colour.light, f"var(--fig-{key})")
    head, rest = text.split(">", 1)
    viewbox = re.search(r'viewBox="[^"]*"', head)
    assert viewbox is not None  # matplotlib always writes one
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-label={quoteattr(label)} '
        f"{viewbox[0]}>{rest}"
    )


def css_variables(theme: str) -> str:
    """The figures' colours as CSS declarations; `theme` is "light" or "dark"."""
    return "".join(f"--fig-{key}:{getattr(colour, theme)};" for key, colour in SHADES.items())


def lines_of(parts: Sequence[str]) -> str:
    """A note of several lines."""
    return "\n".join(part for part in parts if part)
