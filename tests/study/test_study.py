"""What a study says of its trials and models: which one wins, and by which figures."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from optuna.distributions import CategoricalDistribution

import autofi
from autofi.core.progress import SilentProgress
from autofi.errors import DataError, LimitError
from autofi.metrics.ranking import auc, delong, gauc, logloss
from autofi.records.best_trial import (
    FINALISTS,
    best_trial,
    decide,
    feasible_trials,
    finalists,
    finals,
    front_trials,
)
from autofi.records.predictions import LABELS, load_predictions, save_predictions, trial_key
from autofi.records.trees_alone import same_model
from autofi.report.markdown import report_markdown
from autofi.store import ModelRole, StudyHandle, StudyStore, resolve_storage
from autofi.store.search_settings import SearchSettings
from tests.store.examples import CREATED, start
from tests.visits import visits

TINY = Path(__file__).parents[1] / "spaces" / "tiny.yaml"
ROWS, VISITS = 2000, 3000


@pytest.fixture
def handle(tmp_path: Path) -> Iterator[StudyHandle]:
    with (
        StudyStore(resolve_storage(str(tmp_path / "a.db"))) as store,
        store.create_or_resume("mine", **CREATED) as opened,
    ):
        yield opened


def logits(noise: float, *, sharpness: float = 1.0, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Labels, and a probability that knows them but for its noise; sharper ones are surer, not better."""
    truth = np.random.default_rng(0).standard_normal(ROWS)
    labels = (np.random.default_rng(9).random(ROWS) < 1 / (1 + np.exp(-truth))).astype(float)
    seen = truth + noise * np.random.default_rng(seed).standard_normal(ROWS)
    return labels, 1 / (1 + np.exp(-sharpness * seen))


class Notes(SilentProgress):
    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)


def study_of(handle: StudyHandle) -> autofi.Study:
    settings = SearchSettings(None, **handle.goals.to_json()).to_json()  # type: ignore[arg-type]
    handle.record = dataclasses.replace(handle.record, settings=settings)
    return autofi.Study(StudyStore(resolve_storage(None)), handle)


def add(
    handle: StudyHandle,
    scores: np.ndarray,
    labels: np.ndarray,
    *,
    pairs: str = "selected",
    flops: float = 0.0,
    table_bytes: int = 40,
    seconds: float = 1.0,
    leaves: int = 0,
) -> int:
    """A finished trial; one of boosted trees alone if they have leaves."""
    alone: dict[str, Any] = {"boosted_share": 1.0} if leaves else {}
    number = start(
        handle,
        architecture={"place": len(handle.trials()), "boosting": {"leaves": leaves, "learning_rate": 0.05}},
        architecture_id=f"a{len(handle.trials())}",
        params={"pairs": pairs},
        distributions={"pairs": CategoricalDistribution(("selected", "rates"))},
    )
    save_predictions(handle, LABELS, {"valid": labels})
    save_predictions(handle, trial_key(number), {"valid": scores})
    valid = {"auc": auc(labels, scores), "logloss": logloss(labels, scores)}
    figures = {**valid, "flops": flops}
    handle.finish_trial(
        number,
        handle.goals.values(figures),
        violations=handle.goals.violations(figures),
        attrs={"valid": valid, "parameters": 10, "table_bytes": table_bytes, "seconds": seconds} | alone,
    )
    return number


def test_the_leaders_by_auc_and_by_logloss_are_finalists_and_the_logloss_decides(handle: StudyHandle) -> None:
    # Sure of itself beyond what it knows: ahead by AUC, and worse than a coin where it is wrong.
    labels, sure = logits(0.1, sharpness=4.0)
    _, calibrated = logits(1.5)
    _, neither = logits(3.0, sharpness=3.0)
    numbers = [add(handle, scores, labels) for scores in (sure, calibrated, neither)]
    assert delong(labels, sure, calibrated).z > 1 and delong(labels, calibrated, neither).z > 1
    assert [trial.number for trial in finalists(handle)] == [numbers[1], numbers[0]]
    assert best_trial(handle).number == numbers[1]


