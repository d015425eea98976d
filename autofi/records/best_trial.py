"""Selection of the winner among measured architectures, by validation rows only, and the Pareto front."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

from pydantic import TypeAdapter

from autofi.errors import LimitError, StoreError
from autofi.metrics.ranking import delong, paired_logloss
from autofi.objectives.objectives import OBJECTIVES, pareto_front
from autofi.records.predictions import load_labels, load_predictions, load_weights, trial_key
from autofi.records.trees_alone import same_model, trees_alone
from autofi.store import ModelRole, StudyHandle, TrialRecord, TrialState

#: The most trials in the finals: the leaders by AUC and by logloss, and their equals.
FINALISTS = 4
#: Trainings whose times differ by less than this share of the shorter one, or by less than this many seconds, count as
#: equally fast: otherwise the load of the machine would decide, and no search would be repeatable.
SECONDS_SHARE, SECONDS_APART = 0.2, 1.0


@dataclass(frozen=True)
class Finals:
    """The trials that may win.

    Attributes:
        trials: The finalists by rising logloss, at most FINALISTS.
        equals: Numbers of all trials that cannot be distinguished from the leader by AUC or by logloss, including the
            leaders.
        unknown: Numbers of trials whose predictions are gone, so that they cannot be compared.
    """

    trials: tuple[TrialRecord, ...]
    equals: tuple[int, ...]
    unknown: tuple[int, ...] = ()


@dataclass(frozen=True)
class Finalist:
    """The metrics that a finalist was judged by.

    They are its mean validation logloss over the seeds of all finalists and, if it is among the `equal` ones, its bytes
    and the seconds of its trial.
    """

    trial: int
    logloss: float
    equal: bool
    table_bytes: int | None
    seconds: float | None


@dataclass(frozen=True)
class Decision:
    """The winner, and the evidence for it.

    Attributes:
        winner: Its trial.
        finalists: The finalists by rising mean logloss; one if no trial could be confused with it.
        seeds: Trainings each of them was judged by, including its trial.
        equals: Numbers of the trials that one training could not distinguish from the leaders.
        unknown: Numbers of the trials that could not be compared, because their predictions are gone.
        last: The highest number of the trials that were measured by then.
    """

    winner: int
    finalists: tuple[Finalist, ...]
    seeds: int
    equals: tuple[int, ...]
    unknown: tuple[int, ...]
    last: int

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, payload: Mapping[str, Any]) -> Self:
        """Return the decision that `to_json` wrote, also after a round trip through JSON."""
        return TypeAdapter(cls).validate_python(payload)


def complete_trials(handle: StudyHandle) -> list[TrialRecord]:
    """Return the finished trials of the search, in order."""
    return [
        trial for trial in handle.trials() if trial.state is TrialState.COMPLETE and trial.value is not None
    ]


def feasible_trials(handle: StudyHandle) -> list[TrialRecord]:
    """Return the finished trials that keep every limit, best first by the first objective, then by the next ones.

    Raises:
        StoreError: No trial is finished.
        LimitError: No trial keeps every limit; the message names the nearest miss.
    """
    trials = complete_trials(handle)
    if not trials:
        raise StoreError(
            f"Study '{handle.name}' has no finished trial yet; run autofi search again to resume it."
        )
    feasible = within_limits(handle)
    if not feasible:
        closest = nearest_miss(handle, trials)
        raise LimitError(
            f"None of the {len(trials)} architectures of study '{handle.name}' keeps every limit, as a winner must; "
            f"closest is trial {closest.number}, where {' and '.join(handle.goals.missed(closest.violations))}. "
            "Search longer (--trials), or with other limits as another --study."
        )
    return feasible


def within_limits(handle: StudyHandle) -> list[TrialRecord]:
    """Return what `feasible_trials` returns, or nothing where that raises."""
    feasible = [trial for trial in complete_trials(handle) if trial.feasible]
    return sorted(feasible, key=lambda trial: (*handle.goals.order(trial.values), trial.number))


def nearest_miss(handle: StudyHandle, trials: list[TrialRecord]) -> TrialRecord:
    """Return the trial with the smallest sum of relative excesses over its limits; ties go by the first objective."""
    bounds = {str(limit): limit.bound or 1.0 for limit in handle.goals.limits}

    def beyond(trial: TrialRecord) -> float:
        return sum(max(value, 0.0) / bounds[name] for name, value in trial.violations.items())

    return min(trials, key=lambda trial: (beyond(trial), *handle.goals.order(trial.values), trial.number))


def front_trials(handle: StudyHandle) -> list[TrialRecord]:
    """Return the Pareto front of the trials within the limits, best first by the first objective."""
    trials = feasible_trials(handle)
    names = handle.goals.names
    on_front = pareto_front(
        [[trial.values[name] for name in names] for trial in trials], handle.goals.directions
    )
    return [trial for trial, kept in zip(trials, on_front, strict=True) if kept]


def finals(handle: StudyHandle) -> Finals:
    """Return the trials that may win, of those within the limits; see `feasible_trials`.

    They are the leaders by AUC and by logloss and, as far as there is room, by rising logloss, the trials that one of
    the two does not beat by more than the standard error of the difference, paired by validation row: DeLong's error
    for the AUC, that of the mean for the logloss. The architecture of a trial makes no difference.
    Of trials that are one model, because boosted trees of the same settings predict alone, only the first is among
    them.

    If another objective than the AUC comes first, there are no equals, and the best trial by it wins.
    """
    feasible = feasible_trials(handle)
    same = same_model(feasible)
    ranked = [trial for trial in feasible if trial.number not in same]
    if handle.goals.objectives[0] != OBJECTIVES["auc"]:
        return Finals((ranked[0],), (ranked[0].number,))
    by_auc, by_logloss = ranked[0], min(ranked, key=logloss_order)
    equals, unknown = _equals(handle, ranked, by_auc, by_logloss)
    leaders = {trial.number: trial for trial in (by_auc, by_logloss)}
    others = sorted(
        (trial for trial in ranked if trial.number in equals and trial.number not in leaders),
        key=logloss_order,
    )
    chosen = [*leaders.values(), *others][:FINALISTS]
    return Finals(tuple(sorted(chosen, key=logloss_order)), tuple(sorted({*equals, *leaders})), unknown)


def finalists(handle: StudyHandle) -> list[TrialRecord]:
    """Return the trials that may win, at most FINALISTS, by rising logloss; see `finals`."""
    return list(finals(handle).trials)


def decide(handle: StudyHandle) -> Decision:
    """Return the winner by the lowest mean validation logloss of the finalists over the seeds that all of them have.

    A finalist is equal to the best if the difference of their means is at most its standard error over those seeds,
    paired by seed, and so is every one before it. Of equals, those with the fewest bytes are kept, of these those
    trained in the fewest seconds or hardly more (see `slower`), and of these the lowest mean wins. With one seed there
    is no such error, and only an identical logloss is a tie. Boosted trees that predict alone are not trained with
    further seeds: they are the same model with every seed.
    """
    found = finals(handle)
    # The trial's own logloss is under -1, that of a further seed under the seed.
    losses = {trial.number: {-1: _logloss(trial.valid)} for trial in found.trials}
    numbers = {trial.architecture_id: trial.number for trial in found.trials}
    for model in handle.models(ModelRole.FINALIST):
        if model.architecture_id in numbers:
            losses[numbers[model.architecture_id]][model.seed] = _logloss(model.metrics.get("valid"))
    alone = {trial.number for trial in found.trials if trees_alone(trial) is not None}
    trained = [set(own) for number, own in losses.items() if number not in alone]
    seeds = sorted(set.intersection(*trained)) if trained else [-1]
    judged = {
        number: [own[-1 if number in alone else seed] for seed in seeds] for number, own in losses.items()
    }
    order = sorted(found.trials, key=lambda trial: (statistics.fmean(judged[trial.number]), trial.number))
    equal = {order[0].number}
    for trial in order[1:]:
        if not _tied(judged[trial.number], judged[order[0].number]):
            break
        equal.add(trial.number)
    fewest = min(_bytes(trial) for trial in order if trial.number in equal)
    smallest = [trial for trial in order if trial.number in equal and _bytes(trial) == fewest]
    winner = next(
        trial for trial in smallest if not any(slower(trial.seconds, other.seconds) for other in smallest)
    )
    return Decision(
        winner=winner.number,
        finalists=tuple(
            Finalist(
                trial.number,
                statistics.fmean(judged[trial.number]),
                trial.number in equal,
                trial.table_bytes,
                trial.seconds,
            )
            for trial in order
        ),
        seeds=len(seeds),
        equals=found.equals,
        unknown=found.unknown,
        last=max(trial.number for trial in complete_trials(handle)),
    )


def best_trial(handle: StudyHandle) -> TrialRecord:
    """Return the winner by `decide`, where a trial that led only by the luck of its seed falls back."""
    return handle.trial(decide(handle).winner)


def _equals(
    handle: StudyHandle, ranked: Iterable[TrialRecord], by_auc: TrialRecord, by_logloss: TrialRecord
) -> tuple[set[int], tuple[int, ...]]:
    """Return the numbers of the trials that one leader does not beat, and of those without predictions."""
    labels, weights = load_labels(handle, "valid"), load_weights(handle, "valid")
    if labels is None:
        return set(), tuple(trial.number for trial in ranked)
    first, second = (
        load_predictions(handle, trial_key(leader.number)).get("valid") for leader in (by_auc, by_logloss)
    )
    equals, unknown = set(), []
    for trial in ranked:
        scores = load_predictions(handle, trial_key(trial.number)).get("valid")
        if scores is None:
            unknown.append(trial.number)
        elif (first is not None and delong(labels, first, scores).z <= 1.0) or (
            second is not None and paired_logloss(labels, scores, second, weights).z <= 1.0
        ):
            equals.add(trial.number)
    return equals, tuple(unknown)


def _tied(losses: list[float], best: list[float]) -> bool:
    """Return True if the mean difference from the best is at most its standard error over seeds."""
    if not all(map(math.isfinite, (*losses, *best))):
        return losses == best
    apart = [one - other for one, other in zip(losses, best, strict=True)]
    noise = statistics.stdev(apart) / math.sqrt(len(apart)) if len(apart) > 1 else 0.0
    return statistics.fmean(apart) <= noise


def slower(seconds: float | None, other: float | None) -> bool:
    """Return True if a training took longer than another by more than chance; an unknown time counts as longest."""
    if seconds is None or other is None:
        return seconds is None and other is not None
    return seconds - other > max(SECONDS_SHARE * other, SECONDS_APART)


def _bytes(trial: TrialRecord) -> float:
    """Return the bytes of tables; an unknown number counts as largest."""
    return math.inf if trial.table_bytes is None else float(trial.table_bytes)


def logloss_order(trial: TrialRecord) -> tuple[float, int]:
    """Return the key that sorts trials by rising validation logloss."""
    return _logloss(trial.valid), trial.number


def _logloss(figures: object) -> float:
    value = figures.get("logloss", math.inf) if isinstance(figures, dict) else math.inf
    return float(value)
