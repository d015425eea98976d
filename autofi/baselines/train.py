"""Baselines, the models that a search is compared with: their names, trainings and records."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from autofi.baselines.boosted_trees import Form, TreeResult, best_form, distinct_forms, fit_trees
from autofi.core.memmap import VARIABLE, memory_limit
from autofi.core.progress import Progress, watch
from autofi.errors import MissingDependencyError, SearchSpaceError, nearest
from autofi.evaluation.cores import has_small_steps
from autofi.evaluation.parallel import Retraining, Task, at_once, try_each
from autofi.evaluation.part_metrics import part_metrics
from autofi.evaluation.single_point import baseline
from autofi.evaluation.workbench import OnEvaluation, TrainedModel, Workbench
from autofi.records.costs import record_costs
from autofi.records.models import record_training, recorded
from autofi.records.predictions import baseline_key, save_predictions
from autofi.space.architecture import Architecture
from autofi.space.builtin import DEFAULT_BASELINES, TREES
from autofi.space.load import load_named_spaces
from autofi.store import ModelRole, StudyHandle

#: The fewest and most seconds of a tree baseline, which otherwise has as long as the whole search took.
TREE_SECONDS = (20.0, 120.0)
#: Threads of a tree baseline on a large table.
TREE_THREADS = 2
#: The baselines that take longest begin first, so that none is left over at the end.
_LONGEST = {"catboost": 0, "lightgbm": 1}


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

    Test rows are read, so call it when the winner is chosen. `bench.jobs` of them are trained at once, trees first
    and each of their forms by itself. When one fails the others continue.

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
    steps = [
        (key, task)
        for key in sorted(missing, key=lambda key: _LONGEST.get(key[0], len(_LONGEST)))
        for task in _tasks(bench, *key, architectures[key[0]], seconds=seconds)
    ]
    grown: dict[tuple[str, int], list[TreeResult]] = {}
    tasks = [task for _, task in steps]
    for number, trained in try_each(bench, tasks, on_evaluation=watch(progress), go_on=go_on):
        name, seed = key = steps[number][0]
        if key in failed:
            continue
        if isinstance(trained, Exception):
            failed[key] = trained
            progress.advance()
            continue
        if isinstance(trained, TreeResult):
            forms = grown.setdefault(key, [])
            forms.append(trained)
            if len(forms) < sum(other == key for other, _ in steps):
                continue
            trained = best_form(forms)
        _tell(progress, name, seed, _record(handle, bench, name, seed, trained))
        progress.advance()
    return failed


def _trained_as(architecture: Architecture, training: Mapping[str, Any]) -> Architecture:
    """Return the architecture with these training settings instead of its own."""
    return replace(architecture, training=replace(architecture.training, **training))


def _tell(progress: Progress, name: str, seed: int, metrics: Mapping[str, Mapping[str, float]]) -> None:
    if "valid" in metrics:
        progress.note(f"{name}, seed {seed}: AUC {metrics['valid']['auc']:.4f} on validation rows")


@dataclass(frozen=True)
class _Trees:
    """The training of a tree baseline in some of its forms, within a time limit in seconds."""

    name: str
    seed: int
    forms: tuple[Form, ...]
    seconds: float
    threads: int
    architecture: None = None

    def __call__(self, bench: Workbench, on_evaluation: OnEvaluation | None) -> TreeResult:
        return fit_trees(
            self.name,
            bench.dataset,
            seed=self.seed,
            time_limit=self.seconds,
            threads=self.threads,
            forms=self.forms,
        )


def _tasks(
    bench: Workbench, name: str, seed: int, architecture: Architecture | None, *, seconds: float
) -> list[Task[TreeResult | TrainedModel]]:
    """Return the trainings of a baseline: of trees one for every form where several trainings run at once."""
    if architecture is not None:
        return [Retraining(architecture, seed)]
    forms = distinct_forms(name, bench.dataset)
    limit = min(max(seconds, TREE_SECONDS[0]), TREE_SECONDS[1])
    # CatBoost's results depend on the number of threads, which therefore does not follow from the cores.
    threads = 1 if has_small_steps(bench.dataset) else TREE_THREADS
    jobs = at_once(bench)
    if jobs == 1:
        return [_Trees(name, seed, forms, limit, threads)]
    return [_Trees(name, seed, (form,), limit * min(jobs / len(forms), 1), threads) for form in forms]


def _record(
    handle: StudyHandle, bench: Workbench, name: str, seed: int, trained: TreeResult | TrainedModel
) -> dict[str, dict[str, float]]:
    """Keep a trained baseline and return its metrics."""
    key = baseline_key(name, seed)
    save_predictions(handle, key, trained.predictions)
    measured = part_metrics(bench, trained.predictions)
    if isinstance(trained, TreeResult):
        handle.record_model(
            role=ModelRole.BASELINE,
            name=name,
            seed=seed,
            metrics=measured,
            table_bytes=trained.size_bytes,
            seconds=trained.seconds,
        )
    else:
        record_costs(handle, key, trained)
        record_training(handle, trained, measured, role=ModelRole.BASELINE, name=name)
    return measured
