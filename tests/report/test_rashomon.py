"""Swarms, clouds and halos show every score where it is, on pages of any colour."""

from __future__ import annotations

import json
import math

import pytest

from autofi.errors import StoreError
from autofi.plots.rashomon import plot_halo, plot_halo_of_three, plot_rashomon_cloud, plot_rashomon_swarm
from tests.report.rashomon_example import FOUND, NAMES

FIGURES = {
    "swarm": plot_rashomon_swarm(FOUND),
    "fields": plot_rashomon_swarm(FOUND, order=1),
    "cloud": plot_rashomon_cloud(FOUND),
    "halo": plot_halo(FOUND, ("b", "c")),
    "halo3": plot_halo_of_three(FOUND, NAMES),
}


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_lies_on_a_page_of_any_colour(name: str) -> None:
    layout = FIGURES[name].layout
    assert layout.paper_bgcolor == layout.plot_bgcolor == "rgba(0, 0, 0, 0)"
    assert layout.font.color is None
    text = FIGURES[name].to_json()
    for colour in ("white", "black", "#fff", "#000"):
        assert f'"{colour}' not in text


@pytest.mark.parametrize("name", ["swarm", "fields", "cloud", "halo3"])
def test_names_are_no_tags(name: str) -> None:
    text = json.dumps(json.loads(FIGURES[name].to_json()), ensure_ascii=False)
    assert "a&lt;b&gt;" in text
    assert "a<b>" not in text
    assert "<one>" not in text


def test_a_swarm_has_a_dot_per_model_and_pair_in_its_row() -> None:
    dots, stars = FIGURES["swarm"].data
    labels = FIGURES["swarm"].layout.yaxis.ticktext
    assert [label.split(" × ")[-1] for label in labels] == ["c", "c", "b"]
    assert len(dots.x) == 9
    first = [x for x, y in zip(dots.x, dots.y, strict=True) if abs(y) < 0.5]
    assert sorted(first) == [-6.0, -4.0, -2.0]
    assert list(stars.x) == [-2.0, -1.0, 0.0]
    assert next(iter(dots.marker.color)) == pytest.approx(0.51)


def test_a_cloud_reaches_from_the_least_to_the_largest_score() -> None:
    bars, stars = FIGURES["cloud"].data
    assert list(bars.base) == [-6.0, -3.0, 0.0]
    assert list(bars.x) == [4.0, 2.0, 0.0]
    assert list(stars.x) == [-2.0, -1.0, 0.0]


def test_a_halo_point_is_as_far_from_the_circle_as_its_fields_interact() -> None:
    traces = {trace.name: trace for trace in FIGURES["halo"].data}
    circle = traces["budget"]
    assert [math.hypot(x, y) for x, y in zip(circle.x, circle.y, strict=True)] == pytest.approx([0.025] * 181)
    points = traces["interaction"]
    assert [math.hypot(x, y) for x, y in zip(points.x, points.y, strict=True)] == pytest.approx([0.035] * 4)
    assert {(x > 0, y > 0) for x, y in zip(points.x, points.y, strict=True)} == {
        (left, right) for left in (True, False) for right in (True, False)
    }
    assert traces["loss, as published"].visible == "legendonly"


def test_a_halo_of_three_lies_around_a_sphere() -> None:
    dots = FIGURES["halo3"].data[0]
    radii = [math.sqrt(x * x + y * y + z * z) for x, y, z in zip(dots.x, dots.y, dots.z, strict=True)]
    assert radii == pytest.approx([0.03] * 4)
    assert list(dots.marker.color) == pytest.approx([0.2] * 4)


def test_a_pair_without_a_halo_is_named_with_the_nearest() -> None:
    with pytest.raises(StoreError, match="no halo of b × d; did you mean 'b × c'"):
        plot_halo(FOUND, ("b", "d"))
    with pytest.raises(StoreError, match="no halo of b × c"):
        plot_halo_of_three(FOUND, ("b", "c"))


def test_of_many_groups_the_largest_are_shown() -> None:
    assert len(plot_rashomon_swarm(FOUND, most=1).layout.yaxis.ticktext) == 1
