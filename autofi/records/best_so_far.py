"""The bundle of a search's best trial so far, which can be exported before there is a winner.

The best trial is the first by the objectives within the limits, as in the leaderboard. Each bundle has a folder of its
own, so that workers that end at the same time do not replace a better one; the folders of worse trials are deleted.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from autofi.bundle.bundle import write_bundle
from autofi.bundle.count_training_profile import profile_training
from autofi.bundle.manifest import read_manifest
from autofi.bundle.training_profile import TrainingProfile, read_training_profile
from autofi.core.atomic_folder import delete_folder
from autofi.core.progress import Progress
from autofi.errors import ExportError
from autofi.evaluation.part_metrics import part_metrics
from autofi.evaluation.workbench import Measurement, TrainedModel, Workbench
from autofi.records.best_trial import within_limits
from autofi.records.bundle_origin import origin
from autofi.records.predictions import trial_key
from autofi.records.winner import crowned
from autofi.store import StudyHandle, TrialRecord

#: The folder among the files of a study.
FOLDER = "best_so_far"


@dataclass(frozen=True)
class BestSoFar:
    """The bundle of the best trial so far.

    Attributes:
        folder: The bundle.
        trial: The trial.
        architecture_id: Its architecture.
        trials: The trials that are measured and keep the limits.
        by: The objective that the trials are ordered by, such as "validation AUC".
        running: True while a process leads the search, False after it was interrupted.
    """

    folder: Path
    trial: int
    architecture_id: str
    trials: int
    by: str
    running: bool

    def told(self) -> dict[str, Any]:
        """Return the entries for summaries and bundles."""
        return {"trial": self.trial, "trials": self.trials, "by": self.by, "running": self.running}


def keep_best_so_far(
    handle: StudyHandle, bench: Workbench, number: int, measured: Measurement, progress: Progress
) -> None:
    """Write the bundle of a complete trial if it is the best so far, and delete those of worse trials.

    Nothing is written once there is a winner. Test rows are not read. Where the bundle cannot be written there is a
    note.
    """
    ranked = within_limits(handle)
    if not isinstance(measured, TrainedModel) or not ranked or ranked[0].number != number:
        return
    if crowned(handle) is not None:
        return
    found = BestSoFar(
        handle.artifacts / FOLDER / trial_key(number),
        number,
        measured.architecture.id,
        len(ranked),
        _by(handle),
        running=True,
    )
    try:
        write_bundle(
            found.folder,
            architecture=measured.delivered,
            builder=measured.builder,
            network=measured.network,
            metrics=part_metrics(bench, measured.predictions),
            origin=origin(handle, bench, measured.seed, refit=False, tested=False)
            | {"best_so_far": found.told()},
            profile=_profile(handle, bench),
            # The export loads it, and a training waits here.
            check=False,
        )
    except ExportError as error:
        progress.note(f"Trial {number} is the best so far, but cannot be exported yet: {error}")
        return
    for _, folder in _bundles(handle, within_limits(handle))[1:]:
        delete_folder(folder)


def best_so_far(handle: StudyHandle) -> BestSoFar | None:
    """Return the bundle of the best trial that has one on this machine; None if there is none, or a winner."""
    if not (handle.artifacts / FOLDER).is_dir() or crowned(handle) is not None:
        return None
    ranked = within_limits(handle)
    for trial, folder in _bundles(handle, ranked)[:1]:
        return BestSoFar(
            folder, trial.number, trial.architecture_id, len(ranked), _by(handle), running=handle.is_led()
        )
    return None


def drop_best_so_far(handle: StudyHandle) -> None:
    """Delete all bundles of trials, when the winner is retrained."""
    shutil.rmtree(handle.artifacts / FOLDER, ignore_errors=True)


def _by(handle: StudyHandle) -> str:
    return handle.goals.objectives[0].of_validation


def _bundles(handle: StudyHandle, ranked: list[TrialRecord]) -> list[tuple[TrialRecord, Path]]:
    """Return the trials that have a bundle on this machine, best first, with its folder."""
    folders = ((trial, handle.artifacts / FOLDER / trial_key(trial.number)) for trial in ranked)
    return [(trial, folder) for trial, folder in folders if folder.is_dir()]


def _profile(handle: StudyHandle, bench: Workbench) -> TrainingProfile:
    """Return the training profile, read from an earlier bundle where there is one: it is the same for all trials."""
    for _, folder in _bundles(handle, within_limits(handle)):
        try:
            kept = read_training_profile(folder, read_manifest(folder))
        except ExportError:
            # Another worker has replaced the bundle meanwhile.
            continue
        if kept is not None:
            return kept
    return profile_training(bench.dataset)
