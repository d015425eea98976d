"""Final trainings: an architecture or a baseline with fresh weights and several seeds, measured on test rows."""

from __future__ import annotations

from dataclasses import replace
from itertools import count

from autofi.bundle.bundle import write_bundle
from autofi.bundle.count_training_profile import profile_training
from autofi.core.progress import Progress, watch
from autofi.core.time_budget import UNLIMITED, TimeBudget
from autofi.evaluation.parallel import Retraining, try_each
from autofi.evaluation.part_metrics import part_metrics, reliability_tables
from autofi.evaluation.workbench import TrainedModel, Workbench
from autofi.records.best_trial import complete_trials
from autofi.records.bundle_origin import origin
from autofi.records.costs import record_costs
from autofi.records.importances import record_importances
from autofi.records.kept_networks import kept_network
from autofi.records.models import record_training, recorded
from autofi.records.predictions import save_predictions, winner_key
from autofi.records.time_shares import needed_after_winner, typical_seconds
from autofi.records.trees_alone import trees_alone
from autofi.space.architecture import Architecture
from autofi.store import ModelRecord, ModelRole, StudyHandle

#: The most of what is left of a run's time that importances take.
IMPORTANCES = 1 / 4


def retrain_winner(
    handle: StudyHandle,
    bench: Workbench,
    architecture: Architecture,
    *,
    seeds: int,
    seed: int,
    refit: bool,
    progress: Progress,
    role: ModelRole = ModelRole.WINNER,
    budget: TimeBudget = UNLIMITED,
) -> None:
    """Train the architecture with the missing ones of `seeds` seeds; each becomes a bundle and a record.

    A training that the search has done and kept is not repeated: its network is scored on test rows now. The
    importances of the first seed are recorded too, where the study has none. If boosted trees predict alone in the
    architecture's trial, no network is trained, and one seed is enough: every other one would give the same.

    Args:
        handle: The study.
        bench: The data and the device.
        architecture: The architecture.
        seeds: The number of seeds.
        seed: The first seed.
        refit: Train every seed once more on training and validation rows together, for as many evaluation
            periods as its first training found best, and keep the second model.
        progress: Shows the progress; silent by default.
        role: The role of the models.
        budget: Further seeds and the importances are left out if they do not fit, with the baselines that come later.
    """
    alone = any(
        trial.architecture_id == architecture.id and trees_alone(trial) is not None
        for trial in complete_trials(handle)
    )
    seeds = 1 if alone else seeds
    progress.phase("retrain winner" if role is ModelRole.WINNER else "retrain", total=seeds)
    known = _kept_in_either(handle, role, architecture.id, refit=refit)
    missing = [number for number in range(seed, seed + seeds) if number not in known]
    progress.advance(seeds - len(missing))
    built = architecture.without_network() if alone else architecture
    kept = {number: kept_network(handle, architecture.id, number) for number in missing}
    # The networks that are there come first, as they cost hardly anything.
    tasks = [
        Retraining(built, number, refit, kept[number])
        for number in sorted(missing, key=lambda number: (kept[number] is None, number))
    ]
    scored = 0 if refit else sum(path is not None for path in kept.values())
    sure = max(scored, 0 if known else 1)
    typical = typical_seconds(handle.trials())
    needed = needed_after_winner(handle, typical, budget.seconds or 0.0)
    begun = count()

    def go_on() -> bool:
        return next(begun) < sure or budget.fits(typical + needed)

    trained = 0
    for _, result in try_each(bench, tasks, on_evaluation=watch(progress), go_on=go_on):
        if isinstance(result, Exception):
            raise result
        _keep_bundle(handle, bench, replace(result, architecture=architecture), role=role, refit=refit)
        trained += 1
        progress.advance()
    if trained < len(tasks):
        budget.leave_out(f"{len(tasks) - trained} of {seeds} seeds of the winner")
    if not budget.fits(typical + needed):
        budget.leave_out("importances of fields")
        return
    record_importances(
        handle,
        bench,
        [
            model
            for _, model in sorted(recorded(handle, role, role.value, architecture.id, refit=refit).items())
        ],
        progress,
        budget.share(IMPORTANCES),
    )


def _kept_in_either(
    handle: StudyHandle, role: ModelRole, architecture_id: str, *, refit: bool
) -> dict[int, ModelRecord]:
    """Return the trained seeds of an architecture in a role; models of the other role are recorded in this one, too."""
    known = recorded(handle, role, role.value, architecture_id, refit=refit)
    other = ModelRole.RETRAINED if role is ModelRole.WINNER else ModelRole.WINNER
    for seed, model in recorded(handle, other, other.value, architecture_id, refit=refit).items():
        if seed not in known and model.path is not None and model.path.exists():
            handle.record_model(
                role=role,
                name=role.value,
                seed=seed,
                metrics=model.metrics,
                architecture_id=architecture_id,
                refit=refit,
                parameters=model.parameters,
                table_bytes=model.table_bytes,
                seconds=model.seconds,
                path=model.path,
            )
            known[seed] = model
    return known


def _keep_bundle(
    handle: StudyHandle, bench: Workbench, trained: TrainedModel, *, role: ModelRole, refit: bool
) -> None:
    metrics = part_metrics(bench, trained.predictions)
    name = winner_key(trained.architecture.id, trained.seed, refit=refit)
    path = handle.artifacts / "models" / name
    write_bundle(
        path,
        architecture=trained.delivered,
        builder=trained.builder,
        network=trained.network,
        metrics=metrics | {"reliability": reliability_tables(bench, trained.predictions)},
        origin=origin(handle, bench, trained.seed, refit=refit),
        profile=profile_training(bench.dataset),
    )
    save_predictions(handle, name, trained.predictions)
    record_costs(handle, name, trained)
    record_training(handle, trained, metrics, role=role, name=role.value, refit=refit, path=path)
