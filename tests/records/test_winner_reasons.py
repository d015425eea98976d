"""Why a trial with a better figure did not win: one true sentence for every way that can come about."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

import autofi
from autofi.cli.app import app
from autofi.dashboard.study_list import listing
from autofi.dashboard.summary_cache import Results
from autofi.records.best_trial import FINALISTS, decide
from autofi.records.winner import HAND, RULE, choose, crown
from autofi.records.winner_reasons import why_not
from autofi.store import ModelRole, StudyHandle, StudyStore, resolve_storage
from autofi.text.verdict import read_before
from tests.store.examples import CREATED
from tests.study.test_study import add, judge, logits


@pytest.fixture
def handle(tmp_path: Path) -> Iterator[StudyHandle]:
    with opened(tmp_path) as found:
        yield found


def opened(tmp_path: Path, **settings: Any) -> StudyHandle:
    created = {**CREATED, "settings": {**CREATED["settings"], **settings}}
    return StudyStore(resolve_storage(str(tmp_path / "a.db"))).create_or_resume("mine", **created)


def told(handle: StudyHandle, *, trained: bool = True) -> list[str]:
    decision = decide(handle)
    return why_not(
        handle.goals, handle.trials(), handle.trial(decision.winner), RULE, decision, trained=trained
    )


def two(handle: StudyHandle) -> tuple[int, int]:
    """A trial that is ahead by AUC, and one by logloss."""
    labels, sure = logits(0.2, sharpness=1.5)
    first = add(handle, sure, labels, table_bytes=50)
    second = add(handle, logits(0.23, seed=3)[1], labels, table_bytes=40)
    own, other = (handle.trial(number).valid or {} for number in (first, second))
    assert own["auc"] > other["auc"] and own["logloss"] > other["logloss"]  # type: ignore[operator]
    return first, second


def figures(handle: StudyHandle, first: int, second: int) -> str:
    aucs = [f"{handle.trial(number).value:.4f}" for number in (first, second)]
    return f"Trial {first} has the higher validation AUC ({aucs[0]} against {aucs[1]}"


def test_lost_over_seeds(handle: StudyHandle) -> None:
    first, second = two(handle)
    judge(handle, {first: [0.45, 0.44], second: [0.43, 0.42]})
    losses = [
        np.mean([(handle.trial(n).valid or {})["logloss"], *more])
        for n, more in ((first, (0.45, 0.44)), (second, (0.43, 0.42)))
    ]
    assert told(handle) == [
        f"{figures(handle, first, second)}): over 3 seeds its mean logloss is {losses[0]:.4f}, the winner's "
        f"{losses[1]:.4f}."
    ]


def test_a_tie_says_what_the_winner_is_smaller_in(handle: StudyHandle) -> None:
    first, second = two(handle)
    apart = (handle.trial(first).valid or {})["logloss"] - (handle.trial(second).valid or {})["logloss"]  # type: ignore[operator]
    judge(handle, {first: [0.5, 0.5], second: [0.5 + 3 * apart, 0.5 - apart]})
    found = decide(handle)
    assert [one.equal for one in found.finalists] == [True, True]
    (sentence,) = told(handle)
    assert sentence.startswith(
        f"{figures(handle, first, second)}): over 3 seeds their mean loglosses do not differ by more than chance ("
    )
    assert sentence.endswith("and the winner is smaller (40 against 50 bytes of tables).")


def test_a_tie_of_as_many_bytes_tells_seconds_that_differ(handle: StudyHandle) -> None:
    labels, sure = logits(0.2, sharpness=1.5)
    add(handle, sure, labels, seconds=10.31)
    add(handle, logits(0.23, seed=3)[1], labels, seconds=2.22)
    judge(handle, {0: [0.5, 0.5], 1: [0.5, 0.5]})
    found = decide(handle)
    one, best = sorted(found.finalists, key=lambda finalist: finalist.trial)
    tied = dataclasses.replace(
        found,
        winner=1,
        finalists=tuple(dataclasses.replace(finalist, equal=True) for finalist in (one, best)),
    )
    (sentence, *_) = why_not(handle.goals, handle.trials(), handle.trial(1), RULE, tied)
    assert sentence.endswith(
        "the winner has equally many bytes of tables and was trained faster (2.2 s against 10.3 s)."
    )


@pytest.mark.parametrize(
    ("seconds", "winner"), [((10.0, 9.0), 0), ((1.5, 0.6), 0), ((10.0, 8.0), 1), ((2.7, 1.5), 1)]
)
def test_seconds_decide_a_tie_only_where_chance_does_not_explain_them(
    handle: StudyHandle, seconds: tuple[float, float], winner: int
) -> None:
    labels, sure = logits(0.2, sharpness=1.5)
    for own in seconds:
        add(handle, sure, labels, seconds=own)
    # The first has the lower mean by less than its standard error.
    judge(handle, {0: [0.50, 0.52], 1: [0.53, 0.50]})
    assert decide(handle).winner == winner


def test_before_the_finals_nothing_is_said_to_be_lost(handle: StudyHandle) -> None:
    first, second = two(handle)
    assert told(handle, trained=False) == [
        f"{figures(handle, first, second)} of trial {second}): their mean logloss over more seeds decides between them "
        "once the search ends."
    ]
    (once,) = told(handle)
    assert "there was time for one training of each" in once


def test_what_was_not_in_the_finals_is_told_why(handle: StudyHandle) -> None:
    first, second = two(handle)
    found = decide(handle)
    labels, scores = logits(0.1)
    third = add(handle, scores, labels)
    later = why_not(handle.goals, handle.trials(), handle.trial(second), RULE, found)
    assert f"Trial {third} has the higher validation AUC" in later[0]
    assert "it was measured after the winner was chosen, and a search that ends chooses again" in later[0]
    left_out = {
        "equals": (tuple({*found.equals, third}), f"{FINALISTS} in all."),
        "unknown": ((third,), "its predictions are gone"),
        "last": (third, "ahead of it by more than a standard error of the difference"),
    }
    for name, (value, part) in left_out.items():
        changed = dataclasses.replace(found, **{"last": third, name: value})
        sentence = why_not(handle.goals, [handle.trial(third)], handle.trial(second), RULE, changed)
        assert len(sentence) == 1 and part in sentence[0]
    assert first in found.equals


def test_limits_hands_and_earlier_versions(tmp_path: Path) -> None:
    with opened(tmp_path, objectives=["auc", "flops"], limits=["flops<=100"]) as handle:
        labels, _ = logits(0.1)
        for noise, flops in ((0.1, 150.0), (0.9, 100.0), (1.5, 90.0)):
            add(handle, logits(noise)[1], labels, flops=flops)
        (sentence, *_) = told(handle)
        assert sentence.endswith("a winner keeps every limit, and its flops 150 is over 100 by 50.")
        winner = handle.trial(2)
        by_hand = why_not(handle.goals, handle.trials(), winner, HAND, None)
        assert "its flops 150 is over 100 by 50." in by_hand[0]
        assert by_hand[1].startswith("Trial 1 has the higher validation AUC")
        assert by_hand[1].endswith("): trial 2 was made the winner by hand.")
        assert why_not(handle.goals, handle.trials(), winner, None, None)[1].endswith(
            "the winner was chosen by an earlier version of AutoFI, or by its number."
        )
        assert why_not(handle.goals, [handle.trial(2)], handle.trial(1), RULE, decide(handle)) == []


def test_lists_and_pages_tell_the_reason_and_what_came_later(tmp_path: Path) -> None:
    storage = str(tmp_path / "a.db")
    with opened(tmp_path) as handle:
        first, second = two(handle)
        judge(handle, {first: [0.45, 0.44], second: [0.43, 0.42]})
        decision = decide(handle)
        choice = choose(handle, handle.trial(second), by=RULE, decision=decision)
        handle.record_model(
            role=ModelRole.WINNER,
            name="winner",
            seed=0,
            architecture_id=f"a{second}",
            metrics={"valid": {"auc": 0.7}},
        )
        crown(handle, choice, refit=False)
        (reason,) = told(handle)
        (listed,) = autofi.list_studies(storage)
        assert (listed.reason, listed.winner) == (reason, f"a{second}")
        shown = CliRunner(env={"AUTOFI_STORAGE": storage, "COLUMNS": "200"}).invoke(app, ["studies"])
        assert f"mine: {reason}" in shown.stdout
        with StudyStore(resolve_storage(storage)) as store:
            overview = store.overview(("winner",))
            (row,) = listing(storage, overview, Results(lambda name: {})).studies
            assert row.reason == reason
        add(handle, logits(0.05)[1], logits(0.05)[0])
        (listed,) = autofi.list_studies(storage)
        assert listed.reason is not None
        assert listed.reason.startswith(
            "A trial that was measured after the winner was chosen has the best validation AUC"
        )


@pytest.mark.parametrize(
    ("choice", "part"),
    [
        (None, None),
        ({"trial": 3, "by": "rule", "test_read_before": 0}, None),
        (
            {"trial": 3, "by": "hand", "test_read_before": 1},
            "metrics of one trained model had been read before trial 3 was made",
        ),
        (
            {"trial": 3, "by": "rule", "test_read_before": 5},
            "metrics of 5 trained models had been read before trial 3 was chosen, by",
        ),
    ],
)
def test_what_had_been_read(choice: dict[str, Any] | None, part: str | None) -> None:
    sentence = read_before(choice)
    assert sentence == "" if part is None else part in sentence
