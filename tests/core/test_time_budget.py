"""A budget of time: what fits, shares of what is left, and a record of what does not fit."""

from __future__ import annotations

import math
import time

import pytest

from autofi.core.progress import SilentProgress
from autofi.core.time_budget import UNLIMITED, OutOfTime, TimeBudget


def begun_ago(seconds: float, limit: float | None) -> TimeBudget:
    return TimeBudget(limit, begun=time.monotonic() - seconds)


def test_without_a_limit_everything_fits() -> None:
    assert UNLIMITED.left == math.inf
    assert UNLIMITED.fits(1e9)
    assert UNLIMITED.share(0.1).fits(1e9)
    UNLIMITED.check(1e9)


def test_what_is_longer_than_what_is_left_does_not_fit() -> None:
    budget = begun_ago(40, limit=100)
    assert budget.left == pytest.approx(60, abs=1)
    assert budget.fits(55)
    assert not budget.fits(65)
    with pytest.raises(OutOfTime):
        budget.check(65)


def test_nothing_fits_when_the_time_is_up() -> None:
    assert not begun_ago(10, limit=10).fits(0.0)
    assert not begun_ago(11, limit=10).share(1.0).fits(0.0)


def test_a_share_is_of_what_is_left_and_its_record_is_the_whole_one() -> None:
    notes = []

    class Noting(SilentProgress):
        def note(self, text: str) -> None:
            notes.append(text)

    budget = TimeBudget(100, Noting(), time.monotonic() - 60)
    quarter = budget.share(0.25)
    assert quarter.left == pytest.approx(10, abs=1)
    quarter.leave_out("catboost")
    budget.share(0.5).cut_short("lightgbm")
    assert (budget.left_out, budget.cut) == (["catboost"], ["lightgbm"])
    assert notes == ["Cut short for time: lightgbm."]
