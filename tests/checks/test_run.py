"""What is found does not depend on labels of test rows, survives JSON, and comes from no more rows than it says."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest

from autofi.checks import sample as sampling
from autofi.checks.run import DataChecks, check_data
from autofi.core.json import to_text
from tests.checks.tables import opened, used_apps

DATASET = opened(used_apps(9000, sampled=True))


def without_seconds(checks: DataChecks) -> DataChecks:
    return dataclasses.replace(checks, seconds=0.0)


def test_labels_of_test_rows_are_not_read() -> None:
    labels = np.array(DATASET.labels)
    labels[DATASET.parts["test"]] = np.nan
    other = dataclasses.replace(DATASET, labels=labels)
    assert without_seconds(check_data(other)) == without_seconds(check_data(DATASET))


def test_it_is_kept_as_json() -> None:
    checks = check_data(DATASET)
    assert checks.warnings and checks.drifts
    assert DataChecks.from_json(json.loads(to_text(checks.to_json()))) == checks


def test_a_large_table_is_sampled(monkeypatch: pytest.MonkeyPatch) -> None:
    assert check_data(DATASET).rows_read == {part: s.stop - s.start for part, s in DATASET.parts.items()}
    monkeypatch.setattr(sampling, "MOST_ROWS", {"train": 3000, "valid": 400, "test": 100})
    found = check_data(DATASET, seed=1)
    assert found.rows_read == {"train": 3000, "valid": 400, "test": 100}
    assert found.summary.parts["train"].rows == DATASET.parts["train"].stop
    monkeypatch.setattr(sampling, "MOST_CODES", 3500 * 4 // 10)
    assert check_data(DATASET).rows_read == {"train": 300, "valid": 40, "test": 10}


def test_a_table_without_test_rows_is_checked() -> None:
    parts = dict(DATASET.parts)
    parts["valid"] = slice(parts["valid"].start, parts["test"].stop)
    parts["test"] = slice(parts["test"].stop, parts["test"].stop)
    found = check_data(dataclasses.replace(DATASET, parts=parts))
    assert {drift.part for drift in found.drifts} == {"valid"}
    assert all(field.unseen_test is None for field in found.summary.fields)


def test_validation_rows_of_one_class_tell_nothing_of_classes() -> None:
    labels = np.array(DATASET.labels)
    labels[DATASET.parts["valid"]] = 0
    assert check_data(dataclasses.replace(DATASET, labels=labels)).warnings == ()
