"""Baselines, the models that a search is compared with: their names, trainings and records."""

from __future__ import annotations

import importlib.util
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from autofi.baselines.boosted_trees import Form, TreeResult, best_form, distinct_forms, fit_trees
from autofi.core.memmap import VARIABLE, memory_limit
from autofi.core.progress import Progress, watch
from autofi.core.time_budget import UNLIMITED, TimeBudget
from autofi.errors import MissingDependencyError, SearchSpaceError, nearest
from autofi.evaluation.cores import has_small_steps
from autofi.evaluation.parallel import Retraining, Task, at_once, try_each
from autofi.evaluation.part_metrics import part_metrics
from autofi.evaluation.single_point import baseline
from autofi.evaluation.workbench import OnEvaluation, TrainedModel, Workbench
from autofi.records.best_trial import complete_trials
from autofi.records.costs import record_costs
from autofi.records.kept_networks import kept_network
from autofi.records.models import record_training, recorded
from autofi.records.predictions import baseline_key, save_predictions
from autofi.space.architecture import Architecture
from autofi.space.builtin import TREES
from autofi.space.load import load_named_spaces
from autofi.store import ModelRole, StudyHandle
from autofi.store.stage_keys import CUT

#: Threads of a tree baseline on a large table.
TREE_THREADS = 2
#: The baselines that take longest begin first, so that none is left over at the end.
_LONGEST = {"catboost": 0, "lightgbm": 1}


def installed_baselines(names: Sequence[str], progress: Progress) -> tuple[str, ...]:
    """Return baselines with trees only if they are installed; the others are told of."""
    missing = [name for name in names if name in TREES and importlib.util.find_spec(name) is None]
    if missing:
        progress.note(
            f"Without {' and '.join(missing)} among the baselines: pip install 'autofi[baselines]'."
        )
    return tuple(name for name in names if name not in missing)


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
    budget: TimeBudget,
    progress: Progress,
) -> None:
    """Train every baseline once, and the best of them by validation rows with as many seeds as the winner.

    Trees read a whole table at once: if rows are kept in files, trees are left out. So is what does not fit in the
    budget, where a network is expected to take as long as the fastest one so far.
    """
    if bench.dataset.nbytes > memory_limit() and set(names) & set(TREES):
        progress.note(
            f"Without {' and '.join(TREES)} among the baselines: the rows do not fit in {VARIABLE}."
        )
        names = [name for name in names if name not in TREES]
    if not names:
        return
    progress.phase("train baselines", total=len(names) + seeds - 1)
    _train(handle, bench, [(name, seed) for name in names], budget=budget, progress=progress)
    trained = {model.name for model in handle.models(ModelRole.BASELINE)}
    for name in names:
        if name not in trained:
            budget.leave_out(name)
    best = max(
        (
            model
            for model in handle.models(ModelRole.BASELINE)
            if model.name in names and "valid" in model.metrics
        ),
        key=lambda model: model.metrics["valid"]["auc"],
        default=None,
    )
    if best is None:
        return
    more = [(best.name, number) for number in range(seed + 1, seed + seeds)]
    _train(handle, bench, more, budget=budget, progress=progress)
    known = recorded(handle, ModelRole.BASELINE, best.name, best.architecture_id, refit=False)
    if missing := [number for _, number in more if number not in known]:
        budget.leave_out(f"{len(missing)} of {seeds} seeds of {best.name}")


def _train(
    handle: StudyHandle,
    bench: Workbench,
    wanted: Sequence[tuple[str, int]],
    *,
    budget: TimeBudget,
    progress: Progress,
) -> None:
    """Train baselines by name and seed; an error of one is raised after all others are trained and kept."""

    # The database is read here: where several are trained at once, other threads ask whether to go on.
    trials = [trial.seconds for trial in complete_trials(handle)]
    models = [model.seconds for model in handle.models(ModelRole.BASELINE)]
    shortest = min(filter(None, (*trials, *models)), default=0.0)

    def go_on() -> bool:
        return budget.fits(shortest)

    failed = train_baselines(handle, bench, wanted, progress=progress, budget=budget, go_on=go_on)
    for error in failed.values():
        raise error


