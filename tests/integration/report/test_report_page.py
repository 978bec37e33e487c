"""The page in a real browser: headless Chromium, driven over DevTools pipes."""

from __future__ import annotations

import re
import statistics
from itertools import pairwise

import pytest

from sdk_builder.benchmark.records import Failure, Run, Sample, decode_line
from sdk_builder.report.paper_report import write_paper_report
from sdk_builder.report.write import write_report
from tests.debian_packages import PackagesMissingError
from tests.integration.report.chromium import find_chromium, required
from tests.integration.report.devtools import launch
from tests.unit.report.evaluations import write_set
from tests.unit.report.results import (
    DECODE,
    at,
    bundle,
    complete,
    device,
    run,
    write,
    write_realistic,
)

pytestmark = pytest.mark.timeout(600)  # the first run downloads Chromium
LONG = "Unbreakable" * 40
WIDTHS = (360, 768, 1280)
# Every element that shows text of its own, with its colour and what it stands on.
TEXTS = """
(() => {
  const opaque = c => !/, 0\\)$|transparent/.test(c);
  const ground = e => { for (; e; e = e.parentElement) {
    const c = getComputedStyle(e).backgroundColor; if (opaque(c)) return c; } return null; };
  const found = {};
  for (const e of document.querySelectorAll('body *')) {
    if (![...e.childNodes].some(n => n.nodeType === 3 && n.data.trim())) continue;
    const svg = e.closest('svg');
    const paper = svg && getComputedStyle(svg.closest('figure')).backgroundColor;
    const style = getComputedStyle(e);
    const ink = svg ? style.fill : style.color;
    const key = ink + ' on ' + (paper || ground(e));
    found[key] = [ink, paper || ground(e), e.textContent.trim().slice(0, 40)];
  }
  return Object.values(found);
})()
"""


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    try:
        chromium = find_chromium()
    except PackagesMissingError as error:
        if required():
            pytest.fail(f"Chromium is required here: {error}")
        pytest.skip(f"no Chromium: {error}")
    with launch(chromium, tmp_path_factory.mktemp("chromium") / "profile") as running:
        yield running


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    return write_realistic(tmp_path_factory.mktemp("results"))


@pytest.fixture(scope="module")
def page_file(results, tmp_path_factory):
    out = tmp_path_factory.mktemp("report")
    write_report(results, out, formats=["html"])
    return out / "report.html"


@pytest.fixture(scope="module")
def paper_page(results, tmp_path_factory):
    """The report beside the paper."""
    folder = tmp_path_factory.mktemp("paper")
    files = [*write_set(folder / "eval"), *results[:3]]
    write_paper_report(files, folder / "out", formats=["html"])
    return folder / "out" / "report.html"


PAGES = pytest.mark.parametrize("which", ["page_file", "paper_page"])


@pytest.fixture(scope="module")
def odd_page(tmp_path_factory):
    """Names and messages that try to break out, or have no place to break."""
    folder = tmp_path_factory.mktemp("odd")
    script = "<script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">"
    files = []
    for index, (name, model) in enumerate([(script, LONG), (LONG, script), ("测试 📱", "عربي")]):
        this = run([DECODE], device=device(name), bundle=bundle(model=model))
        failure = Failure(round=0, attempt=0, at=at(0), cause="app_crashed", message=script + LONG)
        lines = [*complete(this, {DECODE: [1000.0, 1010.0]}), failure]
        files.append(write(folder / f"{index}.jsonl", lines))
    write_report(files, folder / "out", formats=["html"], title=LONG)
    return folder / "out" / "report.html"


def luminance(colour: str) -> float:
    """Relative luminance of a computed colour, as WCAG 2 defines it."""
    channels = [int(float(c)) / 255 for c in re.findall(r"[\d.]+", colour)[:3]]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def overflowing(page) -> list[str]:
    """Elements that reach beyond the window and are in no box of their own that scrolls."""
    return page.evaluate(
        """[...document.querySelectorAll('body *')]
        .filter(e => !e.closest('.scroll *, .plot *, svg') && e.getBoundingClientRect().right
                > document.documentElement.clientWidth + 1)
        .map(e => e.tagName + '.' + e.className)"""
    )


def test_contrast_is_computed_as_wcag_says():
    assert contrast("rgb(0, 0, 0)", "rgb(255, 255, 255)") == pytest.approx(21.0)
    assert contrast("rgb(119, 119, 119)", "rgb(255, 255, 255)") == pytest.approx(4.48, abs=0.01)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@PAGES
def test_page_asks_for_nothing_and_complains_of_nothing(browser, request, which, scheme):
    page_file = request.getfixturevalue(which)
    page = browser.page(width=1280, dark=scheme == "dark")
    page.open(page_file)
    assert page.requests() == [page_file.resolve().as_uri()]
    assert page.complaints() == []


def test_client_sees_requests_and_complaints(browser, tmp_path):
    """Else the test above could not fail."""
    bad = tmp_path / "bad.html"
    bad.write_text("<img src='absent.png'><script>console.error('no'); undefined.x</script>")
    page = browser.page(width=1280)
    page.open(bad)
    assert any("absent.png" in address for address in page.requests())
    assert len(page.complaints()) >= 2


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("which", ["page_file", "paper_page", "odd_page"])
def test_page_never_scrolls_sideways(browser, request, which, width):
    page = browser.page(width=width)
    page.open(request.getfixturevalue(which))
    shown = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
    assert shown == [width, width]
    assert overflowing(page) == []


def test_overflow_would_be_seen(browser, tmp_path):
    wide = tmp_path / "wide.html"
    wide.write_text(
        '<meta name="viewport" content="width=device-width"><div style="width:900px">x</div>'
    )
    page = browser.page(width=360)
    page.open(wide)
    assert page.evaluate("document.documentElement.scrollWidth") > 360
    assert overflowing(page)