def test_among_equals_by_auc_the_lowest_logloss_wins(handle: StudyHandle) -> None:
    labels, sure = logits(0.20, sharpness=3.0)
    _, calibrated = logits(0.19, seed=3)
    add(handle, sure, labels)
    second = add(handle, calibrated, labels)
    assert auc(labels, sure) > auc(labels, calibrated)
    assert best_trial(handle).number == second


def test_what_a_trial_is_made_of_keeps_it_out_of_no_final(handle: StudyHandle) -> None:
    """A rule that went by the kind of pairs threw the best trial of a study away."""
    labels, modest = logits(0.20, seed=3)
    _, more = logits(0.19, seed=5)
    first = add(handle, modest, labels)
    second = add(handle, more, labels, pairs="rates")
    assert delong(labels, more, modest).z < 1
    assert logloss(labels, more) < logloss(labels, modest)
    assert {trial.number for trial in finalists(handle)} == {first, second}
    assert best_trial(handle).number == second


def test_finals_hold_the_leaders_and_their_equals_by_the_lowest_logloss_up_to_a_number(
    handle: StudyHandle,
) -> None:
    truth = logits(0.0)[0]
    trials = {}
    for seed in range(24):
        scores = logits(0.2, sharpness=1.0 + 0.01 * seed, seed=seed + 20)[1]
        trials[add(handle, scores, truth)] = scores
    losses = {number: logloss(truth, scores) for number, scores in trials.items()}
    aucs = {number: auc(truth, scores) for number, scores in trials.items()}
    by_auc, by_logloss = max(aucs, key=aucs.__getitem__), min(losses, key=losses.__getitem__)
    rows = {
        number: np.where(truth > 0, -np.log(scores), -np.log1p(-scores)) for number, scores in trials.items()
    }

    def behind(number: int) -> float:
        apart = rows[number] - rows[by_logloss]
        return apart.mean() / (apart.std() / np.sqrt(ROWS) or np.inf)

    equals = [n for n in trials if delong(truth, trials[by_auc], trials[n]).z <= 1 or behind(n) <= 1]
    found = finals(handle)
    assert sorted(found.equals) == sorted(equals)
    assert len(equals) > FINALISTS
    others = sorted(set(equals) - {by_auc, by_logloss}, key=losses.__getitem__)
    expected = [by_auc, *([by_logloss] if by_logloss != by_auc else []), *others][:FINALISTS]
    assert [trial.number for trial in found.trials] == sorted(expected, key=losses.__getitem__)


def judge(handle: StudyHandle, losses: dict[int, list[float]]) -> None:
    """Give trials further seeds of these validation losses."""
    for number, values in losses.items():
        for seed, value in enumerate(values, start=1):
            handle.record_model(
                role=ModelRole.FINALIST,
                name="finalist",
                seed=seed,
                metrics={"valid": {"auc": 0.7, "logloss": value}},
                architecture_id=f"a{number}",
            )


def equals(handle: StudyHandle, **changes: list[Any]) -> list[float]:
    """Three trials of the same scores, so of the same figures; their logloss."""
    labels, scores = logits(0.2)
    for place in range(3):
        add(handle, scores, labels, **{name: values[place] for name, values in changes.items()})
    return [logloss(labels, scores)] * 3


def test_a_tie_goes_to_the_smaller_then_to_the_faster(handle: StudyHandle) -> None:
    loss = equals(handle, table_bytes=[40, 30, 30], seconds=[10.0, 20.0, 15.0])[0]
    # Means rise, and seeds do not agree on which is better.
    judge(handle, {0: [loss, loss], 1: [loss + 0.002, loss - 0.001], 2: [loss - 0.001, loss + 0.0025]})
    found = decide(handle)
    assert [finalist.equal for finalist in found.finalists] == [True] * 3
    assert [finalist.trial for finalist in found.finalists] == [0, 1, 2]
    assert (found.winner, found.seeds) == (2, 3)


