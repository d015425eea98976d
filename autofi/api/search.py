"""The loop: propose, measure, record; then the winner and the baselines under one protocol. Everything resumes."""

from __future__ import annotations

import dataclasses
import re
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from autofi.api.local_workers import LocalWorkers, WorkerPool
from autofi.api.ray_workers import RayPlan, RayWorkers
from autofi.baselines.train import check_baselines, installed_baselines, run_baselines
from autofi.core.device import pick_device
from autofi.core.option_fields import called_with
from autofi.core.option_names import OPTUNA
from autofi.core.progress import Progress, SilentProgress
from autofi.core.time_budget import TimeBudget
from autofi.data.load import open_data, source_name
from autofi.data.schema_overrides import SchemaOverrides
from autofi.engine.finalists import run_finals
from autofi.engine.observer import Observed, SearchObserver
from autofi.engine.presets import DEFAULT_PRESET, get_preset
from autofi.engine.search_options import SearchOptions
from autofi.engine.stopping import TIME_IS_UP, StoppingRule
from autofi.engine.trials import (
    PROPOSAL_SHARE,
    ended_before_proposal,
    measure_trials,
    measure_unselected,
    prepare,
    worth_a_proposal,
)
from autofi.errors import ConfigError
from autofi.evaluation.cores import default_jobs, threads_for
from autofi.evaluation.training_processes import start_processes
from autofi.evaluation.workbench import Workbench
from autofi.nni.candidates import Tuning
from autofi.nni.engine_choice import check_single, choose_engine
from autofi.objectives.objectives import Goals
from autofi.readers.urls import is_database_url
from autofi.records.best_so_far import drop_best_so_far
from autofi.records.best_trial import decide
from autofi.records.data_checks import check_once
from autofi.records.kept_networks import drop_networks
from autofi.records.predictions import save_labels
from autofi.records.time_shares import typical_seconds
from autofi.records.trial_metrics import check_measurable
from autofi.records.value_frequencies import save_frequencies
from autofi.records.winner import HAND, RULE, Choice, choose, chosen, crown
from autofi.samplers.registry import get_sampler
from autofi.samplers.successive_halving import check_fidelity
from autofi.space.architecture import Architecture
from autofi.space.load import load_space
from autofi.space.search_space import SearchSpace
from autofi.store import StudyHandle, StudyStore, mask_password, resolve_storage
from autofi.store.search_settings import SearchSettings
from autofi.store.stage_keys import FIELDS, PROPOSAL, SECONDS, TIME
from autofi.strategies.registry import get_strategy
from autofi.study.dashboard_observer import DashboardObserver
from autofi.study.ensemble import build_ensemble, check_ensemble
from autofi.study.retrain import retrain_winner
from autofi.study.study import Study
from autofi.supernet.proposal import Proposal
from autofi.text.data_warnings import warning_lines


