"""AutoFI's additions to optuna-dashboard: a note and files per trial, the map of pairs and a table per study."""

from __future__ import annotations

import json

from autofi.bundle.manifest import MANIFEST
from autofi.errors import SearchSpaceError
from autofi.plots.interaction_map import plot_interaction_map
from autofi.plots.trial_table import plot_trial_table
from autofi.records.predictions import predictions_file, trial_key
from autofi.records.trees_alone import delivered
from autofi.records.trial_metrics import rank
from autofi.report.trial_note import trial_note
from autofi.space.architecture import Architecture
from autofi.store import ModelRole, StudyHandle, TrialState
from autofi.store.stage_keys import FIELDS

MAP = "interaction-map"
TABLE = "trials"
#: A running search draws its figures after each of the first trials, then once in so many.
DRAW_EVERY = 10


def attach_files(handle: StudyHandle, number: int, architecture: Architecture) -> None:
    """Attach the predictions and the architecture to a running trial; Optuna accepts nothing once it has ended."""
    shown = handle.shown
    shown.attach(json.dumps(architecture.to_json(), indent=2), name="architecture.json", trial=number)
    predictions = predictions_file(handle, trial_key(number))
    if predictions.exists():
        shown.attach(predictions, name="predictions.npz", trial=number)


def note_trial(handle: StudyHandle, number: int) -> None:
    """Add the note of a trial that has ended; takes a few milliseconds for any number of trials."""
    handle.shown.add_notes({number: trial_note(handle.trial(number))})


def is_drawn_after(trials: int) -> bool:
    """Return True where a running search draws its figures after so many trials: 0.1 s, with 2,000 trials 0.2 s."""
    return trials <= DRAW_EVERY or trials % DRAW_EVERY == 0


def draw_study(handle: StudyHandle) -> None:
    """Draw the map of the winner, or else of the leading feasible trial, and the table of trials."""
    study = handle.optuna_study
    direction = handle.goals.directions[0]
    trials = handle.trials()
    ranked = rank(trials, direction)
    if not ranked:
        return
    drawn = plot_trial_table(trials, objective=(study.metric_names or ["value"])[0], direction=direction)
    handle.shown.save_figure(TABLE, drawn.to_json())
    winner = (handle.stage("winner") or {}).get("trial")
    best = next((trial for trial in ranked if trial.number == winner), ranked[0])
    names = (handle.stage(FIELDS) or {}).get("names")
    try:
        architecture = delivered(best)
    except SearchSpaceError:
        # The trial is of a version with other operators.
        return
    title = f"Pairs of trial {best.number}" + (", the winner" if best.number == winner else "")
    mapped = plot_interaction_map(names or list(architecture.fields), architecture, title=title)
    handle.shown.save_figure(MAP, mapped.to_json())


def show_winner(handle: StudyHandle) -> None:
    """Draw the study's figures once more and list the manifests of the winner's bundles."""
    draw_study(handle)
    won = handle.stage("winner") or {}
    for model in handle.models(ModelRole.WINNER):
        if model.path is not None and model.architecture_id == won.get("architecture_id"):
            manifest = model.path / MANIFEST
            if manifest.exists():
                handle.shown.attach(manifest, name=f"{model.path.name}-{MANIFEST}")


def complete(handle: StudyHandle) -> None:
    """Add the missing notes of ended trials, and the missing figures of a study."""
    ended = [
        trial for trial in handle.trials() if trial.state not in (TrialState.RUNNING, TrialState.WAITING)
    ]
    noted = handle.shown.noted()
    missing = {trial.number: trial_note(trial) for trial in ended if trial.number not in noted}
    handle.shown.add_notes(missing)
    if missing or not handle.shown.has_figure(TABLE):
        draw_study(handle)