def test_a_difference_that_every_seed_has_is_no_tie(handle: StudyHandle) -> None:
    loss = equals(handle, table_bytes=[40, 30, 20])[0]
    judge(handle, {0: [loss, loss], 1: [loss + 0.001, loss + 0.001], 2: [loss + 0.009, loss - 0.002]})
    found = decide(handle)
    # The third is not told apart from the first, but stands behind one that is: it must not overtake that one.
    assert [(one.trial, one.equal) for one in found.finalists] == [(0, True), (1, False), (2, False)]
    assert found.winner == 0


def test_trees_alone_are_one_finalist_with_every_seed(handle: StudyHandle) -> None:
    labels, scores = logits(0.2)
    leaves = (0, 16, 16, 8, 16)
    numbers = [add(handle, scores, labels, leaves=each) for each in leaves]
    assert same_model(handle.trials()) == {numbers[2]: numbers[1], numbers[4]: numbers[1]}
    found = finals(handle)
    assert {trial.number for trial in found.trials} == {numbers[0], numbers[1], numbers[3]}
    assert found.equals == (numbers[0], numbers[1], numbers[3])
    loss = logloss(labels, scores)
    # Only the network has further seeds; over all three it is better than trees, whose logloss stays what it was.
    judge(handle, {numbers[0]: [loss - 0.01, loss - 0.02]})
    decision = decide(handle)
    assert (decision.winner, decision.seeds) == (numbers[0], 3)
    assert [one.logloss for one in decision.finalists] == pytest.approx([loss - 0.01, loss, loss])


def test_trees_alone_are_the_winner_without_further_seeds(handle: StudyHandle) -> None:
    labels, scores = logits(0.2)
    numbers = [add(handle, scores, labels, leaves=leaves, table_bytes=50 - leaves) for leaves in (8, 16)]
    decision = decide(handle)
    assert (decision.winner, decision.seeds) == (numbers[1], 1)


def test_finalists_are_judged_by_the_seeds_that_all_of_them_have(handle: StudyHandle) -> None:
    loss = equals(handle)[0]
    judge(handle, {0: [loss + 0.1], 1: [loss + 0.2, loss - 0.9], 2: [loss + 0.3]})
    found = decide(handle)
    assert (found.winner, found.seeds) == (0, 2)
    assert found.finalists[0].logloss == pytest.approx(loss + 0.05)


@pytest.fixture
def limited(tmp_path: Path) -> Iterator[StudyHandle]:
    settings = {"objectives": ["auc", "flops"], "limits": ["flops<=100"]}
    with (
        StudyStore(resolve_storage(str(tmp_path / "b.db"))) as store,
        store.create_or_resume("limited", **{**CREATED, "settings": settings}) as opened,
    ):
        yield opened


def test_what_is_beyond_a_limit_never_wins(limited: StudyHandle) -> None:
    labels, _ = logits(0.1)
    for noise, flops in ((0.1, 150.0), (0.9, 100.0), (1.5, 90.0), (0.05, 101.0)):
        _, scores = logits(noise)
        add(limited, scores, labels, flops=flops)
    assert [trial.number for trial in feasible_trials(limited)] == [1, 2]
    assert best_trial(limited).number == 1
    assert [trial.number for trial in front_trials(limited)] == [1, 2]
    progress = Notes()
    with pytest.raises(DataError, match="table in memory"):
        # What is asked for by its number may win, and that is said before anything is trained.
        study_of(limited).retrain(0, make_winner=True, progress=progress)
    assert progress.notes == ["Trial 0 becomes the winner, although flops 150 is over 100 by 50."]


def test_without_a_winner_the_nearest_miss_is_told(limited: StudyHandle) -> None:
    labels, scores = logits(0.1)
    for flops in (300.0, 120.0, 2000.0):
        add(limited, scores, labels, flops=flops)
    with pytest.raises(
        LimitError, match="None of the 3 .*closest is trial 1, where flops 120 is over 100 by 20"
    ):
        finalists(limited)


