"""The content of a study, read once for all figures and pages."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from autofi.checks.run import DataChecks
from autofi.errors import SearchSpaceError
from autofi.evaluation.cost_breakdown import CostBreakdown
from autofi.importance.permutation_importance import PermutationImportance
from autofi.objectives.objectives import Goals
from autofi.plots.inherited_vs_scratch import TwiceScored
from autofi.rashomon.record import recorded_set
from autofi.rashomon.result import RashomonSet
from autofi.records.costs import load_costs
from autofi.records.data_checks import load_checks
from autofi.records.importances import load_importances
from autofi.records.predictions import load_labels, load_predictions, load_weights, model_key
from autofi.records.trees_alone import delivered
from autofi.records.trial_metrics import rank
from autofi.records.value_frequencies import Frequencies, load_frequencies
from autofi.space.architecture import Architecture
from autofi.space.renamed_keys import current_key
from autofi.store import ModelRecord, ModelRole, StudyHandle, StudyRecord, TrialRecord, TrialState
from autofi.store.stage_keys import FIELDS, GOAL, PROPOSAL
from autofi.supernet.exploration import Exploration

Floats = npt.NDArray[np.float64]
#: The most trials that count as the best ones; the choices of these are counted.
BEST = 20
PARTS = ("valid", "test")


@dataclass(frozen=True, eq=False)
class HeldOut:
    """Rows of one part that several models scored.

    Attributes:
        labels: The clicks, `[N]`.
        weights: The weights of the rows, `[N]`, or None.
        predictions: By model, its probabilities, `[N]`.
    """

    labels: Floats
    weights: Floats | None
    predictions: Mapping[str, Floats]


@dataclass(frozen=True, eq=False)
class Findings:
    """A snapshot of a study, running or finished.

    Attributes:
        summary: The result of `Study.summary()`.
        names: The fields in the order of the data.
        searching: True while a living process leads the search.
        asked: The number of trials that the search was asked for; None before it is known.
        plateau: The number of trials in a row without an improvement that ends the search; None for no such
            limit.
        won: The number of the trial that was retrained as the winner.
        proposal: The work before the first trial, as `Proposal.to_json` writes it; empty where there was none.
        held_out: By part, the predictions of the winner and of the best baseline.
        checks: The checks of the data; None in a study of an earlier version, which had none.
        costs: The costs of the winner, part by part; None before there is a winner.
        permutation: The permutation importance of the winner's fields and pairs; None before there is a winner,
            and in a study of an earlier version.
        rashomon: The interaction scores of all good models; None where they were not explored.
        frequencies: By part, how often the values of held-out rows occur in training rows.
    """

    record: StudyRecord
    summary: Mapping[str, Any]
    goals: Goals
    names: tuple[str, ...]
    trials: tuple[TrialRecord, ...]
    models: tuple[ModelRecord, ...]
    searching: bool
    asked: int | None
    won: int | None = None
    plateau: int | None = None
    proposal: Mapping[str, Any] = field(default_factory=dict)
    importances: Mapping[str, float] = field(default_factory=dict)
    held_out: Mapping[str, HeldOut] = field(default_factory=dict)
    checks: DataChecks | None = None
    costs: CostBreakdown | None = None
    permutation: PermutationImportance | None = None
    rashomon: RashomonSet | None = None
    frequencies: Mapping[str, Frequencies] = field(default_factory=dict)

    @property
    def frequencies_part(self) -> str | None:
        """The part whose gains are shown by frequency: test rows, or validation rows before those are scored."""
        found = [part for part in self.held_out if part in self.frequencies]
        return found[-1] if found else None

    @cached_property
    def complete(self) -> tuple[TrialRecord, ...]:
        """The trials that were measured."""
        return tuple(
            trial for trial in self.trials if trial.state is TrialState.COMPLETE and trial.value is not None
        )

    @cached_property
    def ranked(self) -> tuple[TrialRecord, ...]:
        """The measured trials, best first; trials within the limits come before all others."""
        return tuple(rank(self.complete, self.goals.directions[0]))

    @property
    def best(self) -> tuple[TrialRecord, ...]:
        """The better half of the trials, at most BEST."""
        return self.ranked[: min(BEST, (len(self.ranked) + 1) // 2)]

    @cached_property
    def leader(self) -> TrialRecord | None:
        """The trial that won, or the one that leads so far."""
        best = (self.summary.get("best") or {}).get("trial")
        numbers = [number for number in (self.won, best) if number is not None]
        found = {trial.number: trial for trial in self.complete}
        return next((found[number] for number in numbers if number in found), next(iter(self.ranked), None))

    @cached_property
    def architecture(self) -> Architecture | None:
        """The architecture that the leader delivers; None before there is a leader, or where it cannot be read."""
        if self.leader is None or read_architecture(self.leader) is None:
            return None
        return delivered(self.leader)

    @cached_property
    def exploration(self) -> Exploration:
        """The architectures that were scored by inherited weights."""
        kept = self.proposal.get("exploration")
        return Exploration.from_json(kept) if kept else Exploration()

    @cached_property
    def twice_scored(self) -> tuple[TwiceScored, ...]:
        """The trials whose fields, pairs and interaction streams were scored by inherited weights, too."""
        exploration = self.exploration
        inherited = {
            _choices(
                exploration.fields(one), exploration.pairs(one), exploration.streams_of(one)
            ): one.guide_logloss
            for one in (*exploration.scored, *exploration.variants)
        }
        if not inherited:
            return ()
        found = []
        for trial in self.complete:
            architecture, logloss = read_architecture(trial), (trial.valid or {}).get("logloss")
            if architecture is None or logloss is None:
                continue
            streams = architecture.streams if exploration.streams else None
            key = _choices(architecture.fields, architecture.pairs, streams)
            if key in inherited:
                described = str(trial.attrs.get("describe", trial.architecture_id))
                found.append(TwiceScored(trial.number, inherited[key], logloss, described))
        return tuple(found)


def read_findings(handle: StudyHandle, summary: Mapping[str, Any]) -> Findings:
    """Read a study without writing anything and without reading its data."""
    trials, models = handle.trials(), handle.models()
    goal = handle.stage(GOAL) or {}
    names = (handle.stage(FIELDS) or {}).get("names") or ()
    return Findings(
        record=handle.record,
        summary=summary,
        goals=handle.goals,
        names=tuple(names),
        trials=trials,
        models=models,
        searching=handle.is_led(),
        asked=goal.get("trials"),
        plateau=goal.get("plateau"),
        won=(handle.stage("winner") or {}).get("trial"),
        proposal=handle.stage(PROPOSAL) or {},
        importances=_importances(handle, trials),
        held_out=_held_out(handle, models, summary),
        checks=load_checks(handle),
        costs=_costs(handle, models),
        permutation=_permutation(handle, models),
        rashomon=recorded_set(handle),
        frequencies={part: found for part in PARTS if (found := load_frequencies(handle, part)) is not None},
    )


def read_architecture(trial: TrialRecord) -> Architecture | None:
    """Return the architecture of a trial; None where this version lacks one of its operators."""
    try:
        return Architecture.from_json(trial.architecture)
    except SearchSpaceError:
        return None


def _choices(
    fields: Mapping[str, Sequence[str]],
    pairs: Mapping[tuple[str, str], Sequence[str]],
    streams: Mapping[str, Mapping[str, Any]] | None,
) -> object:
    """Return a key that is equal for equal choices, whatever their order."""
    whole = Architecture(
        fields={name: tuple(forms) for name, forms in fields.items()},
        pairs={pair: tuple(forms) for pair, forms in pairs.items()},
        streams=streams or {},
    )
    return whole.id


def _importances(handle: StudyHandle, trials: Sequence[TrialRecord]) -> dict[str, float]:
    """Return the importance of each parameter by PED-ANOVA, which is fast for any number of trials.

    The result is empty where too few parameters or values differ.
    """
    measured = [trial for trial in trials if trial.state is TrialState.COMPLETE and trial.value is not None]
    # Those before the proposal have no parameters.
    done = [trial for trial in measured if trial.params]
    if len(done) < 4 or len({trial.value for trial in done}) < 2:
        return {}
    names = set.intersection(*(set(trial.params) for trial in done))
    varied = sorted(name for name in names if len({str(trial.params[name]) for trial in done}) > 1)
    if not varied:
        return {}
    from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances

    objective = handle.goals.objectives[0]
    # With several objectives Optuna needs one of them as the target; it takes low values for good ones.
    target = (lambda trial: objective.loss(trial.values[0])) if handle.goals.several else None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = get_param_importances(
            handle.optuna_study, evaluator=PedAnovaImportanceEvaluator(), params=varied, target=target
        )
    return {current_key(name): float(share) for name, share in found.items() if share == share}


def _winners(handle: StudyHandle, models: Sequence[ModelRecord]) -> list[ModelRecord]:
    """Return one model per seed of the winner that was recorded last."""
    won = (handle.stage("winner") or {}).get("architecture_id")
    return [model for model in models if model.role is ModelRole.WINNER and model.architecture_id == won]


def _winner(handle: StudyHandle, models: Sequence[ModelRecord]) -> ModelRecord | None:
    return next(iter(_winners(handle, models)), None)


def _permutation(handle: StudyHandle, models: Sequence[ModelRecord]) -> PermutationImportance | None:
    """Return the importances of the first seed that has any."""
    kept = (load_importances(handle, model) for model in _winners(handle, models))
    return next((found for found in kept if found is not None), None)


def _costs(handle: StudyHandle, models: Sequence[ModelRecord]) -> CostBreakdown | None:
    winner = _winner(handle, models)
    return None if winner is None else load_costs(handle, winner)


def _held_out(
    handle: StudyHandle, models: Sequence[ModelRecord], summary: Mapping[str, Any]
) -> dict[str, HeldOut]:
    """Return the predictions of the winner's first seed and of the first seed of the baseline it is compared with."""
    wanted: dict[str, ModelRecord] = {}
    rival = (summary.get("comparison") or {}).get("baseline")
    winner = _winner(handle, models)
    if winner is not None:
        wanted["winner"] = winner
    theirs = [model for model in models if model.role is ModelRole.BASELINE and model.name == rival]
    wanted |= {model.name: model for model in theirs[:1]}
    kept = {name: load_predictions(handle, model_key(model)) for name, model in wanted.items()}
    found = {}
    for part in PARTS:
        labels = load_labels(handle, part)
        scored = {name: parts[part] for name, parts in kept.items() if part in parts}
        if labels is not None and scored and all(len(scores) == len(labels) for scores in scored.values()):
            found[part] = HeldOut(labels, load_weights(handle, part), scored)
    return found
