"""Networks of trials and finals that are kept until the winner is retrained, so that none of them is trained twice."""

from __future__ import annotations

import shutil
from pathlib import Path

from autofi.core.progress import Progress
from autofi.evaluation.trained_weights import write_weights
from autofi.evaluation.workbench import Measurement, TrainedModel
from autofi.records.best_trial import FINALISTS, complete_trials, logloss_order
from autofi.store import StudyHandle, TrialRecord

#: The folder among the files of a study.
FOLDER = "networks"
#: The trials of the lowest logloss whose networks are kept: those that may be finalists, or members of an ensemble.
KEPT = 2 * FINALISTS


def keep_network(handle: StudyHandle, measured: Measurement, progress: Progress) -> None:
    """Keep the network of a training, unless it was cut early; where the file system refuses there is a note."""
    if not isinstance(measured, TrainedModel):
        return
    if measured.report.whole(measured.architecture.training):
        path = _file(handle, measured.architecture.id, measured.seed)
        try:
            write_weights(path, measured.network, measured.report)
        except OSError as error:
            progress.note(f"A trained network is not kept, so that it may be trained again: {error}")


def keep_leader(handle: StudyHandle, measured: Measurement, progress: Progress) -> None:
    """Keep the network of a complete trial that may become a finalist or a member; drop those that no longer may."""
    trials = complete_trials(handle)
    leading = {(trial.architecture_id, trial.seed) for trial in _leading(handle, trials)}
    if (measured.architecture.id, measured.seed) in leading:
        keep_network(handle, measured, progress)
    # A trial that another worker has completed meanwhile is not among these.
    for trial in trials:
        if (trial.architecture_id, trial.seed) not in leading:
            _file(handle, trial.architecture_id, trial.seed).unlink(missing_ok=True)


def kept_network(handle: StudyHandle, architecture_id: str, seed: int) -> Path | None:
    """Return the file of a kept network, for `read_weights`; None if there is none."""
    path = _file(handle, architecture_id, seed)
    return path if path.exists() else None


def drop_networks(handle: StudyHandle) -> None:
    """Delete all kept networks, when the winner is retrained."""
    shutil.rmtree(handle.artifacts / FOLDER, ignore_errors=True)


def _leading(handle: StudyHandle, trials: list[TrialRecord]) -> list[TrialRecord]:
    """Return the best trial by the objectives and the KEPT of the lowest logloss, all within the limits.

    The finalists are among them, or nearly always so: see `autofi.records.best_trial.finals`, which also reads
    predictions.
    """
    feasible = [trial for trial in trials if trial.feasible]
    first = min(feasible, key=lambda trial: (*handle.goals.order(trial.values), trial.number), default=None)
    if first is None:
        return []
    return [first, *sorted(feasible, key=logloss_order)[:KEPT]]


def _file(handle: StudyHandle, architecture_id: str, seed: int) -> Path:
    return handle.artifacts / FOLDER / f"{architecture_id}-{seed}.safetensors"