def test_the_first_objective_ranks_where_it_is_not_the_auc(tmp_path: Path) -> None:
    with (
        StudyStore(resolve_storage(str(tmp_path / "b.db"))) as store,
        store.create_or_resume("small", **{**CREATED, "settings": {"objectives": ["flops", "auc"]}}) as small,
    ):
        labels, _ = logits(0.1)
        for noise, flops in ((0.1, 50.0), (0.9, 40.0), (0.3, 40.0)):
            add(small, logits(noise)[1], labels, flops=flops)
        # Equals by the first objective are told apart by the next; seeds cannot move a count.
        assert [trial.number for trial in finalists(small)] == [2]


def test_more_seeds_decide_between_equals(handle: StudyHandle) -> None:
    labels, lucky = logits(0.19, seed=3)
    _, other = logits(0.20, sharpness=1.5)
    numbers = [add(handle, scores, labels) for scores in (lucky, other)]
    assert [trial.number for trial in finalists(handle)] == numbers
    assert best_trial(handle).number == numbers[0]
    for seed in (1, 2):
        for architecture, value in (("a0", 0.70), ("a1", 0.55)):
            handle.record_model(
                role=ModelRole.FINALIST,
                name="finalist",
                seed=seed,
                metrics={"valid": {"auc": 0.7, "logloss": value}},
                architecture_id=architecture,
            )
    assert best_trial(handle).number == numbers[1]


def search(frame: pd.DataFrame, tmp_path: Path, **overrides: str) -> autofi.Study:
    return autofi.search(
        frame,
        target="click",
        space=TINY,
        study="mine",
        storage=str(tmp_path / "a.db"),
        trials=1,
        seeds=1,
        baselines=("lr",),
        device="cpu",
        overrides=autofi.SchemaOverrides(**overrides),
    )


def test_figures_are_weighed_and_grouped_as_the_table_says(tmp_path: Path) -> None:
    frame = visits(VISITS).assign(part=np.random.default_rng(1).choice(["train", "valid", "test"], VISITS))
    study = search(frame, tmp_path, weight="weight", group="visit", split_column="part")
    try:
        test = frame[frame["part"] == "test"]
        (model,) = study._handle.models(ModelRole.WINNER)
        (name,) = (path.stem for path in (study._handle.artifacts / "predictions").glob("winner-*.npz"))
        scores = load_predictions(study._handle, name)["test"]
        summary = study.summary()
        shown = summary["winner"]["test"]
        assert shown["auc"] == pytest.approx(auc(test["click"], scores, test["weight"]), abs=1e-12)
        assert shown["logloss"] == pytest.approx(logloss(test["click"], scores, test["weight"]), abs=1e-12)
        assert shown["gauc"] == pytest.approx(gauc(test["click"], scores, test["visit"]), abs=1e-12)
        assert shown["auc"] != pytest.approx(auc(test["click"], scores), abs=1e-6)
        assert model.metrics["test"]["gauc"] == shown["gauc"]
        assert "gauc" in summary["baselines"][0]["test"]
        assert "test GAUC" in report_markdown(study._handle.record, summary, [])
    finally:
        study.close()


def test_what_the_split_keeps_apart_is_told(tmp_path: Path) -> None:
    frame = visits(VISITS)
    cells = frame.groupby(["user", "item"]).ngroup().to_numpy()
    parts = np.random.default_rng(2).choice(["train", "valid", "test"], cells.max() + 1, p=[0.6, 0.2, 0.2])
    study = search(
        frame.drop(columns=["hour", "weight", "visit"]).assign(part=parts[cells]),
        tmp_path,
        split_column="part",
    )
    try:
        summary = study.summary()
        assert summary["apart"] == ["user", "item"]
        assert [pair["choice"] for pair in summary["pairs"]] == ["naive"]
        assert "shares user × item with a training row" in report_markdown(study._handle.record, summary, [])
    finally:
        study.close()
