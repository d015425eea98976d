"""Swarms, clouds and halos show every score where it is, on pages of any colour."""

from __future__ import annotations

import json
import math
from itertools import combinations

import pytest

from autofi.errors import StoreError
from autofi.rashomon.halo import Halo, HaloPoint
from autofi.rashomon.result import RashomonSet
from autofi.rashomon.scores import Estimate, ScoredModel
from autofi.report.figures.rashomon import cloud, halo, halo3, swarm

NAMES = ("a<b>", "b", "c")


def near(value: float) -> Estimate:
    return Estimate(value, value - 0.01, value + 0.01)


def model(name: str, scale: float, **factors: float) -> ScoredModel:
    groups = [*combinations(NAMES, 2), NAMES]
    return ScoredModel(
        name=name,
        kind="winner",
        loss=near(0.5 + scale / 100),
        phi={field: near(scale * number) for number, field in enumerate(NAMES)},
        fis={names: near(-scale * number) for number, names in enumerate(groups)},
        factors=factors,
    )


def around(names: tuple[str, ...], interaction: float) -> Halo:
    shares = [(0.5, 0.5), (-0.5, 0.5), (-0.5, -0.5), (0.5, -0.5)]
    points = tuple(
        HaloPoint((*share, 0.25)[: len(names)], (1.5, 0.5, 1.2)[: len(names)], near(0.02), near(interaction))
        for share in shares
    )
    return Halo(names, 0.025, points)


FOUND = RashomonSet(
    names=NAMES,
    eps=0.05,
    best=0.5,
    measure="logloss",
    counterpart="logits",
    rows=100,
    repeats=3,
    models=(model("<one>", 1.0), model("two", 2.0), model("b × 2.00", 3.0, b=2.0)),
    halos=(around(("a<b>", "b"), 0.0), around(("b", "c"), 0.01), around(NAMES, 0.005)),
)
FIGURES = {
    "swarm": swarm(FOUND),
    "fields": swarm(FOUND, order=1),
    "cloud": cloud(FOUND),
    "halo": halo(FOUND, ("b", "c")),
    "halo3": halo3(FOUND, NAMES),
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
    with pytest.raises(StoreError, match="no halo of b × d: did you mean 'b × c'"):
        halo(FOUND, ("b", "d"))
    with pytest.raises(StoreError, match="no halo of b × c"):
        halo3(FOUND, ("b", "c"))


def test_of_many_groups_the_largest_are_shown() -> None:
    assert len(swarm(FOUND, most=1).layout.yaxis.ticktext) == 1