def train_baselines(
    handle: StudyHandle,
    bench: Workbench,
    wanted: Sequence[tuple[str, int]],
    *,
    progress: Progress,
    budget: TimeBudget = UNLIMITED,
    training: Mapping[str, Mapping[str, Any]] | None = None,
    go_on: Callable[[], bool] = lambda: True,
) -> dict[tuple[str, int], Exception]:
    """Train baselines that are not recorded yet, by name and seed, and return those that failed with their errors.

    Test rows are read, so call it when the winner is chosen. `bench.jobs` of them are trained at once, trees first
    and each of their forms by itself. When one fails the others continue. Trees that an earlier run cut short are
    trained again.

    Args:
        budget: Trees, which try several forms of their own, share its time evenly with the trainings after them. Where
            the clock ends them, the record says so. Without a limit they end by themselves.
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
    cut = cut_baselines(handle)
    missing = [
        (name, seed)
        for name, seed in wanted
        if seed not in known[name] or (baseline_key(name, seed) in cut and budget.seconds is None)
    ]
    progress.advance(len(wanted) - len(missing))
    failed: dict[tuple[str, int], Exception] = {}
    missing.sort(key=lambda key: _LONGEST.get(key[0], len(_LONGEST)))
    steps = _steps(handle, bench, missing, architectures, budget)
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
        _tell(progress, name, seed, _record(handle, bench, name, seed, trained, budget))
        progress.advance()
    return failed


def cut_baselines(handle: StudyHandle) -> tuple[str, ...]:
    """Return the keys of the baselines whose training the clock ended."""
    return tuple((handle.stage(CUT) or {}).get("baselines", ()))


def _record_cut(handle: StudyHandle, key: str, *, cut: bool) -> None:
    """Record that the clock ended a training, or that it has been repeated without."""
    before = cut_baselines(handle)
    if cut or key in before:
        others = [one for one in before if one != key]
        handle.record_stage(CUT, {"baselines": [*others, *([key] if cut else [])]})


def _trained_as(architecture: Architecture, training: Mapping[str, Any]) -> Architecture:
    """Return the architecture with these training settings instead of its own."""
    return replace(architecture, training=replace(architecture.training, **training))


def _tell(progress: Progress, name: str, seed: int, metrics: Mapping[str, Mapping[str, float]]) -> None:
    if "valid" in metrics:
        progress.note(f"{name}, seed {seed}: AUC {metrics['valid']['auc']:.4f} on validation rows")


@dataclass(frozen=True)
class _Trees:
    """The training of a tree baseline in some of its forms.

    Its share of the time until `ends`, in seconds of the monotonic clock, is that of one of the `behind` trainings that
    are not done when it begins, `jobs` of them at once.
    """

    name: str
    seed: int
    forms: tuple[Form, ...]
    ends: float | None
    behind: int
    jobs: int
    threads: int
    architecture: None = None

    def __call__(self, bench: Workbench, on_evaluation: OnEvaluation | None) -> TreeResult:
        left = None if self.ends is None else max(self.ends - time.monotonic(), 0.0)
        return fit_trees(
            self.name,
            bench.dataset,
            seed=self.seed,
            time_limit=None if left is None else left * min(self.jobs / self.behind, 1.0),
            threads=self.threads,
            forms=self.forms,
        )


def _steps(
    handle: StudyHandle,
    bench: Workbench,
    missing: Sequence[tuple[str, int]],
    architectures: Mapping[str, Architecture | None],
    budget: TimeBudget,
) -> list[tuple[tuple[str, int], Task[TreeResult | TrainedModel]]]:
    """Return the trainings of baselines by name and seed: one for every form of trees where several run at once."""
    jobs = at_once(bench)
    # CatBoost's results depend on the number of threads, which therefore does not follow from the cores.
    threads = 1 if has_small_steps(bench.dataset) else TREE_THREADS
    ends = None if budget.seconds is None else time.monotonic() + max(budget.left, 0.0)
    parts: list[tuple[tuple[str, int], tuple[Form, ...]]] = []
    for name, seed in missing:
        forms = distinct_forms(name, bench.dataset) if architectures[name] is None else ()
        parts += (
            [((name, seed), (form,)) for form in forms] if forms and jobs > 1 else [((name, seed), forms)]
        )
    steps: list[tuple[tuple[str, int], Task[TreeResult | TrainedModel]]] = []
    for number, ((name, seed), forms) in enumerate(parts):
        found = architectures[name]
        if found is None:
            task: Task[TreeResult | TrainedModel] = _Trees(
                name, seed, forms, ends, len(parts) - number, jobs, threads
            )
        else:
            task = Retraining(found, seed, weights=kept_network(handle, found.id, seed))
        steps.append(((name, seed), task))
    return steps


def _record(
    handle: StudyHandle,
    bench: Workbench,
    name: str,
    seed: int,
    trained: TreeResult | TrainedModel,
    budget: TimeBudget,
) -> dict[str, dict[str, float]]:
    """Keep a trained baseline and return its metrics."""
    key = baseline_key(name, seed)
    save_predictions(handle, key, trained.predictions)
    measured = part_metrics(bench, trained.predictions)
    if isinstance(trained, TreeResult):
        if trained.cut:
            budget.cut_short(name)
        _record_cut(handle, key, cut=trained.cut)
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
