"""The page in a real browser: every figure is drawn, can be hovered and zoomed, and nothing is complained of."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from autofi.report.findings import Findings
from autofi.report.html_page import page_html
from tests.browser import Seen, needs_chromium, visiting

pytestmark = needs_chromium
LAPTOP, PHONE = {"width": 1280, "height": 800}, {"width": 390, "height": 844}


@pytest.fixture(scope="module")
def address(findings: Findings, tmp_path_factory: pytest.TempPathFactory) -> str:
    path: Path = tmp_path_factory.mktemp("page") / "report.html"
    path.write_text(page_html(findings), encoding="utf-8")
    return path.as_uri()


@pytest.fixture(
    params=[(LAPTOP, "light"), (LAPTOP, "dark"), (PHONE, "light")], ids=["light", "dark", "phone"]
)
def shown(request: pytest.FixtureRequest, browser: Any, address: str) -> Iterator[Seen]:
    size, scheme = request.param
    with visiting(browser, address, viewport=size, color_scheme=scheme) as seen:
        seen.go("")
        yield seen


def draw_all(page: Any) -> list[Any]:
    """Every figure, scrolled to and drawn."""
    plots = page.query_selector_all(".plot")
    for plot in plots:
        plot.scroll_into_view_if_needed()
        page.wait_for_function("(plot) => plot.querySelector('.main-svg') !== null", arg=plot)
    return plots


def test_every_figure_is_drawn_inside_the_window(shown: Seen) -> None:
    plots = draw_all(shown.page)
    assert len(plots) >= 10
    for plot in plots:
        box = plot.bounding_box()
        assert box is not None and box["width"] > 100 and box["height"] > 100
        # Something of the data is drawn, not axes alone.
        marks = "path.point, .scatterlayer path, .heatmaplayer image, .barlayer path, .hm image, .gl-container canvas"
        assert plot.query_selector(marks) is not None, plot.get_attribute("data-figure")
    inside = "document.documentElement.scrollWidth <= document.documentElement.clientWidth"
    assert shown.page.evaluate(inside)


def test_texts_of_figures_have_the_colour_of_the_page(shown: Seen) -> None:
    draw_all(shown.page)
    text = shown.page.evaluate("getComputedStyle(document.body).color")
    titles = shown.page.evaluate(
        "[...document.querySelectorAll('.gtitle')].map((title) => getComputedStyle(title).fill)"
    )
    assert titles
    assert set(titles) == {text}


def test_no_two_labels_of_an_axis_lie_on_each_other(shown: Seen) -> None:
    draw_all(shown.page)
    overlapping = shown.page.evaluate(
        """() => [...document.querySelectorAll('.plot')].flatMap((plot) =>
          ['.xtick text', '.ytick text'].flatMap((selector) => {
            const boxes = [...plot.querySelectorAll(selector)].map((text) => text.getBoundingClientRect());
            const found = boxes.some((a, i) => boxes.some((b, j) => i < j && a.left < b.right - 1
              && b.left < a.right - 1 && a.top < b.bottom - 1 && b.top < a.bottom - 1));
            return found ? [`${plot.dataset.figure} ${selector}`] : [];
          }))"""
    )
    # Turned by a right angle, boxes are as wide as letters are high.
    assert overlapping == []


def test_hovering_tells_of_a_pair(shown: Seen) -> None:
    page = shown.page
    draw_all(page)
    plot = page.query_selector("#figure-interaction_map")
    plot.scroll_into_view_if_needed()
    cells = plot.query_selector(".nsewdrag").bounding_box()
    page.mouse.move(cells["x"] + cells["width"] * 0.3, cells["y"] + cells["height"] * 0.1)
    page.wait_for_selector("#figure-interaction_map .hoverlayer text")
    told = page.text_content("#figure-interaction_map .hoverlayer")
    assert "field 0 × field 1" in told
    assert "chosen so by" in told


def test_a_map_can_be_zoomed_and_shown_whole_again(shown: Seen) -> None:
    page = shown.page
    draw_all(page)
    plot = page.query_selector("#figure-interaction_map")
    plot.scroll_into_view_if_needed()
    cells = plot.query_selector(".nsewdrag").bounding_box()
    whole = page.evaluate("document.getElementById('figure-interaction_map').layout.xaxis.range")
    page.mouse.move(cells["x"] + cells["width"] * 0.25, cells["y"] + cells["height"] * 0.25)
    page.mouse.down()
    page.mouse.move(cells["x"] + cells["width"] * 0.75, cells["y"] + cells["height"] * 0.75, steps=5)
    page.mouse.up()
    ranged = "document.getElementById('figure-interaction_map').layout.xaxis.range"
    page.wait_for_function(f"(whole) => {ranged}[1] - {ranged}[0] < whole[1] - whole[0] - 1", arg=whole)
    page.mouse.dblclick(cells["x"] + cells["width"] * 0.5, cells["y"] + cells["height"] * 0.5)
    page.wait_for_function(f"(whole) => Math.abs({ranged}[1] - whole[1]) < 1e-6", arg=whole)


def test_links_lead_to_their_sections(browser: Any, address: str) -> None:
    with visiting(browser, address, viewport=LAPTOP) as seen:
        seen.go("")
        for link in seen.page.query_selector_all("header nav a"):
            link.click()
            anchor = link.get_attribute("href").removeprefix("#")
            assert seen.page.evaluate("location.hash") == f"#{anchor}"
            assert seen.page.is_visible(f"section#{anchor} h2")


def test_another_colour_scheme_recolours_what_is_drawn(browser: Any, address: str) -> None:
    with visiting(browser, address, viewport=LAPTOP, color_scheme="light") as seen:
        seen.go("")
        draw_all(seen.page)
        seen.page.emulate_media(color_scheme="dark")
        seen.page.wait_for_function(
            "[...document.querySelectorAll('.gtitle')].every((title) =>"
            " getComputedStyle(title).fill === getComputedStyle(document.body).color)"
        )


def test_a_printed_page_has_all_of_its_figures(browser: Any, address: str) -> None:
    with visiting(browser, address, viewport=LAPTOP) as seen:
        seen.go("")
        seen.page.evaluate("dispatchEvent(new Event('beforeprint'))")
        seen.page.wait_for_function(
            "[...document.querySelectorAll('.plot')].every((plot) => plot.querySelector('.main-svg'))"
        )


def test_words_open_by_a_tap_and_nothing_leaves_the_window(browser: Any, address: str) -> None:
    settings = {"viewport": PHONE, "has_touch": True, "is_mobile": True}
    with visiting(browser, address, **settings) as seen:
        seen.go("")
        page = seen.page
        summary = page.query_selector("section#models details.words summary")
        assert not page.is_visible("section#models dl")
        summary.tap()
        assert page.is_visible("section#models dl")
        page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
        draw_all(page)
        assert page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]
        # What is wider than the window scrolls inside itself; nothing else is.
        beyond = page.evaluate(
            """() => [...document.querySelectorAll('main p, main dd, main pre, main .plain, main figcaption, h2')]
              .filter((one) => one.getBoundingClientRect().right > innerWidth + 1
                || one.scrollWidth > one.clientWidth + 1 && getComputedStyle(one).overflowX === 'visible'
                && one.tagName !== 'TABLE')
              .map((one) => one.outerHTML.slice(0, 80))"""
        )
        assert beyond == []


def test_a_printed_page_explains_its_words(browser: Any, address: str) -> None:
    with visiting(browser, address, viewport=LAPTOP) as seen:
        seen.go("")
        page = seen.page
        page.click("section#pairs details.words summary")
        opened = "[...document.querySelectorAll('details.words')].filter((one) => one.open).length"
        page.evaluate("dispatchEvent(new Event('beforeprint'))")
        assert page.evaluate(opened) == page.evaluate("document.querySelectorAll('details.words').length")
        page.evaluate("dispatchEvent(new Event('afterprint'))")
        assert page.evaluate(opened) == 1
