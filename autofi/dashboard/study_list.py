"""The list of studies for the landing page, and for everybody as `/studies.json`."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from urllib.parse import quote

from pydantic import BaseModel

from autofi.dashboard.study_state import WINNER, StudyState, state_of, stopped_by
from autofi.dashboard.summary_cache import Found, Results, Summary
from autofi.store import StudyOverview, TrialState
from autofi.store.search_settings import SearchSettings
from autofi.store.stage_keys import GOAL, PROPOSAL, SECONDS, STOPPED
from autofi.store.winner_record import kept_reason
from autofi.text.verdict import untested_words, verdict

#: The keys of the stages whose payloads the list needs.
PAYLOADS = (GOAL, STOPPED, WINNER, "seconds")


class Trials(BaseModel, frozen=True):
    """The numbers of a search's trials by state; failed trials are replaced, and pruned ones count."""

    asked: int
    complete: int
    pruned: int
    running: int
    failed: int


class Best(BaseModel, frozen=True):
    """The best value of the first objective within the study's limits; `told` is the text for people."""

    objective: str
    label: str
    value: float
    told: str


class Result(BaseModel, frozen=True):
    """The test metrics of the model that the study delivers, and its comparison with the best baseline.

    `verdict` is better, tie or worse. Where there is no AUC, `told` says why.
    """

    auc: float | None
    interval: tuple[float, float] | None
    baseline: str | None
    verdict: str | None
    told: str | None


class Listed(BaseModel, frozen=True):
    """One study of the list.

    `since` is the start of the current search, and `seconds` the total of all that ended. `pending` is True
    while `result` is being computed. `reason` is a sentence on why a trial with a better validation metric than
    the winner did not win.
    """

    name: str
    id: int
    state: StudyState
    detail: str | None
    trials: Trials
    workers: int
    best: Best | None
    limits: list[str]
    result: Result | None
    pending: bool
    reason: str | None
    data: str
    space: str
    created: datetime
    changed: datetime
    since: datetime | None
    seconds: float | None
    report: str
    dashboard: str
    stages: dict[str, int]


class Listing(BaseModel, frozen=True):
    """The studies of a storage: active ones first, each group newest first."""

    storage: str
    now: datetime
    studies: list[Listed]


def report_path(name: str) -> str:
    """Return the path of a study's report."""
    return f"/report/{quote(name, safe='')}"


def dashboard_path(optuna_id: int) -> str:
    """Return the path of the study with this id in Optuna's dashboard."""
    return f"/dashboard/studies/{optuna_id}"


def listing(storage: str, studies: Iterable[StudyOverview], results: Results) -> Listing:
    """Return the list as it is known now; unknown results are computed afterwards."""
    newest = sorted(studies, key=lambda study: study.created_at, reverse=True)
    listed = [_listed(study, results) for study in newest]
    # Sorting is stable, so each group stays newest first.
    return Listing(
        storage=storage, now=datetime.now(UTC), studies=sorted(listed, key=lambda study: study.since is None)
    )


def _listed(study: StudyOverview, results: Results) -> Listed:
    state = state_of(study)
    won, found = WINNER in study.stages, None
    if won:
        version = (study.created_at, study.models, study.stages[WINNER].recorded_at)
        found = results.of(study.name, version)
    active = state in (StudyState.SEARCHING, StudyState.RETRAINING)
    return Listed(
        name=study.name,
        id=study.optuna_id,
        state=state,
        detail=_DETAILS[state](study),
        trials=_trials(study),
        workers=study.workers,
        best=_best(study),
        limits=[limit.told() for limit in study.goals.limits],
        result=_result(found),
        pending=won and found is None,
        reason=_reason(study),
        data=study.data_source,
        space=study.space_name,
        created=study.created_at,
        changed=study.changed,
        since=_since(study) if active else None,
        seconds=_seconds(study),
        report=report_path(study.name),
        dashboard=dashboard_path(study.optuna_id),
        stages=dict(study.linked),
    )


def _reason(study: StudyOverview) -> str | None:
    kept = study.stages.get(WINNER)
    return (
        None if kept is None or kept.payload is None else kept_reason(study.goals, kept.payload, study.best)
    )


def _trials(study: StudyOverview) -> Trials:
    counts = study.trials
    goal = study.stages.get(GOAL)
    asked = goal.payload["trials"] if goal is not None and goal.payload else study.settings.get("trials")
    return Trials(
        asked=asked or SearchSettings.trials,
        complete=counts.get(TrialState.COMPLETE, 0),
        pruned=counts.get(TrialState.PRUNED, 0),
        running=study.running,
        failed=counts.get(TrialState.FAIL, 0),
    )


def _best(study: StudyOverview) -> Best | None:
    if study.best is None:
        return None
    objective = study.goals.objectives[0]
    return Best(
        objective=objective.name,
        label=objective.label,
        value=study.best,
        told=objective.told(study.best),
    )


def _result(found: Found | None) -> Result | None:
    summary: Summary = (found and found.summary) or {}
    test = (summary.get("ensemble") or summary.get("winner") or {}).get("test")
    if test is None:
        told = untested_words(summary) if summary.get("winner") else ""
        return Result(auc=None, interval=None, baseline=None, verdict=None, told=told) if told else None
    comparison = summary.get("comparison")
    return Result(
        auc=test["auc"],
        interval=test.get("auc_interval"),
        baseline=comparison and comparison["baseline"],
        verdict=comparison and comparison["verdict"],
        told=comparison and ": ".join(verdict(comparison)),
    )


def _since(study: StudyOverview) -> datetime:
    goal = study.stages.get(GOAL)
    return study.created_at if goal is None else goal.recorded_at


def _seconds(study: StudyOverview) -> float | None:
    stage = study.stages.get(SECONDS)
    return None if stage is None or stage.payload is None else float(sum(stage.payload.values()))


def _searching(study: StudyOverview) -> str | None:
    if PROPOSAL not in study.stages and not study.trials:
        return "making the first proposal"
    return f"{study.workers} workers" if study.workers > 1 else None


def _retraining(study: StudyOverview) -> str:
    return "the winner and the baselines"


def _stopped(study: StudyOverview) -> str:
    return stopped_by(study) or "interrupted; autofi search continues it"


def _waiting(study: StudyOverview) -> str:
    return "nothing was measured yet"


_DETAILS: dict[StudyState, Callable[[StudyOverview], str | None]] = {
    StudyState.SEARCHING: _searching,
    StudyState.RETRAINING: _retraining,
    StudyState.COMPLETE: stopped_by,
    StudyState.STOPPED: _stopped,
    StudyState.WAITING: _waiting,
}
