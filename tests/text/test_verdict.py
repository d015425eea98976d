"""The course of a search in words: only what is known is said."""

from __future__ import annotations

import pytest

from autofi.text.verdict import course

TIME = {
    "limit": None,
    "spent": 31.2,
    "stages": {"search": 29.0, "retrain": 1.0},
    "left_out": [],
    "cut": [],
    "proposal_without": None,
    "tree_folds": None,
    "cut_baselines": [],
}


@pytest.mark.parametrize(
    ("summary", "said"),
    [
        ({}, []),
        ({"explored": None, "stopped": None}, []),
        ({"stopped": "the time is up"}, ["The search ended: the time is up"]),
        (
            {"explored": {"scored": 491, "sure": 0}, "stopped": "the 12 trials asked for are done"},
            [
                "491 architectures were scored by inherited weights; none of them surely improved on the selected one",
                "The search ended: the 12 trials asked for are done",
            ],
        ),
        (
            {"time": TIME | {"limit": 30.0, "left_out": ["the supernet", "catboost"], "cut": ["lightgbm"]}},
            [
                "The time of 30.0 s was up: the run took 31.2 s (search 29.0 s, retrain 1.0 s); left out for time: "
                "the supernet, catboost; cut short: lightgbm"
            ],
        ),
        (
            {"time": TIME | {"limit": 40.0, "left_out": ["catboost"]}},
            [
                "The time of 40.0 s was not enough for all: the run took 31.2 s (search 29.0 s, retrain 1.0 s); left "
                "out for time: catboost"
            ],
        ),
        (
            {"time": TIME | {"limit": 60.0}},
            ["The time of 1 min 00 s was enough: the run took 31.2 s (search 29.0 s, retrain 1.0 s)"],
        ),
        (
            {"time": TIME | {"tree_folds": 0}},
            ["For want of time there are no boosted trees"],
        ),
        (
            {
                "time": TIME
                | {"proposal_without": "supernet", "tree_folds": 2, "cut_baselines": ["lightgbm-0"]}
            },
            [
                "For want of time no supernet was trained; pairs were proposed by the screen alone",
                "For want of time boosted trees were grown for 2 of the folds of the rows",
                "Baselines that the clock ended, which could be better with more time: lightgbm-0",
            ],
        ),
    ],
)
def test_what_is_known_is_said(summary: dict[str, object], said: list[str]) -> None:
    assert course(summary) == said
