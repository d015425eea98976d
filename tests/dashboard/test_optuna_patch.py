"""Sorted by trial, a study's attributes give optuna-dashboard the same page."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import optuna
import pytest

from autofi.dashboard.optuna_patch import ByTrial, read_attributes_once

optuna_dashboard = pytest.importorskip("optuna_dashboard")


def test_attributes_are_found_by_trial() -> None:
    attributes = {
        "dashboard:note_ver": 1,
        "dashboard:note_str:0": "of the study",
        "dashboard:1:note_ver": 1,
        "dashboard:1:note_str:0": "of trial 1",
        "dashboard:12:note_str:0": "of trial 12",
        "dashboard:artifacts:1:ab-12": "null",
        "dashboard:plot_data:1:0": "{}",
        "artifacts:ab-13": "null",
        "constraints": [],
    }
    found = ByTrial(attributes)
    for trial_id in (0, 1, 2, 12):
        slow = {
            key: value
            for key, value in attributes.items()
            if key.startswith((f"dashboard:{trial_id}:", f"dashboard:artifacts:{trial_id}:"))
        }
        assert found.of(trial_id) == slow


def test_the_page_of_a_study_is_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from optuna_dashboard import _serializer

    storage = optuna.storages.RDBStorage(f"sqlite:///{tmp_path / 'a.db'}")
    study = optuna.create_study(storage=storage, study_name="notes")
    for number in range(12):
        trial = study.ask()
        optuna_dashboard.save_note(trial, f"note of {number} " * (number * 40))
        trial_id, artifact = trial._trial_id, {"artifact_id": f"{number}", "filename": "a", "mimetype": "b"}
        storage.set_study_system_attr(
            study._study_id, f"dashboard:artifacts:{trial_id}:{number}", json.dumps(artifact)
        )
        study.tell(trial, number)
    optuna_dashboard.save_note(study, "of the study")
    attributes = storage.get_study_system_attrs(study._study_id)

    def page() -> list[Any]:
        serialize = _serializer.serialize_frozen_trial
        return [serialize(study._study_id, trial, attributes) for trial in study.get_trials()]

    read_attributes_once.cache_clear()
    monkeypatch.setattr(_serializer, "serialize_frozen_trial", _original(_serializer))
    before = page()
    assert before[3]["note"]["body"].startswith("note of 3") and before[3]["artifacts"]
    read_attributes_once()
    assert _serializer.serialize_frozen_trial.__name__ == "serialize_of"
    assert page() == before
    storage.remove_session()
    storage.engine.dispose()


def _original(module: Any) -> Any:
    """The function as the package wrote it, whatever an earlier test has put in its place."""
    found = module.serialize_frozen_trial
    while found.__module__ != module.__name__:
        (found,) = (cell.cell_contents for cell in found.__closure__ if callable(cell.cell_contents))
    return found
