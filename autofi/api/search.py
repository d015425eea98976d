"""The loop: propose, measure, record; then the winner and the baselines under one protocol. Everything resumes."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from autofi.api.local_workers import LocalWorkers, WorkerPool
from autofi.api.ray_workers import RayPlan, RayWorkers
from autofi.baselines.train import check_baselines, default_baselines, run_baselines
from autofi.core.device import pick_device
from autofi.core.engine_names import OPTUNA
from autofi.core.progress import Progress, SilentProgress
from autofi.data.config import DEFAULT_STRATEGY, SearchSettings
from autofi.data.load import open_data, source_name
from autofi.data.schema_overrides import SchemaOverrides
from autofi.data.split import DEFAULT_SPLIT
from autofi.engine.finalists import run_finals
from autofi.engine.observer import Observed, SearchObserver
from autofi.engine.stopping import StoppingRule
from autofi.engine.trials import measure_trials, prepare
from autofi.errors import ConfigError
from autofi.evaluation.parallel import at_once, default_jobs
from autofi.evaluation.workbench import Workbench
from autofi.nni.candidates import Tuning
from autofi.nni.engine_choice import check_single, choose_engine
from autofi.objectives.objectives import Goals
from autofi.readers.urls import is_database_url
from autofi.records.best_trial import decide
from autofi.records.data_checks import check_once
from autofi.records.predictions import save_labels
from autofi.records.trial_metrics import check_measurable
from autofi.records.value_frequencies import save_frequencies
from autofi.records.winner import HAND, RULE, Choice, choose, chosen, crown
from autofi.samplers.registry import DEFAULT_SAMPLER, get_sampler
from autofi.samplers.successive_halving import check_fidelity
from autofi.space.architecture import Architecture
from autofi.space.load import load_space
from autofi.space.search_space import SearchSpace
from autofi.store import StudyHandle, StudyStore, mask_password, resolve_storage
from autofi.store.stage_keys import PROPOSAL
from autofi.strategies.registry import get_strategy
from autofi.study.dashboard_observer import DashboardObserver
from autofi.study.retrain import retrain_winner
from autofi.study.study import Study
from autofi.supernet.proposal import Proposal
from autofi.text.data_warnings import warning_lines


def search(
    table: Any,
    *,
    target: str | None = None,
    space: str | Path = "default",
    study: str | None = None,
    storage: str | None = None,
    trials: int | None = None,
    timeout: float | None = None,
    seeds: int = 3,
    device: str = "auto",
    seed: int | None = None,
    split: str = DEFAULT_SPLIT,
    valid: Any = None,
    test: Any = None,
    overrides: SchemaOverrides | None = None,
    query: str | None = None,
    header: bool | None = None,
    delimiter: str | None = None,
    baselines: Sequence[str] | None = None,
    refit: bool = False,
    objectives: Sequence[str] | None = None,
    limits: Sequence[str] | None = None,
    strategy: str | None = None,
    sampler: str | None = None,
    fidelity: str | None = None,
    plateau: int | None = None,
    engine: str = OPTUNA,
    tuner: str | None = None,
    nni_python: str | Path | None = None,
    jobs: int | None = None,
    workers: int = 1,
    worker_cpus: float | None = None,
    worker_gpus: float | None = None,
    worker_data: str | None = None,
    progress: Progress | None = None,
) -> Study:
    """Search an architecture for a table of clicks, retrain the winner, compare it with the baselines.

    table       a path, a SQLAlchemy URL with `query`, a pandas, Polars or Arrow table, or `planted`
    header      whether delimited text has a header; `delimiter` a character or `tab`: both are found out otherwise
    trials      architectures trained from scratch, counted over all sittings of the study
    timeout     seconds after which no further trial begins; what follows the search (retraining) still runs
    seeds       times the winner is retrained
    seed        of everything random: 0 unless it is given, or of a resumed study its own
    objectives  names of `autofi.objectives.OBJECTIVES`, the first of which leads; by default the validation AUC
    limits      such as `table_bytes<=50MB` and `auc>=0.7`, which the winner keeps
    strategy    how candidates are come to: a name of `autofi.strategies.registry.strategies`
    sampler     who proposes after the starts of the space: a name of `autofi.samplers.registry.samplers`
    fidelity    `full`, or `halving` or `hyperband`: trials are first trained on a ninth and a third of the rows, and
                only the best third of them goes on each time
    plateau     end the search after so many trials in a row that came to nothing better
    engine      `optuna`, or `nni`: a tuner of NNI proposes after the starts, in an experiment with a portal of its own;
                or `ray`: as `optuna`, and all workers but this process are tasks of Ray, wherever it has room for them
    tuner       a name of `autofi.nni.tuners.TUNERS`, by default TPE
    nni_python  the interpreter that has NNI, if neither AUTOFI_NNI_PYTHON names it nor this one has it
    jobs        trainings at once, each in a process of its own; by default one on a processor, several on a GPU
    workers     processes on this machine that share the trials through the storage; each opens the data itself, and
                GPUs are dealt out in turn. More may join from anywhere at any time: `autofi.work`
    worker_cpus, worker_gpus  what a worker on Ray takes of its node, by default one core, and a GPU if `device` is one
    worker_data  where the table lies on Ray's nodes, if not where it lies here

    The same study name goes on where it stopped, with its own objectives, limits and seed where none are given; with
    another space, other data or others of those it raises `StudyMismatchError`. Raises `AutoFIError` for anything wrong
    with the input, before any work, and `LimitError` when nothing that was measured keeps the limits.
    """
    begun = time.monotonic()
    progress = progress or SilentProgress()
    found_space = load_space(space)
    chosen_device = pick_device(device)
    if workers > 1 and source_name(table) is None:
        raise ConfigError(
            f"Workers open the data themselves: found a table in memory and {workers} workers; write it to a file, or "
            "train several at once with jobs."
        )
    tuning = choose_engine(engine, tuner, nni_python, sampler=sampler, workers=workers)
    ray = RayPlan.choose(
        engine,
        workers=workers,
        cpus=worker_cpus,
        gpus=worker_gpus,
        data=worker_data,
        device=chosen_device,
    )
    store = StudyStore(resolve_storage(storage))
    name = study or default_name(source_name(table), found_space.name)
    # An unreachable storage, other goals, another plan or space are refused before the table is read.
    kept = store.settings(name) or {}
    goals = Goals.parse(objectives, limits, kept=Goals.from_json(kept) if kept else None)
    seed = int(kept.get("seed", 0)) if seed is None else seed
    if tuning is not None:
        check_single(goals)
    settings = SearchSettings(
        source=source_name(table),
        target=target,
        query=query,
        split=str(split),
        valid=source_name(valid),
        test=source_name(test),
        overrides=(overrides or SchemaOverrides()).with_text(header=header, delimiter=delimiter).to_json(),
        trials=trials or (1 if found_space.single else SearchSettings.trials),
        seeds=seeds,
        seed=seed,
        baselines=default_baselines(progress) if baselines is None else check_baselines(baselines),
        refit=refit,
        objectives=goals.names,
        limits=tuple(map(str, goals.limits)),
        sampler=get_sampler(sampler or kept.get("sampler", DEFAULT_SAMPLER)).name,
        strategy=get_strategy(strategy or kept.get("strategy", DEFAULT_STRATEGY)).name,
        fidelity=check_fidelity(fidelity or kept.get("fidelity", SearchSettings.fidelity)),
        engine=OPTUNA if tuning is None else engine,
        tuner=None if tuning is None else tuning.tuner.name,
    )
    store.check_same(
        name,
        settings=settings.to_json(),
        space_name=found_space.name,
        space_fingerprint=found_space.fingerprint,
    )
    if ray is not None:
        ray.check(store.url)
    progress.phase("encode")
    opened = time.monotonic()
    dataset = open_data(table, settings, valid=valid, test=test, note=progress.note)
    check_measurable(goals, dataset)
    encoded = time.monotonic()
    handle = store.create_or_resume(
        name,
        space_name=found_space.name,
        space_json=found_space.text(),
        space_fingerprint=found_space.fingerprint,
        data_source=shown_source(settings.source),
        data_fingerprint=dataset.fingerprint,
        settings=settings.to_json(),
    )
    bench = Workbench(dataset, device=chosen_device, seed=seed, jobs=jobs or default_jobs(chosen_device))
    crew: WorkerPool
    if ray is None:
        crew = LocalWorkers(name, store.url, workers - 1, device=chosen_device, progress=progress)
    else:
        crew = RayWorkers(name, store.url, workers - 1, plan=ray, progress=progress)
    observed = Observed(DashboardObserver(), progress)
    with handle:
        apart = dataset.apart_names
        handle.record_stage("fields", {"names": list(bench.names), "apart": apart})
        if apart is not None:
            progress.note(
                f"No validation row shares {' × '.join(apart)} with training rows: folds keep it apart too."
            )
        for line in warning_lines(check_once(handle, dataset, seed=seed).to_json()["warnings"]):
            progress.note(line)
        save_labels(handle, dataset)
        save_frequencies(handle, dataset)
        deadline = None if timeout is None else begun + timeout
        run_search(
            handle,
            bench,
            found_space,
            trials=settings.trials,
            seed=seed,
            deadline=deadline,
            plateau=plateau,
            crew=crew,
            tuning=tuning,
            observed=observed,
        )
        observed.tell(SearchObserver.trials_done, handle)
        run_finals(handle, bench, seed=seed, deadline=deadline, progress=progress)
        searched = time.monotonic()
        choice = choose_winner(handle, progress)
        architecture = Architecture.from_json(handle.trial(choice.trial).architecture)
        retrain_winner(handle, bench, architecture, seeds=seeds, seed=seed, refit=refit, progress=progress)
        spent = searched - encoded + (handle.stage("seconds") or {}).get("search", 0.0)
        run_baselines(
            handle, bench, settings.baselines, seeds=seeds, seed=seed, seconds=spent, progress=progress
        )
        ended = time.monotonic()
        add_seconds(handle, encode=encoded - opened, search=searched - encoded, retrain=ended - searched)
        crown(handle, choice, refit=refit)
        observed.tell(SearchObserver.models_trained, handle)
    return Study(store, handle, bench)


def choose_winner(handle: StudyHandle, progress: Progress) -> Choice:
    """Keep which trial wins: one that was made the winner by hand stays it, else the rule decides."""
    before = chosen(handle)
    if before is not None and before.by == HAND:
        progress.note(
            f"Trial {before.trial} stays the winner: it was made so by hand (autofi retrain --make-winner)."
        )
        return choose(handle, handle.trial(before.trial), by=HAND)
    decision = decide(handle)
    return choose(handle, handle.trial(decision.winner), by=RULE, decision=decision)


def run_search(
    handle: StudyHandle,
    bench: Workbench,
    space: SearchSpace,
    *,
    trials: int,
    seed: int,
    deadline: float | None,
    plateau: int | None,
    crew: WorkerPool,
    tuning: Tuning | None = None,
    observed: Observed,
) -> None:
    """Bring the study to `trials` measured architectures, with the help of `crew` and of whoever else works on it."""
    progress = observed.progress
    seconds = None if deadline is None else deadline - time.monotonic()
    StoppingRule.within(trials, seconds, plateau, shared=tuning is None).keep(handle)
    with crew:
        proposal = _proposal(handle, bench, space, seed=seed, progress=progress)
        observed.tell(SearchObserver.proposal_made, handle, proposal)
        # Workers fit what candidates read at the same time.
        crew.share_cores()
        candidates = prepare(handle, bench, space, proposal, progress=progress)
        if tuning is None:
            measure_trials(handle, bench, candidates, seed=seed, observed=observed, check=crew.check)
            return
        with tuning.around(candidates, handle, seed=seed, jobs=at_once(bench), progress=progress) as tuned:
            measure_trials(handle, bench, tuned, seed=seed, observed=observed)


def _proposal(
    handle: StudyHandle, bench: Workbench, space: SearchSpace, *, seed: int, progress: Progress
) -> Proposal:
    kept = handle.stage(PROPOSAL)
    if kept is None:
        started = time.monotonic()
        strategy = get_strategy(SearchSettings.from_json(handle.record.settings).strategy)
        proposal = strategy.propose(bench.dataset, space, seed=seed, progress=progress, device=bench.device)
        handle.record_stage(PROPOSAL, proposal.to_json() | {"seconds": time.monotonic() - started})
        # As every worker and every later sitting reads it.
        kept = handle.stage(PROPOSAL)
        assert kept is not None
    return Proposal.from_json(kept)


def add_seconds(handle: StudyHandle, **seconds: float) -> None:
    """Add what this sitting took to what earlier ones did."""
    before = handle.stage("seconds") or {}
    handle.record_stage("seconds", {name: before.get(name, 0.0) + value for name, value in seconds.items()})


def default_name(source: str | None, space: str) -> str:
    """The study's name when none is given: from the source and the space."""
    if source is None:
        return f"table-{space}"
    path = Path(source.split("?")[0])
    stem = source if source.startswith("planted") else path.stem
    # Of a glob such as logs/*.parquet the folder says more; what a study's name cannot hold becomes a hyphen.
    named = (re.sub(r"[^\w.+-]+", "-", text).strip("-.") for text in (stem, path.parent.name, "table"))
    stem = next(text for text in named if text)[:80]
    return f"{stem}-{space}"


def shown_source(source: str | None) -> str:
    """What the study and its bundles call the data: a database's URL without its password."""
    if source is None:
        return "a table in memory"
    return mask_password(source) if is_database_url(source) else source
