"""Drift is told where values change, and not where rows were drawn at random or are few."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pandas as pd
import pytest

from autofi.checks.drift import Drift, check_drift, measure_drift
from autofi.checks.run import check_data
from autofi.checks.sample import SampledRows
from autofi.checks.warning import DRIFT
from autofi.data.dataset import EncodedDataset
from autofi.data.schema_overrides import SchemaOverrides
from tests.checks.tables import opened

ROWS = 12_000


def by_day(rows: int = ROWS, *, moves: bool = True) -> EncodedDataset:
    """New users every day and a device that comes into use, if it `moves`; the last tenths are held out."""
    generator = np.random.default_rng(0)
    day = np.sort(generator.integers(0, 100, rows))
    user = generator.integers(0, 40, rows) + (day if moves else 0)
    device = generator.random(rows) < (day / 100 if moves else 0.4)
    frame = pd.DataFrame(
        {
            "user": [f"u{number}" for number in user],
            "device": np.where(device, "new", "old"),
            "place": [f"p{number}" for number in generator.integers(0, 50, rows)],
            "click": generator.integers(0, 2, rows),
            "part": np.select([day < 80, day < 90], ["train", "valid"], "test"),
        }
    )
    overrides = SchemaOverrides(split_column="part").model_dump(mode="json", exclude_defaults=True)
    return opened(frame, overrides=overrides)


def test_values_that_come_and_go_are_told_the_farthest_first() -> None:
    found = check_data(by_day()).warnings
    assert [warning.kind for warning in found] == [DRIFT, DRIFT]
    assert [warning.fields for warning in found] == [("user",), ("device",)]
    assert found[0].figures["part"] == "test"
    assert found[0].figures["unseen"] > 0.1 > found[0].figures["unseen_by_chance"]


@pytest.mark.parametrize("rows", [300, 1000, ROWS])
def test_rows_drawn_alike_are_not_told_however_few(rows: int) -> None:
    assert check_data(by_day(rows, moves=False)).warnings == ()


def test_chance_is_what_drawing_alike_comes_to() -> None:
    """Over many fields without drift the index less its chance is about zero, and spreads as it says."""
    generator = np.random.default_rng(0)
    frame = pd.DataFrame(
        {f"f{number}": generator.integers(0, 5 + number, 20_000).astype(str) for number in range(60)}
    ).assign(click=generator.integers(0, 2, 20_000))
    drifts = measure_drift(SampledRows.of(opened(frame), seed=0), seed=0)
    scores = np.array([(drift.index - drift.chance) / drift.deviation for drift in drifts])
    assert len(scores) == 120
    assert abs(scores.mean()) < 0.5
    assert 0.5 < scores.std() < 2.0
    assert not any(drift.sure for drift in drifts)


def test_the_index_is_that_of_shares_counted_one_by_one() -> None:
    dataset = by_day()
    sample = SampledRows.of(dataset, seed=0)
    (found,) = [d for d in measure_drift(sample, seed=3) if (d.field, d.part) == ("device", "test")]
    field = sample.names.index("device")
    order = np.random.default_rng(3).permutation(sample.train.shape[1])
    held_out = sample.train[field][order[: sample.test.shape[1]]]
    before, after = Counter(held_out.tolist()), Counter(sample.test[field].tolist())
    index = 0.0
    for value in {*before, *after}:
        share = (after[value] + 0.5) / (sum(after.values()) + 0.5 * 2)
        base = (before[value] + 0.5) / (sum(before.values()) + 0.5 * 2)
        index += (share - base) * np.log(share / base)
    assert found.index == pytest.approx(index, rel=1e-12)


def test_a_field_that_the_split_keeps_apart_is_not_told() -> None:
    drift = Drift("user", "test", index=5.0, chance=0.1, deviation=0.01, unseen=1.0, unseen_by_chance=0.0)
    assert [warning.fields for warning in check_drift([drift])] == [("user",)]
    assert check_drift([drift], ["user"]) == ()