@called_with(SearchOptions)
def search(options: SearchOptions) -> Study:
    """Search an architecture for a table of clicks, retrain the winner, compare it with the baselines.

    The same study name goes on where it stopped, with its own objectives, limits, seed, strategy, sampler and fidelity
    where none are given. More workers may join from anywhere at any time: see `autofi.work`.

    Raises:
        AutoFIError: Anything is wrong with the input; before any work.
        StudyMismatchError: The study was made with another space, other data or other objectives, limits or seed.
        LimitError: Nothing that was measured keeps the limits.
    """
    table, progress = options.table, options.progress or SilentProgress()
    preset = get_preset(options.preset or DEFAULT_PRESET)
    budget = TimeBudget(options.timeout, progress)
    found_space = load_space(options.space)
    chosen_device = pick_device(options.device)
    if options.workers > 1 and source_name(table) is None:
        raise ConfigError(
            f"A table in memory and {options.workers} workers: other processes cannot read it; write it to a file, or "
            "train several at once with jobs."
        )
    tuning = choose_engine(
        options.engine, options.tuner, options.nni_python, sampler=options.sampler, workers=options.workers
    )
    ray = RayPlan.choose(
        options.engine,
        workers=options.workers,
        cpus=options.worker_cpus,
        gpus=options.worker_gpus,
        data=options.worker_data,
        device=chosen_device,
    )
    store = StudyStore(resolve_storage(options.storage))
    name = options.study or default_name(source_name(table), found_space.name)
    # An unreachable storage, other goals, another plan or space are refused before the table is read.
    kept = store.settings(name) or {}
    goals = Goals.parse(options.objectives, options.limits, kept=Goals.from_json(kept) if kept else None)
    seed = int(kept.get("seed", SearchSettings.seed)) if options.seed is None else options.seed
    if tuning is not None:
        check_single(goals)
    settings = SearchSettings(
        source=source_name(table),
        target=options.target,
        query=options.query,
        split=str(options.split),
        valid=source_name(options.valid),
        test=source_name(options.test),
        overrides=(options.overrides or SchemaOverrides())
        .with_text(header=options.header, delimiter=options.delimiter)
        .to_json(),
        trials=options.trials or (1 if found_space.single else preset.trials),
        seeds=options.seeds or preset.seeds,
        seed=seed,
        baselines=installed_baselines(preset.baselines, progress)
        if options.baselines is None
        else check_baselines(options.baselines),
        refit=options.refit,
        ensemble=check_ensemble(_kept_ensemble(kept) if options.ensemble is None else options.ensemble),
        objectives=goals.names,
        limits=tuple(map(str, goals.limits)),
        sampler=get_sampler(options.sampler or kept.get("sampler", SearchSettings.sampler)).name,
        strategy=get_strategy(options.strategy or kept.get("strategy", preset.strategy)).name,
        fidelity=check_fidelity(options.fidelity or kept.get("fidelity", SearchSettings.fidelity)),
        engine=OPTUNA if tuning is None else options.engine,
        tuner=None if tuning is None else tuning.tuner.name,
    )
    if settings.strategy != preset.strategy and options.strategy is None and options.preset is not None:
        progress.note(
            f"'{name}' keeps the strategy {settings.strategy} that it began with; for {preset.strategy}, the strategy "
            f"of the preset {options.preset}, name another --study."
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
    dataset = open_data(table, settings, valid=options.valid, test=options.test, note=progress.note)
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
    # Trainings beside it would slow a training down whose latency is measured.
    by_default = (
        1 if "latency" in goals.measured else default_jobs(chosen_device, dataset, workers=options.workers)
    )
    bench = Workbench(
        dataset,
        device=chosen_device,
        seed=seed,
        jobs=options.jobs or by_default,
        # On a processor a search is the same on any number of cores.
        proposals=options.jobs or (by_default if chosen_device.type == "cuda" else 1),
    )
    if bench.jobs > 1:
        progress.note(f"Up to {bench.jobs} trainings at once, each in a process of its own (--jobs).")
    crew: WorkerPool
    if ray is None:
        crew = LocalWorkers(name, store.url, options.workers - 1, device=chosen_device, progress=progress)
    else:
        crew = RayWorkers(name, store.url, options.workers - 1, plan=ray, progress=progress)
    observed = Observed(DashboardObserver(), progress)
    with handle, threads_for(dataset, chosen_device):
        apart = dataset.apart_names
        handle.record_stage(FIELDS, {"names": list(bench.names), "apart": apart})
        if apart is not None:
            progress.note(
                f"No validation row shares {' × '.join(apart)} with training rows: folds keep it apart too."
            )
        for line in warning_lines(check_once(handle, dataset, seed=seed).to_json()["warnings"]):
            progress.note(line)
        save_labels(handle, dataset)
        save_frequencies(handle, dataset)
        run_search(
            handle,
            bench,
            found_space,
            trials=settings.trials,
            seed=seed,
            budget=budget,
            plateau=options.plateau,
            crew=crew,
            tuning=tuning,
            observed=observed,
        )
        observed.tell(SearchObserver.trials_done, handle)
        run_finals(handle, bench, seed=seed, budget=budget, progress=progress)
        searched = time.monotonic()
        choice = choose_winner(handle, progress)
        architecture = Architecture.from_json(handle.trial(choice.trial).architecture)
        retrain_winner(
            handle,
            bench,
            architecture,
            seeds=settings.seeds,
            seed=seed,
            refit=settings.refit,
            progress=progress,
            budget=budget,
        )
        build_ensemble(
            handle,
            bench,
            choice,
            setting=settings.ensemble,
            seed=seed,
            refit=settings.refit,
            progress=progress,
            budget=budget,
        )
        retrained = time.monotonic()
        run_baselines(
            handle,
            bench,
            settings.baselines,
            seeds=settings.seeds,
            seed=seed,
            budget=budget,
            progress=progress,
        )
        ended = time.monotonic()
        seconds = {
            "encode": encoded - budget.begun,
            "search": searched - encoded,
            "retrain": retrained - searched,
            "baselines": ended - retrained,
        }
        add_seconds(handle, **seconds)
        record_time(handle, budget, **seconds)
        crown(handle, choice, refit=settings.refit)
        drop_networks(handle)
        drop_best_so_far(handle)
        observed.tell(SearchObserver.models_trained, handle)
    study = Study(store, handle, bench)
    study.keep_summary()
    return study


def _kept_ensemble(kept: Mapping[str, Any]) -> str:
    """Return the option `ensemble` of a study's settings; its default for a new study."""
    return SearchSettings.from_json(kept).ensemble if kept else SearchSettings.ensemble


def choose_winner(handle: StudyHandle, progress: Progress) -> Choice:
    """Record the winner: a trial that was made the winner by hand stays it, otherwise the rule decides."""
    before = chosen(handle)
    if before is not None and before.by == HAND:
        progress.note(f"Trial {before.trial} stays the winner, as autofi retrain --make-winner set it.")
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
    budget: TimeBudget,
    plateau: int | None,
    crew: WorkerPool,
    tuning: Tuning | None = None,
    observed: Observed,
) -> None:
    """Bring the study to `trials` measured architectures, with the help of `crew` and of all other workers."""
    progress = observed.progress
    StoppingRule.within(trials, budget, plateau, shared=tuning is None).keep(handle)
    if trials > 1 and tuning is None and handle.stage(PROPOSAL) is None:
        measure_unselected(handle, bench, space, seed=seed, observed=observed, budget=budget)
        if ended_before_proposal(handle, budget):
            progress.note(f"The search ends: {TIME_IS_UP}.")
            return
    with crew:
        # A proposal is of no use without the time for trials after it.
        worth = worth_a_proposal(handle, bench, space, budget)
        trial = typical_seconds(handle.trials()) / max(budget.left, 1e-9)
        share = max(0.0, min(PROPOSAL_SHARE, 1.0 - trial))
        proposal = _proposal(
            handle, bench, space, seed=seed, progress=progress, budget=budget.share(share), worth=worth
        )
        observed.tell(SearchObserver.proposal_made, handle, proposal)
        # Workers fit the preprocessing of candidates at the same time.
        crew.share_cores()
        candidates = prepare(handle, bench, space, proposal, progress=progress, budget=budget)
        if tuning is None:
            measure_trials(handle, bench, candidates, seed=seed, observed=observed, check=crew.check)
            return
        with tuning.around(candidates, handle, seed=seed, jobs=bench.proposals, progress=progress) as tuned:
            measure_trials(handle, bench, tuned, seed=seed, observed=observed)


