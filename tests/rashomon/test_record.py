"""The set of a real study: who is in it, what it finds, and that it is kept."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

import autofi
from autofi.core.progress import SilentProgress
from autofi.errors import ConfigError, StoreError
from autofi.rashomon.explore import ExploringSettings
from autofi.rashomon.good_models import choose_models
from autofi.rashomon.record import STAGE, recorded_set
from autofi.rashomon.result import RashomonSet
from autofi.store import ModelRole
from tests.rashomon.networks import clicks

SPACE = Path(__file__).parent.parent / "spaces" / "products.yaml"
SETTINGS = ExploringSettings(rows=400, repeats=3, trainings=2, triples=2)
EPS = 0.3


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Iterator[autofi.Study]:
    folder = tmp_path_factory.mktemp("rashomon")
    pq.write_table(clicks(6000), folder / "clicks.parquet")
    autofi.search(
        str(folder / "clicks.parquet"),
        target="click",
        space=SPACE,
        study="mine",
        storage=str(folder / "a.db"),
        trials=2,
        seeds=2,
        baselines=("all-naive",),
        device="cpu",
    ).close()
    opened = autofi.open_study("mine", str(folder / "a.db"))
    opened._handle.record_model(
        role=ModelRole.BASELINE,
        name="lightgbm",
        seed=0,
        metrics={"valid": {"auc": 0.7, "logloss": 0.1}},
    )
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def found(study: autofi.Study) -> RashomonSet:
    return study.rashomon(EPS, settings=SETTINGS)


def test_the_pair_that_interacts_comes_first_in_every_model(found: RashomonSet) -> None:
    assert found.pairs[0].names == ("c", "d")
    assert abs(found.pairs[0].mean) > 3 * abs(found.pairs[1].mean)
    assert found.pairs[0].reference.high < 0
    assert {cloud.names for cloud in found.fields} == {("a",), ("b",), ("c",), ("d",)}
    assert all(cloud.low <= cloud.reference.mean <= cloud.high for cloud in found.pairs)


def test_every_model_is_within_the_share_of_the_best(study: autofi.Study, found: RashomonSet) -> None:
    recorded = [
        model.metrics["valid"]["logloss"]
        for model in study._handle.models()
        if model.name not in ("lightgbm", "ensemble")
    ]
    recorded += [trial.valid["logloss"] for trial in study._handle.trials() if trial.valid]
    assert found.best == min(recorded)
    assert found.level == pytest.approx((1 + EPS) * found.best)
    assert found.reference.kind == "winner"
    assert [model.kind for model in found.trained].count("winner") == 2
    masked = [model for model in found.models if model.factors]
    assert len(masked) > 20
    budget = found.level - found.best
    for model in masked:
        assert model.loss.mean <= found.reference.loss.mean + budget + 1e-9


def test_trees_are_left_out_and_said_to_be(study: autofi.Study, found: RashomonSet) -> None:
    assert any("lightgbm" in line for line in found.left_out)
    assert not any("lightgbm" in model.name for model in found.models)


def test_it_is_kept_in_the_study(study: autofi.Study, found: RashomonSet) -> None:
    kept = recorded_set(study._handle)
    assert kept is not None
    assert kept.to_json() == json.loads(json.dumps(found.to_json()))
    assert kept.halo("d", "c") is not None
    assert kept.halo("c", "nothing") is None


def test_a_set_of_another_format_is_refused(found: RashomonSet) -> None:
    with pytest.raises(StoreError, match="format 2, not 1; compute it again"):
        RashomonSet.from_json(found.to_json() | {"format": 2})


def test_another_question_has_parts_of_its_own(study: autofi.Study, found: RashomonSet) -> None:
    other = study.rashomon(EPS, settings=SETTINGS)
    assert other.to_json() == found.to_json()
    wider = study.rashomon(EPS / 2, settings=SETTINGS)
    assert wider.level < found.level


def test_test_rows_are_not_read(study: autofi.Study, monkeypatch: pytest.MonkeyPatch) -> None:
    bench = study._open_bench(study._settings, SilentProgress())
    test = bench.dataset.parts["test"]
    bench.dataset.labels[test] = 1 - bench.dataset.labels[test]
    bench.dataset.ids[test] = 0
    monkeypatch.setattr(study, "_bench", bench)
    again = study.rashomon(EPS, settings=SETTINGS)
    monkeypatch.undo()
    assert again.to_json() == study.rashomon(EPS, settings=SETTINGS).to_json()


def test_a_model_without_a_bundle_is_trained_to_what_it_was(study: autofi.Study) -> None:
    bench = study._open_bench(study._settings, SilentProgress())
    chosen = choose_models(study._handle, bench, eps=EPS, trainings=1)
    assert [model.kind for model in chosen.models[:1]] == ["winner"]
    assert sum(model.path is None for model in chosen.models) <= 1
    assert {model.seed for model in chosen.models if model.kind == ModelRole.WINNER} == {0, 1}
    assert len({(model.architecture.id, model.seed) for model in chosen.models}) == len(chosen.models)
    assert np.isfinite([model.loss for model in chosen.models]).all()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"eps": 0.0}, "eps is 0.0; give a share between 0 and 1"),
        ({"eps": 2.0}, "eps is 2.0; give a share between 0 and 1"),
        ({"repeats": 1}, "rows is 2000 and repeats is 1; .* 2 repeats or more"),
        ({"steps": 3}, "steps is 3; give a halo 4 or more"),
        ({"pairs": -1}, "pairs is -1; give 0 or more"),
        ({"measure": "auc"}, "A reliance has no measure 'auc'"),
    ],
)
def test_settings_that_lead_nowhere_are_refused_before_work_begins(
    changes: dict[str, object], words: str
) -> None:
    with pytest.raises(ConfigError, match=words):
        ExploringSettings(**changes)  # type: ignore[arg-type]


def test_the_stage_has_the_name_that_reports_read() -> None:
    assert STAGE == "rashomon"


def test_after_another_winner_the_set_is_around_that(study: autofi.Study, found: RashomonSet) -> None:
    before = study.summary()["choice"]["trial"]
    other = next(int(row) for row in study.leaderboard()["trial"] if int(row) != before)
    study.retrain(trial=other, seeds=1)  # beside the winner first: the same training has two records then
    study.retrain(trial=other, seeds=1, make_winner=True)
    now = study._trial(other).architecture_id
    chosen = choose_models(
        study._handle, study._open_bench(study._settings, SilentProgress()), eps=1.0, trainings=1
    )
    assert chosen.models[0].architecture.id == now
    assert {model.architecture.id for model in chosen.models if model.kind == ModelRole.WINNER} == {now}
