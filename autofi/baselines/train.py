"""Baselines, the models that a search is compared with: their names, trainings and records."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import takewhile
from typing import Any

from autofi.baselines.boosted_trees import fit_trees
from autofi.core.memmap import VARIABLE, memory_limit
from autofi.core.progress import Progress, watch
from autofi.errors import MissingDependencyError, SearchSpaceError, nearest
from autofi.evaluation.parallel import FAILURES, Retraining, try_each
from autofi.evaluation.part_metrics import part_metrics
from autofi.evaluation.single_point import baseline
from autofi.evaluation.workbench import Workbench
from autofi.records.costs import record_costs
from autofi.records.kept_networks import kept_network
from autofi.records.models import record_training, recorded
from autofi.records.predictions import baseline_key, save_predictions
from autofi.space.architecture import Architecture
from autofi.space.builtin import DEFAULT_BASELINES, TREES
from autofi.space.load import load_named_spaces
from autofi.store import ModelRole, StudyHandle

#: The fewest and most seconds of a tree baseline, which otherwise has as long as the whole search took.
TREE_SECONDS = (20.0, 120.0)


def default_baselines(progress: Progress) -> tuple[str, ...]:
    """Return the baselines of every search, with trees only if they are installed."""
    missing = [name for name in TREES if importlib.util.find_spec(name) is None]
    if missing:
        progress.note(
            f"Without {' and '.join(missing)} among the baselines: pip install 'autofi[baselines]'."
        )
    return tuple(name for name in DEFAULT_BASELINES if name not in missing)


def check_baselines(names: Sequence[str]) -> tuple[str, ...]:
    """Return the names if they are trees or single-point spaces.

    Raises:
        SearchSpaceError: A name is unknown.
        MissingDependencyError: The package of a baseline is not installed.
    """
    known = {*TREES, *(name for name, space in load_named_spaces().items() if space.single)}
    for name in names:
        if name not in known:
            raise SearchSpaceError(f"No baseline named '{name}': {nearest(name, known)}")
        if name in TREES and importlib.util.find_spec(name) is None:
            raise MissingDependencyError(
                f"The package of the baseline '{name}' is not installed; pip install 'autofi[baselines]'."
            )
    return tuple(dict.fromkeys(names))


def run_baselines(
    handle: StudyHandle,
    bench: Workbench,
    names: Sequence[str],
    *,
    seeds: int,
    seed: int,
    seconds: float,
    progress: Progress,
) -> None:
    """Train every baseline once, and the best of them by validation rows with as many seeds as the winner.

    Trees read a whole table at once: if rows are kept in files, trees are left out.
    """
    if bench.dataset.nbytes > memory_limit() and set(names) & set(TREES):
        progress.note(
            f"Without {' and '.join(TREES)} among the baselines: the rows do not fit in {VARIABLE}."
        )
        names = [name for name in names if name not in TREES]
    if not names:
        return
    progress.phase("train baselines", total=len(names) + seeds - 1)
    _train(handle, bench, [(name, seed) for name in names], seconds=seconds, progress=progress)
    best = max(
        (
            model
            for model in handle.models(ModelRole.BASELINE)
            if model.name in names and "valid" in model.metrics
        ),
        key=lambda model: model.metrics["valid"]["auc"],
    )
    more = [(best.name, number) for number in range(seed + 1, seed + seeds)]
    _train(handle, bench, more, seconds=seconds, progress=progress)


def _train(
    handle: StudyHandle,
    bench: Workbench,
    wanted: Sequence[tuple[str, int]],
    *,
    seconds: float,
    progress: Progress,
) -> None:
    """Train baselines by name and seed; an error of one is raised after all others are trained and kept."""
    failed = train_baselines(handle, bench, wanted, seconds=seconds, progress=progress)
    for error in failed.values():
        raise error


def train_baselines(
    handle: StudyHandle,
    bench: Workbench,
    wanted: Sequence[tuple[str, int]],
    *,
    seconds: float,
    progress: Progress,
    training: Mapping[str, Mapping[str, Any]] | None = None,
    go_on: Callable[[], bool] = lambda: True,
) -> dict[tuple[str, int], Exception]:
    """Train baselines that are not recorded yet, by name and seed, and return those that failed with their errors.

    Test rows are read, so call it when the winner is chosen. Trees are trained one by one, then networks, `bench.jobs`
    of them at once. When one fails the others continue.

    Args:
        seconds: The time of the search: trees, which try several forms of their own, may take as long.
        training: Settings of networks by name, instead of their spaces'.
        go_on: Called before each begins; returns False to begin no other.
    """
    architectures = {
        name: None if name in TREES else _trained_as(baseline(name, bench), (training or {}).get(name, {}))
        for name, _ in wanted
    }
    known = {
        name: recorded(handle, ModelRole.BASELINE, name, None if found is None else found.id, refit=False)
        for name, found in architectures.items()
    }
    missing = [(name, seed) for name, seed in wanted if seed not in known[name]]
    progress.advance(len(wanted) - len(missing))
    failed: dict[tuple[str, int], Exception] = {}
    for name, seed in takewhile(lambda _: go_on(), (one for one in missing if one[0] in TREES)):
        try:
            measured = _train_trees(handle, bench, name, seed=seed, seconds=seconds)
        except FAILURES as error:
            failed[name, seed] = error
        else:
            _tell(progress, name, seed, measured)
        progress.advance()
    networks = {
        (name, seed): Retraining(found, seed, weights=kept_network(handle, found.id, seed))
        for name, seed in missing
        if (found := architectures[name]) is not None
    }
    keys, tasks = list(networks), list(networks.values())
    for number, trained in try_each(bench, tasks, on_evaluation=watch(progress), go_on=go_on):
        name, seed = keys[number]
        if isinstance(trained, Exception):
            failed[name, seed] = trained
        else:
            key = baseline_key(name, seed)
            save_predictions(handle, key, trained.predictions)
            record_costs(handle, key, trained)
            measured = part_metrics(bench, trained.predictions)
            record_training(handle, trained, measured, role=ModelRole.BASELINE, name=name)
            _tell(progress, name, seed, measured)
        progress.advance()
    return failed


def _trained_as(architecture: Architecture, training: Mapping[str, Any]) -> Architecture:
    """Return the architecture with these training settings instead of its own."""
    return replace(architecture, training=replace(architecture.training, **training))


def _tell(progress: Progress, name: str, seed: int, metrics: Mapping[str, Mapping[str, float]]) -> None:
    if "valid" in metrics:
        progress.note(f"{name}, seed {seed}: AUC {metrics['valid']['auc']:.4f} on validation rows")


def _train_trees(
    handle: StudyHandle, bench: Workbench, name: str, *, seed: int, seconds: float
) -> dict[str, dict[str, float]]:
    result = fit_trees(
        name,
        bench.dataset,
        seed=seed,
        time_limit=min(max(seconds, TREE_SECONDS[0]), TREE_SECONDS[1]),
        threads=2,
    )
    save_predictions(handle, baseline_key(name, seed), result.predictions)
    measured = part_metrics(bench, result.predictions)
    handle.record_model(
        role=ModelRole.BASELINE,
        name=name,
        seed=seed,
        metrics=measured,
        table_bytes=result.size_bytes,
        seconds=result.seconds,
    )
    return measured