def _proposal(
    handle: StudyHandle,
    bench: Workbench,
    space: SearchSpace,
    *,
    seed: int,
    progress: Progress,
    budget: TimeBudget,
    worth: bool,
) -> Proposal:
    kept = handle.stage(PROPOSAL)
    strategy = get_strategy(SearchSettings.from_json(handle.record.settings).strategy)
    if kept is None and not worth:
        budget.leave_out("the screen of pairs and the supernet")
        found = strategy.unselected(bench.dataset, space)
        assert found is not None
        handle.record_stage(PROPOSAL, dataclasses.replace(found, cut="screen").to_json() | {"seconds": 0.0})
        kept = handle.stage(PROPOSAL)
    if kept is None:
        started = time.monotonic()
        if bench.jobs > 1 and not bench.mapped:
            # They import torch while this process is busy with what cannot be divided.
            start_processes(bench.jobs - 1)
        proposal = strategy.propose(
            bench.dataset, space, seed=seed, progress=progress, device=bench.device, budget=budget
        )
        handle.record_stage(PROPOSAL, proposal.to_json() | {"seconds": time.monotonic() - started})
        # Read back in the form that every worker and every later run reads.
        kept = handle.stage(PROPOSAL)
        assert kept is not None
    return Proposal.from_json(kept)


def add_seconds(handle: StudyHandle, **seconds: float) -> None:
    """Add the seconds of this run to those of earlier ones."""
    before = handle.stage(SECONDS) or {}
    handle.record_stage(SECONDS, {name: before.get(name, 0.0) + value for name, value in seconds.items()})


def record_time(handle: StudyHandle, budget: TimeBudget, **seconds: float) -> None:
    """Record how this sitting kept to its time: its seconds by stage, and what was left out, which is noted, or cut."""
    left_out = list(dict.fromkeys(budget.left_out))
    if left_out:
        budget.progress.note(f"Left out for time: {', '.join(left_out)}.")
    handle.record_stage(
        TIME,
        {
            "limit": budget.seconds,
            "spent": sum(seconds.values()),
            "stages": seconds,
            "left_out": left_out,
            "cut": list(dict.fromkeys(budget.cut)),
        },
    )


def default_name(source: str | None, space: str) -> str:
    """Return the default name of a study, from the source and the space."""
    if source is None:
        return f"table-{space}"
    path = Path(source.split("?")[0])
    stem = source if source.startswith("planted") else path.stem
    # For a glob such as logs/*.parquet the folder is the better name; invalid characters become a hyphen.
    named = (re.sub(r"[^\w.+-]+", "-", text).strip("-.") for text in (stem, path.parent.name, "table"))
    stem = next(text for text in named if text)[:80]
    return f"{stem}-{space}"


def shown_source(source: str | None) -> str:
    """Return the name of the data in the study and its bundles: the path, or a database's URL without its password."""
    if source is None:
        return "a table in memory"
    return mask_password(source) if is_database_url(source) else source
