"""A search trains no network twice: the winner's models are made of what trials and finals have trained."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import autofi
import autofi.api.search
from autofi.bundle.bundle import load_bundle
from autofi.core.progress import SilentProgress
from autofi.data.planted import PlantedSpec, generate
from autofi.engine.finalists import SEEDS
from autofi.evaluation.part_metrics import part_metrics
from autofi.evaluation.trained_weights import read_weights, write_weights
from autofi.evaluation.workbench import Workbench
from autofi.records import best_so_far
from autofi.records.best_trial import complete_trials
from autofi.records.kept_networks import FOLDER, KEPT, keep_network, kept_network
from autofi.records.predictions import load_predictions, model_key
from autofi.records.winner import chosen
from autofi.space.architecture import Architecture
from autofi.store import ModelRole
from autofi.study.retrain import retrain_winner

SEVERAL = Path(__file__).parents[1] / "spaces" / "several.yaml"
TRIALS = 6


@dataclass(frozen=True)
class Searched:
    """A search with everything that it trained, scored and kept, in order."""

    study: autofi.Study
    events: list[tuple[str, Any]]

    @property
    def trained(self) -> list[Any]:
        return [told for kind, told in self.events if kind == "trained"]


def search(folder: Path, **changes: Any) -> Searched:
    events: list[tuple[str, Any]] = []
    train, scored, choose = Workbench.train, Workbench._scored, autofi.api.search.choose_winner

    def recorded(bench: Workbench, architecture: Architecture, **given: Any) -> Any:
        events.append(
            (
                "trained",
                (architecture.id, given["seed"], given.get("share", 1.0), given.get("repeat") is not None),
            )
        )
        found = train(bench, architecture, **given)
        events.append(("kept", len(list(folder.glob(f"**/{FOLDER}/*")))))
        return found

    def seen(bench: Workbench, *given: Any, **named: Any) -> Any:
        events.append(("scored", given[6]))
        return scored(bench, *given, **named)

    def chose(*given: Any) -> Any:
        events.append(("chosen", None))
        return choose(*given)

    table = generate(PlantedSpec(rows=2000)).table.to_pandas()
    part = np.random.default_rng(0).choice(["train", "valid", "test"], len(table), p=[0.6, 0.2, 0.2])
    if changes.pop("other_clicks", False):
        table.loc[part == "test", "click"] = 1 - table.loc[part == "test", "click"]
    space = folder / "short.yaml"
    space.write_text(SEVERAL.read_text().replace("epochs: 24, patience: 24", "epochs: 5, patience: 5"))
    # With a second objective no trial is cut early, which would have to be trained again as a winner.
    goals = {"objectives": ("auc", "table_bytes"), "baselines": ()}
    given = {"trials": TRIALS, "seeds": SEEDS, "space": space, "device": "cpu"} | goals | changes
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Workbench, "train", recorded)
        patch.setattr(Workbench, "_scored", seen)
        patch.setattr(autofi.api.search, "choose_winner", chose)
        study = autofi.search(
            table.assign(part=part),
            target="click",
            study="mine",
            storage=str(folder / "a.db"),
            overrides=autofi.SchemaOverrides(split_column="part"),
            **given,
        )
    return Searched(study, events)


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Searched]:
    found = search(tmp_path_factory.mktemp("kept"))
    yield found
    found.study.close()


def test_no_architecture_is_trained_twice_with_one_seed(searched: Searched) -> None:
    assert len(set(searched.trained)) == len(searched.trained)
    finalists = searched.study._handle.models(ModelRole.FINALIST)
    assert finalists  # otherwise this search tells nothing
    assert len(searched.trained) == TRIALS + len(finalists)
    assert len(searched.study._handle.models(ModelRole.WINNER)) == SEEDS


def test_models_of_the_winner_are_those_of_a_fresh_training(searched: Searched) -> None:
    handle, bench = searched.study._handle, searched.study._bench
    assert bench is not None
    for model in handle.models(ModelRole.WINNER):
        assert model.path is not None
        bundle = load_bundle(model.path)
        fresh = bench.retrain(bundle.architecture, seed=model.seed, refit=False)
        predictions = load_predictions(handle, model_key(model))
        assert set(predictions) == set(fresh.predictions) == {"valid", "test"}
        for part, scores in fresh.predictions.items():
            np.testing.assert_array_equal(predictions[part], scores)
        assert model.metrics == part_metrics(bench, fresh.predictions)
        weights = fresh.network.state_dict()
        assert bundle.network.state_dict().keys() == weights.keys()
        for name, value in bundle.network.state_dict().items():
            assert torch.equal(value, weights[name])


def test_no_test_rows_are_read_before_the_winner_is_chosen(searched: Searched, tmp_path: Path) -> None:
    kinds = [kind for kind, _ in searched.events]
    before, after = (
        [parts for kind, parts in events if kind == "scored"]
        for events in (
            searched.events[: kinds.index("chosen")],
            searched.events[kinds.index("chosen") :],
        )
    )
    assert set(before) == {("valid",)}
    # Afterwards only the winner's models are scored, each once.
    assert after == [("valid", "test")] * SEEDS
    # With other clicks on the test rows everything up to the choice is the same.
    other = search(tmp_path, other_clicks=True)
    mine, theirs = searched.study._handle, other.study._handle
    assert [trial.values for trial in mine.trials()] == [trial.values for trial in theirs.trials()]
    assert [model.metrics for model in mine.models(ModelRole.FINALIST)] == [
        model.metrics for model in theirs.models(ModelRole.FINALIST)
    ]
    other.study.close()


def test_few_networks_are_kept_and_none_after_the_end(searched: Searched) -> None:
    kept = [count for kind, count in searched.events if kind == "kept"]
    assert max(kept[:TRIALS]) <= KEPT + 1
    assert max(kept) > 1
    assert not (searched.study._handle.artifacts / FOLDER).exists()
    assert not (searched.study._handle.artifacts / best_so_far.FOLDER).exists()


def test_a_refit_repeats_only_its_second_training(tmp_path: Path) -> None:
    found = search(tmp_path, trials=2, refit=True)
    assert len(set(found.trained)) == len(found.trained)
    winner = chosen(found.study._handle)
    assert winner is not None
    again = [told for told in found.trained if told[3]]
    assert again == [(winner.architecture_id, seed, 1.0, True) for seed in range(SEEDS)]
    models = found.study._handle.models(ModelRole.WINNER)
    assert all(model.refit and {"valid", "test"} == set(model.metrics) for model in models)
    found.study.close()


def test_a_training_that_was_cut_early_is_not_kept(searched: Searched) -> None:
    handle, bench = searched.study._handle, searched.study._bench
    assert bench is not None
    architecture = Architecture.from_json(complete_trials(handle)[0].architecture)
    # An early end waits for a bad evaluation, and for a few more.
    long = dataclasses.replace(architecture.training, epochs=20, patience=20)
    architecture = dataclasses.replace(architecture, training=long)
    cut = bench.train(architecture, seed=11, to_beat=1.0)
    whole = bench.train(architecture, seed=11)
    assert cut.report.evaluations < whole.report.evaluations
    for trained, kept in ((cut, False), (whole, True)):
        keep_network(handle, trained, SilentProgress())
        assert (kept_network(handle, architecture.id, 11) is not None) == kept


def test_weights_that_are_damaged_or_of_another_network_are_trained_anew(
    searched: Searched, tmp_path: Path
) -> None:
    handle, bench = searched.study._handle, searched.study._bench
    assert bench is not None
    trials = complete_trials(handle)
    small, large = (
        Architecture.from_json(
            next(
                t for t in trials if f'"embedding_dim":{dim}' in t.architecture_json.replace(" ", "")
            ).architecture
        )
        for dim in (4, 8)
    )
    path = tmp_path / "network.safetensors"
    trained = bench.train(small, seed=5)
    write_weights(path, trained.network, trained.report)
    kept = read_weights(path)
    assert kept is not None
    assert kept.report == trained.report
    assert bench.rebuild(large, kept, seed=5, parts=("valid",)) is None
    path.write_bytes(path.read_bytes()[:-8])
    assert read_weights(path) is None
    path.unlink()
    assert read_weights(path) is None


def test_a_winner_without_kept_networks_is_trained(searched: Searched) -> None:
    handle, bench = searched.study._handle, searched.study._bench
    assert bench is not None
    loser = next(
        trial
        for trial in complete_trials(handle)
        if trial.number != chosen(handle).trial  # type: ignore[union-attr]
    )
    architecture = Architecture.from_json(loser.architecture)
    retrain_winner(
        handle,
        bench,
        architecture,
        seeds=1,
        seed=0,
        refit=False,
        progress=SilentProgress(),
        role=ModelRole.RETRAINED,
    )
    (model,) = handle.models(ModelRole.RETRAINED)
    assert model.metrics["valid"]["auc"] == pytest.approx((loser.valid or {})["auc"])
