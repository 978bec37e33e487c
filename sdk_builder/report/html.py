"""The report as one HTML file that needs nothing but itself."""

from __future__ import annotations

from collections.abc import Mapping

from sdk_builder.report.content import Content
from sdk_builder.report.style import css_variables, to_inline_svg


def to_html(content: Content, svgs: Mapping[str, bytes]) -> bytes:
    """The page; `svgs` are the figures' SVG files by name."""
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup

    environment = Environment(
        loader=PackageLoader("sdk_builder.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    # Written by us from matplotlib's SVG, which escapes every text in it.
    inline = {
        drawing.name: Markup(
            to_inline_svg(svgs[drawing.name], drawing.name, f"{drawing.title}. {drawing.caption}")
        )
        for drawing in content.drawings
    }
    page = environment.get_template("report.html.j2").render(
        content=content,
        svgs=inline,
        light=Markup(css_variables("light")),
        dark=Markup(css_variables("dark")),
    )
    return page.encode("utf-8")
