"""The ensemble of a study: the winner's seeds, averaged with the best other networks that the search has trained."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import xxhash

from autofi.bundle.bundle import write_bundle
from autofi.bundle.count_training_profile import profile_training
from autofi.bundle.ensemble_file import MOST_MEMBERS, Member
from autofi.core.json import json_text
from autofi.core.option_names import AUTO, OFF
from autofi.core.progress import Progress
from autofi.core.time_budget import UNLIMITED, TimeBudget
from autofi.data.feature_builder import FeatureBuilder
from autofi.errors import ConfigError
from autofi.evaluation.cost import measure_costs
from autofi.evaluation.ensemble_selection import Selection, select_members
from autofi.evaluation.part_metrics import part_metrics, reliability_tables
from autofi.evaluation.workbench import Workbench
from autofi.model.ensemble import Ensemble
from autofi.objectives.objectives import COSTS, Goals
from autofi.records.best_trial import complete_trials
from autofi.records.bundle_origin import origin
from autofi.records.ensembles import recorded_ensemble
from autofi.records.models import recorded
from autofi.records.predictions import Predictions, ensemble_key, save_predictions
from autofi.records.winner import HAND, Choice
from autofi.store import ModelRole, StudyHandle
from autofi.store.stage_keys import ENSEMBLE
from autofi.study.ensemble_candidates import Candidates, SetCosts, gather_candidates
from autofi.training.place_rows import rows_for
from autofi.training.predict import predict

#: The most members where no number says so.
AUTO_MEMBERS = 8


def check_ensemble(given: str | int) -> str:
    """Return the option `ensemble` as it is kept.

    Raises:
        ConfigError: It is neither auto, off nor a number of members.
    """
    text = str(given)
    if text not in (AUTO, OFF) and not (text.isdecimal() and 2 <= int(text) <= MOST_MEMBERS):
        raise ConfigError(
            f"The ensemble is '{text}'; write {AUTO}, {OFF}, or the most members, from 2 to {MOST_MEMBERS}."
        )
    return text


def most_members(setting: str, goals: Goals) -> int:
    """Return the most members by the option `ensemble`, 0 for no ensemble.

    A search that improves a cost wants cheap models, so that `auto` makes no ensemble for it.
    """
    if setting == OFF or (setting == AUTO and any(name in COSTS for name in goals.names)):
        return 0
    return AUTO_MEMBERS if setting == AUTO else int(setting)


def build_ensemble(
    handle: StudyHandle,
    bench: Workbench,
    choice: Choice,
    *,
    setting: str,
    seed: int,
    refit: bool,
    progress: Progress,
    budget: TimeBudget = UNLIMITED,
) -> None:
    """Select an ensemble around the retrained winner; if it is better, score it on test rows and keep its bundle.

    Candidates are the winner's seeds and the networks of trials and finals that are kept. With `refit`, and for a
    winner that was chosen by hand, they are the winner's seeds alone. Nothing is trained. The result is kept, so that
    the same search does not read test rows again. An ensemble of an earlier sitting, whose networks may be gone, stays
    unless the new one has a lower logloss.

    Args:
        handle: The study.
        bench: The data and the device.
        choice: The winner.
        setting: `auto`, `off` or the most members.
        seed: The first seed of the winner.
        refit: Whether the winner was trained on validation rows too.
        progress: Shows the progress.
        budget: Nothing is done if the time is up.
    """
    most, before = most_members(setting, handle.goals), handle.stage(ENSEMBLE)
    winners = recorded(handle, ModelRole.WINNER, "winner", choice.architecture_id, refit=refit)
    if most == 0 or not winners:
        if before is not None:
            handle.drop_stages(ENSEMBLE)
        return
    asked = {
        "architecture_id": choice.architecture_id,
        "refit": refit,
        "most": most,
        "seeds": sorted(winners),
        "trials": max(trial.number for trial in complete_trials(handle)),
    }
    earlier = recorded_ensemble(handle, choice.architecture_id, refit=refit)
    if earlier is not None and not earlier.exists:
        earlier = None
    if before is not None and before["asked"] == asked and (earlier is not None or not before["members"]):
        return
    if not budget.fits(0):
        budget.leave_out("the ensemble")
        return
    begun = time.monotonic()
    progress.phase("ensemble")
    seeds_alone = refit or choice.by == HAND
    candidates = gather_candidates(handle, bench, choice, winners.values(), seeds_alone=seeds_alone)
    if candidates is None:
        progress.note("No ensemble: no seed of the winner is kept with its predictions of validation rows.")
        return
    latency = "latency" in handle.goals.measured
    affordable = SetCosts(candidates, latency=latency).affordable(handle.goals, most)
    selection = select_members(candidates.judged(bench), range(candidates.start), affordable)
    if (
        earlier is not None
        and len(earlier.selection["members"]) <= most
        and (not selection.earned or earlier.selection["logloss"] <= selection.logloss)
    ):
        handle.record_stage(ENSEMBLE, {**earlier.selection, "asked": asked})
        return
    found: dict[str, Any] = {
        "asked": asked,
        "members": [],
        "gain": selection.gain,
        "greedy": selection.greedy,
    }
    if selection.earned:
        found |= _kept(handle, bench, candidates, selection, seed=seed, refit=refit, begun=begun)
    handle.record_stage(ENSEMBLE, found)
    progress.note(_words(found))


def _kept(
    handle: StudyHandle,
    bench: Workbench,
    candidates: Candidates,
    selection: Selection,
    *,
    seed: int,
    refit: bool,
    begun: float,
) -> dict[str, Any]:
    """Score and keep a selected ensemble, and return its record; without members if it breaks a limit."""
    goals = handle.goals
    members = candidates.members(selection)
    weights = [member.weight for member in members.values()]
    ensemble, builder = candidates.joined(tuple(members), weights)
    costs = measure_costs(ensemble, builder, latency="latency" in goals.measured)
    judged = part_metrics(bench, {"valid": selection.predictions}).get("valid", {})
    missed = goals.missed(goals.violations(judged | costs.figures()))
    if missed:
        return {"missed": missed}
    predictions = {"valid": selection.predictions, **_tested(bench, ensemble, builder)}
    metrics = part_metrics(bench, predictions)
    members_id = _members_id(members.values(), refit=refit)
    name = ensemble_key(members_id)
    path = handle.artifacts / "models" / name
    write_bundle(
        path,
        architecture=candidates.found[0].architecture,
        builder=builder,
        network=ensemble,
        metrics=metrics | {"reliability": reliability_tables(bench, predictions)},
        origin=origin(handle, bench, seed, refit=refit) | {"seed": None},
        profile=profile_training(bench.dataset),
        members=tuple(members.values()),
    )
    save_predictions(handle, name, predictions)
    handle.record_model(
        role=ModelRole.ENSEMBLE,
        name="ensemble",
        seed=seed,
        metrics=metrics,
        architecture_id=members_id,
        refit=refit,
        parameters=costs.parameters,
        table_bytes=costs.table_bytes,
        seconds=time.monotonic() - begun,
        path=path,
    )
    return {
        "members": [
            {
                **member.origin(),
                "architecture_id": member.architecture.id,
                "architecture": member.architecture.describe(),
            }
            for member in members.values()
        ],
        "members_id": members_id,
        "logloss": selection.logloss,
        "costs": costs.figures(),
    }


def _tested(bench: Workbench, ensemble: Ensemble, builder: FeatureBuilder) -> dict[str, Predictions]:
    """Return the predictions of test rows by the delivered model, from its own features of these rows."""
    rows = bench.dataset.rows("test")
    if not len(rows):
        return {}
    features = builder.of_rows(rows)
    ensemble.to(bench.device)
    scores = predict(ensemble, rows_for(ensemble, features, np.asarray(rows.labels), rows.weights))
    ensemble.cpu()
    return {"test": scores}


def _members_id(members: Iterable[Member], *, refit: bool) -> str:
    told = [[member.architecture.id, member.seed, member.weight] for member in members]
    return xxhash.xxh3_128_hexdigest(json_text({"members": told, "refit": refit}).encode())[:16]


def _words(found: Mapping[str, Any]) -> str:
    """Return the outcome of a selection in a sentence."""
    if found.get("missed"):
        return f"No ensemble: {' and '.join(found['missed'])}."
    if not found["members"]:
        return "No ensemble: on validation rows no mean that was tried has a lower logloss than the winner alone."
    judged = "validation rows that did not select them" if found["greedy"] else "validation rows"
    return (
        f"An ensemble of {len(found['members'])} networks is delivered: its logloss on {judged} is "
        f"{found['gain']:.5f} below the winner's."
    )


__all__ = ["AUTO_MEMBERS", "build_ensemble", "check_ensemble", "most_members"]