@PAGES
def test_light_and_dark_differ_and_every_text_can_be_read(browser, request, which):
    page_file = request.getfixturevalue(which)
    grounds = {}
    for scheme in ("light", "dark"):
        page = browser.page(width=1280, dark=scheme == "dark")
        page.open(page_file)
        grounds[scheme] = page.evaluate("getComputedStyle(document.body).backgroundColor")
        found = page.evaluate(TEXTS)
        assert len(found) >= 4
        weak = [(ink, on, text) for ink, on, text in found if contrast(ink, on) < 4.5]
        assert weak == []
        # Bars and lines: what a graphic needs to be seen.
        bars = page.evaluate(
            "['q4','q5','q8','none'].map(n => { const e = document.createElement('i');"
            "e.style.color = `var(--fig-${n})`; document.body.append(e);"
            "return getComputedStyle(e).color; })"
        )
        paper = page.evaluate("getComputedStyle(document.querySelector('figure')).backgroundColor")
        assert [bar for bar in bars if contrast(bar, paper) < 2.8] == []
    assert luminance(grounds["light"]) > 0.8
    assert luminance(grounds["dark"]) < 0.05


def test_every_figure_is_drawn_and_has_a_text_for_those_who_do_not_see_it(browser, page_file):
    page = browser.page(width=1280)
    page.open(page_file)
    figures = page.evaluate(
        """[...document.querySelectorAll('figure svg')].map(s => {
        const box = s.getBoundingClientRect();
        return [s.getAttribute('role'), s.getAttribute('aria-label'), box.width, box.height,
                s.querySelectorAll('path').length]; })"""
    )
    assert len(figures) == 10
    for role, label, width, height, paths in figures:
        assert role == "img"
        assert len(label) > 20
        assert width > 300
        assert height > 100
        assert paths > 5
    images = page.evaluate("[...document.images].map(i => i.complete && i.naturalWidth > 0)")
    assert all(images)


def test_summary_shows_the_medians_of_the_samples(browser, page_file, results):
    page = browser.page(width=360)
    page.open(page_file)
    rows = page.evaluate(
        """[...document.querySelectorAll('.summary tbody tr')].map(r =>
        [r.cells[0].innerText, r.cells[1].querySelector('.value').innerText])"""
    )
    expected = {}
    for path in results:
        this, *rest = [decode_line(line) for line in path.read_text().splitlines()]
        rates = [
            128_000 / line.duration_ms
            for line in rest
            if isinstance(line, Sample) and line.case == DECODE and line.invalid_reason is None
        ]
        assert isinstance(this, Run)
        name = (this.device.model, f"{this.bundle.model} {this.bundle.scheme}")
        expected[name] = statistics.median(rates) if rates else None
    assert len(rows) == len(expected)
    for head, value in rows:
        name, what = (line.strip() for line in head.split("\n")[:2])
        median = expected[name, what.split(" · ")[0]]
        if median is None:
            assert value == "none"
        else:
            assert float(value) == pytest.approx(median, rel=0.006)


def test_papers_numbers_are_marked_wherever_they_are(browser, page_file):
    page = browser.page(width=1280)
    page.open(page_file)
    rows = page.evaluate("[...document.querySelectorAll('#paper tbody tr')].map(r => r.innerText)")
    assert len(rows) == 9
    assert all("paper, not measured here" in row for row in rows)
    figure = page.evaluate("document.querySelector('#figure-decode svg').textContent")
    assert "paper, not measured here" in figure


@PAGES
def test_headings_go_down_by_one_and_tables_have_heads(browser, request, which):
    page = browser.page(width=1280)
    page.open(request.getfixturevalue(which))
    levels = page.evaluate("[...document.querySelectorAll('h1,h2,h3,h4')].map(h => +h.tagName[1])")
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))
    bare = page.evaluate(
        """[...document.querySelectorAll('table')].filter(t =>
        !t.tHead || [...t.tHead.rows[0].cells].some(c => c.scope !== 'col')
        || [...t.tBodies[0].rows].some(r => r.cells[0].scope !== 'row')).length"""
    )
    assert bare == 0
    anchors = page.evaluate(
        "[...document.querySelectorAll('nav a')].map(a => !!document.querySelector(a.hash))"
    )
    assert anchors
    assert all(anchors)


def test_each_mark_is_seen_without_its_words(browser, paper_page):
    page = browser.page(width=1280)
    page.open(paper_page)
    looks = page.evaluate(
        """['measured', 'published', 'missing'].map(mark => {
        const style = getComputedStyle(document.querySelector(`td.${mark}`));
        return [style.boxShadow !== 'none', style.backgroundImage !== 'none']; })"""
    )
    assert looks == [[True, False], [False, True], [False, False]]


def test_hostile_names_stay_text(browser, odd_page):
    page = browser.page(width=1280)
    page.open(odd_page)
    assert page.evaluate("document.title") == LONG
    assert page.evaluate("document.scripts.length + document.images.length") == 0
    assert "<script>document.title" in page.evaluate("document.body.innerText")
    assert page.requests() == [odd_page.resolve().as_uri()]
    assert page.complaints() == []


def test_print_is_light_even_where_the_screen_is_dark(browser, page_file):
    page = browser.page(width=800, dark=True)
    page.open(page_file)
    features = [{"name": "prefers-color-scheme", "value": "dark"}]
    page.call("Emulation.setEmulatedMedia", media="print", features=features)
    ink = page.evaluate("getComputedStyle(document.querySelector('h1')).color")
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert luminance(ground) > 0.8
    assert contrast(ink, ground) > 7
