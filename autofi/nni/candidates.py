"""Candidates that a tuner of NNI proposes, after the starts of the space."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from optuna.distributions import BaseDistribution

from autofi.core.progress import Progress
from autofi.nni.experiment import Experiment, Order, Proposed
from autofi.nni.search_space_document import from_nni, to_document
from autofi.nni.tuners import Tuner
from autofi.records.trial_metrics import last_rung
from autofi.samplers.base import ObservedTrial
from autofi.space.architecture import Architecture
from autofi.store import StudyHandle, TrialRecord, TrialState
from autofi.store.stage_keys import STAGE
from autofi.strategies.candidates import DRAWS, Candidates


@dataclass(frozen=True)
class Tuning:
    """A tuner of NNI that proposes, and the interpreter that has it."""

    tuner: Tuner
    python: Path

    def around(
        self, candidates: Candidates, handle: StudyHandle, *, seed: int, jobs: int, progress: Progress
    ) -> TunedCandidates:
        """Return the candidates of a study, proposed by the tuner, with `jobs` trained at once."""
        return TunedCandidates(self, candidates, handle, seed=seed, jobs=jobs, progress=progress)


class TunedCandidates:
    """`Candidates` for a search, with proposals by NNI.

    The experiment begins when the starts of the space have been taken, and ends with this context. Its tuner gets
    everything measured so far, if it supports that; its first proposals, one for each training at once, are made
    before. An architecture that was measured before is answered from the record.
    """

    def __init__(
        self,
        tuning: Tuning,
        candidates: Candidates,
        handle: StudyHandle,
        *,
        seed: int,
        jobs: int,
        progress: Progress,
    ) -> None:
        self._tuning, self._candidates, self._handle = tuning, candidates, handle
        self._seed, self._progress = seed, progress
        self._at_once = min(jobs, tuning.tuner.at_once or jobs)
        self._open = ExitStack()
        self._experiment: Experiment | None = None
        #: Proposals that wait for an architecture's measurement, by its id.
        self._waiting: dict[str, list[Proposed]] = {}

    @property
    def distributions(self) -> Mapping[str, BaseDistribution]:
        return self._candidates.distributions

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._open:
            if error is None:
                self._settle()
                if self._experiment is None and self.distributions:
                    self._progress.note(
                        "No experiment of NNI was needed: the first trials are the starts of the space; its tuner "
                        "proposes from there with more --trials."
                    )

    def parameters_of(self, architecture_id: str) -> dict[str, Any] | None:
        """Return the start that makes an architecture; None if no start does."""
        return self._candidates.parameters_of(architecture_id)

    def named(self, start: Mapping[str, Any]) -> dict[str, Any] | None:
        """Return the point of a start by the names of its variants."""
        return self._candidates.named(start)

    def suggest_batch(
        self, known: Sequence[ObservedTrial], seen: set[str], *, most: int, starts: int, seed: int
    ) -> list[tuple[dict[str, Any], Architecture]]:
        """Return at most `most` different candidates to train at once; none if all are measured.

        It waits for the tuner.

        Raises:
            EngineError: The tuner died.
        """
        self._settle()
        found: list[tuple[dict[str, Any], Architecture]] = []
        while (
            len(found) < starts
            and (start := self._candidates.next_initial(seen | _ids(found), known)) is not None
        ):
            found.append(start)
        if found or not self.distributions:
            return found
        experiment = self._experiment or self._begin(known)
        repeats = 0
        while len(found) < min(most, self._at_once) and repeats < DRAWS:
            proposed = experiment.next()
            if proposed is None:
                break
            parameters = from_nni(proposed.parameters, self.distributions)
            architecture = self._candidates.architecture(parameters)
            self._waiting.setdefault(architecture.id, []).append(proposed)
            if architecture.id in seen | _ids(found):
                repeats += 1
                self._settle()
            else:
                found.append((parameters, architecture))
        return found

    def _begin(self, known: Sequence[ObservedTrial]) -> Experiment:
        tuner, goals = self._tuning.tuner, self._handle.goals
        self._progress.note(f"NNI's tuner {tuner.name} takes over")
        order = Order(
            name=self._handle.name,
            folder=self._handle.artifacts.absolute() / "nni",
            space=to_document(self.distributions),
            tuner=tuner.name,
            arguments=tuner.arguments(goals.directions[0], self._seed + len(known)),
            at_once=self._at_once,
            known=[(trial.parameters, trial.values[0]) for trial in known] if tuner.learns else [],
        )
        self._experiment = self._open.enter_context(Experiment(self._tuning.python, order))
        unheard = "" if tuner.learns or not known else f"; {tuner.name} learns nothing from earlier trials"
        self._progress.note(f"NNI experiment {self._experiment.id}: {self._experiment.url}{unheard}")
        return self._experiment

    def _settle(self) -> None:
        """Answer the proposals whose architecture has been measured, or has failed, in any process."""
        if not self._waiting:
            return
        ended = {trial.architecture_id: trial for trial in self._handle.trials() if _is_over(trial)}
        for key in [key for key in self._waiting if key in ended]:
            for proposed in self._waiting.pop(key):
                trial = ended[key]
                if trial.state is TrialState.FAIL:
                    proposed.refuse(f"trial {trial.number} failed")
                else:
                    # A trial that was stopped has its result on its last rung.
                    proposed.answer(last_rung(trial)[0] if trial.value is None else trial.value)


def _is_over(trial: TrialRecord) -> bool:
    return trial.stage == STAGE and trial.state in (
        TrialState.COMPLETE,
        TrialState.PRUNED,
        TrialState.FAIL,
    )


def _ids(found: Sequence[tuple[dict[str, Any], Architecture]]) -> set[str]:
    return {architecture.id for _, architecture in found}
