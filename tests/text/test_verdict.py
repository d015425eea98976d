"""The course of a search in words: only what is known is said."""

from __future__ import annotations

import pytest

from autofi.text.verdict import advice, course, verdict

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


def compared(by_auc: str, by_logloss: str | None) -> dict[str, object]:
    """A comparison with lightgbm; one of an earlier version has no logloss."""
    logloss = {"difference": -0.003, "interval": [-0.005, -0.001], "verdict": by_logloss}
    found = {"baseline": "lightgbm", "difference": -0.02, "interval": [-0.03, -0.01], "verdict": by_auc}
    return found | ({"logloss": logloss} if by_logloss else {})


@pytest.mark.parametrize(
    ("by_auc", "by_logloss", "said"),
    [
        ("worse", None, "A baseline won: lightgbm is better than what the search found"),
        ("worse", "worse", "A baseline won: lightgbm is better than what the search found"),
        ("worse", "tie", "A baseline won: lightgbm is better than what the search found"),
        ("worse", "better", "A baseline ranks rows better: lightgbm; the winner has the better logloss"),
        ("better", "better", "The winner is better than lightgbm, the best baseline"),
        (
            "better",
            "worse",
            "The winner ranks rows better than lightgbm, the best baseline, and has the worse logloss",
        ),
        ("tie", "tie", "A tie: the winner and lightgbm, the best baseline, cannot be told apart"),
        (
            "tie",
            "worse",
            "A tie by AUC: the winner and lightgbm, the best baseline; the baseline has the better logloss",
        ),
    ],
)
def test_both_metrics_are_weighed_and_told(by_auc: str, by_logloss: str | None, said: str) -> None:
    found, figures = verdict(compared(by_auc, by_logloss))
    assert found == said
    by_logloss_too = "; -0.0030 test logloss, 95 % interval -0.0050 to -0.0010" if by_logloss else ""
    assert figures == f"-0.0200 test AUC, 95 % interval -0.0300 to -0.0100{by_logloss_too}"


def test_a_baseline_is_advised_for_what_it_is_better_at() -> None:
    more = "or search longer (--trials, --timeout) or in another --space."
    for by_logloss in (None, "tie", "worse"):
        assert advice(compared("worse", by_logloss)) == f"Take lightgbm for this table, {more}"
    assert advice(compared("worse", "better")) == (
        f"Take lightgbm where only the order of rows counts and the winner where probabilities do, {more}"
    )
    assert advice(compared("tie", "worse")) == ""
