"""Objectives, limits and fronts: what is typed is what is meant, and a front is what a slow comparison says it is."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, strategies as st

from autofi.core.units import short
from autofi.errors import ConfigError
from autofi.objectives.objectives import OBJECTIVES, Direction, Goals, Limit, as_loss, dominates, pareto_front

MIXED: tuple[Direction, ...] = ("maximize", "minimize", "minimize")


def is_beaten(right: Sequence[float], left: Sequence[float], directions: Sequence[Direction]) -> bool:
    """Return whether `left` is as good as `right` in everything and better in something."""
    pairs = [
        (a, b) if way == "maximize" else (-a, -b) for a, b, way in zip(left, right, directions, strict=True)
    ]
    return all(a >= b for a, b in pairs) and any(a > b for a, b in pairs)


@given(st.lists(st.tuples(*[st.integers(0, 4)] * 3), max_size=25), st.integers(1, 3))
def test_a_front_is_what_no_other_point_dominates(points: list[tuple[int, ...]], columns: int) -> None:
    values = [[float(value) for value in point[:columns]] for point in points]
    directions = MIXED[:columns]
    expected = [not any(is_beaten(mine, other, directions) for other in values) for mine in values]
    assert pareto_front(values, directions).tolist() == expected
    losses = [[as_loss(value, way) for value, way in zip(row, directions, strict=True)] for row in values]
    for mine, loss in zip(values, losses, strict=True):
        found = dominates(losses, loss)
        assert found.tolist() == [is_beaten(mine, other, directions) for other in values]
        assert dominates(loss, losses).tolist() == [is_beaten(other, mine, directions) for other in values]


def test_thousands_of_points_that_are_all_on_the_front() -> None:
    steps = np.arange(5000.0)
    assert pareto_front(np.stack([steps, steps], axis=1), ("maximize", "minimize")).all()
    assert pareto_front(np.stack([steps, -steps], axis=1), ("maximize", "minimize")).sum() == 1


@pytest.mark.parametrize(
    ("text", "name", "bound", "at_most"),
    [
        ("table_bytes<=50MB", "table_bytes", 50e6, True),
        ("table_bytes <= 1.5 KiB", "table_bytes", 1536.0, True),
        ("latency<=200us", "latency", 200.0, True),
        ("latency<=0.2ms", "latency", 200.0, True),
        ("parameters<=3M", "parameters", 3e6, True),
        ("flops<=1e6", "flops", 1e6, True),
        ("auc>=.7", "auc", 0.7, False),
    ],
)
def test_a_limit_is_read_in_its_unit_and_written_so_that_it_is_read_again(
    text: str, name: str, bound: float, at_most: bool
) -> None:
    limit = Limit.parse(text)
    assert (limit.name, limit.at_most) == (name, at_most)
    assert limit.bound == pytest.approx(bound, rel=1e-15)
    assert Limit.parse(str(limit)) == limit


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("table_bytes<=50us", r"table_bytes is '50us'; write a number, which one of B, kB, "),
        ("table_bytes<=much", "table_bytes is 'much'"),
        ("auc>=70%", "auc is '70%'; write a number"),
        ("auc>=70", "auc is '70'; write a number between 0 and 1"),
        ("latency<=-1us", "latency is '-1us'; .* at least 0"),
        ("latency<=1e999", "finite"),
        ("table_byte<=1MB", "'table_byte': did you mean 'table_bytes'"),
        ("table_bytes=50MB", "'table_bytes=50MB' is not .*<= or >="),
    ],
)
def test_a_limit_that_cannot_be_read_is_refused(text: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        Limit.parse(text)


def test_a_limit_is_kept_at_its_bound_and_missed_by_the_rest() -> None:
    most, least = Limit.parse("table_bytes<=50MB"), Limit.parse("auc>=0.7")
    assert [most.violation(value) for value in (5e7, 5e7 + 100, 4e7)] == [0.0, 100.0, -1e7]
    assert least.violation(0.6) == pytest.approx(0.1)
    assert most.missed(100.0) == "table_bytes 50.0 MB is over 50.0 MB by 100 B"
    assert least.missed(0.25) == "auc 0.4500 is under 0.7000 by 0.2500"


def test_goals_keep_the_order_of_objectives_and_not_that_of_limits() -> None:
    goals = Goals.parse(["auc", "latency"], ["latency<=1ms", "auc>=0.5"])
    assert goals == Goals.parse(["auc", "latency"], ["auc>=0.5", "latency<=1000us"])
    assert goals != Goals.parse(["latency", "auc"], ["auc>=0.5", "latency<=1ms"])
    assert Goals.from_json(goals.to_json()) == goals
    assert goals.directions == ("maximize", "minimize")
    assert goals.values({"latency": 40.0, "auc": 0.7, "flops": 3}) == (0.7, 40.0)
    assert goals.violations({"latency": 1200.0, "auc": 0.7}) == {
        "auc>=0.5": pytest.approx(-0.2),
        "latency<=1000.0": 200.0,
    }


def test_what_is_not_given_is_what_was_kept() -> None:
    kept = Goals.parse(["logloss"], ["flops<=1k"])
    assert Goals.parse(kept=kept) == kept
    assert Goals.parse(["auc"], kept=kept) == Goals.parse(["auc"], ["flops<=1k"])
    assert Goals.parse(limits=[], kept=kept) == Goals.parse(["logloss"])
    assert Goals.from_json({"seed": 3}) == Goals() == Goals.parse(["auc"])


@pytest.mark.parametrize(
    ("objectives", "limits", "words"),
    [
        (["acu"], None, "No objective is named 'acu': did you mean 'auc'"),
        (["auc", "auc"], None, "objective 'auc' is given twice"),
        ([], None, "list of objectives is empty"),
        (None, ["auc>=0.5", "auc>=0.6"], "limit 'auc>=' is given twice"),
    ],
)
def test_goals_that_say_nothing_or_two_things_are_refused(
    objectives: list[str] | None, limits: list[str] | None, words: str
) -> None:
    with pytest.raises(ConfigError, match=words):
        Goals.parse(objectives, limits)


def test_figures_are_told_with_their_unit() -> None:
    told = {"auc": 0.71234, "parameters": 85_123, "table_bytes": 61.2e6, "latency": 182.3}
    assert [OBJECTIVES[name].told(value) for name, value in told.items()] == [
        "0.7123",
        "85.1 k",
        "61.2 MB",
        "182 us",
    ]
    assert [short(value) for value in (0, 999, 1000, 123_456)] == ["0", "999", "1.0 k", "123 k"]
