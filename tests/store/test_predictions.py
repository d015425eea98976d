"""Predictions of a trial reach whoever chooses the winner: by a file beside SQLite, through the database elsewhere."""

from __future__ import annotations

import shutil
from collections.abc import Callable

import numpy as np
import pytest

from autofi.records.predictions import (
    SHARED_ROWS,
    load_predictions,
    predictions_file,
    save_predictions,
    share_predictions,
)
from autofi.store import StudyHandle, StudyStore

SCORES = {"valid": np.random.default_rng(0).random(5_000)}


def test_another_machine_reads_what_a_worker_predicted(
    store: StudyStore, make_study: Callable[..., StudyHandle]
) -> None:
    study = make_study(store)
    save_predictions(study, "trial-0", SCORES)
    share_predictions(study, "trial-0", SCORES)
    np.testing.assert_array_equal(load_predictions(study, "trial-0")["valid"], SCORES["valid"])
    # Another machine has the database, and not the worker's files.
    shutil.rmtree(predictions_file(study, "trial-0").parent)
    found = load_predictions(study, "trial-0")
    if study.is_local:
        assert found == {}
    else:
        np.testing.assert_allclose(found["valid"], SCORES["valid"], rtol=1e-6)


def test_more_rows_than_a_database_should_hold_are_left_out(
    store: StudyStore, make_study: Callable[..., StudyHandle], monkeypatch: pytest.MonkeyPatch
) -> None:
    study = make_study(store)
    assert SHARED_ROWS > 100_000
    monkeypatch.setattr("autofi.records.predictions.SHARED_ROWS", 4_999)
    share_predictions(study, "trial-1", SCORES)
    assert load_predictions(study, "trial-1") == {}
