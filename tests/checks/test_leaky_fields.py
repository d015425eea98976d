"""A field that is the target, or knows it, is told; one that predicts it well is not."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from autofi.checks.run import check_data
from autofi.checks.warning import DETERMINES, STRONG, DataWarning
from autofi.metrics.ranking import auc
from tests.checks.tables import opened

ROWS = 6000


def frame(**columns: object) -> pd.DataFrame:
    generator = np.random.default_rng(0)
    place = generator.integers(0, 30, ROWS)
    click = generator.random(ROWS) < 1 / (1 + np.exp(-generator.normal(size=30)[place]))
    found = pd.DataFrame({"place": [f"p{number}" for number in place], "click": click.astype(int)})
    return found.assign(**columns)  # type: ignore[arg-type]


CLICK = frame()["click"].to_numpy()
NOISE = np.random.default_rng(1)


def warnings_of(table: pd.DataFrame) -> tuple[DataWarning, ...]:
    return check_data(opened(table)).warnings


def test_an_honest_table_has_no_warnings() -> None:
    assert warnings_of(frame(id=[f"id{number}" for number in range(ROWS)])) == ()


@pytest.mark.parametrize("opposite", [False, True])
def test_the_target_under_another_name_is_told(opposite: bool) -> None:
    copy = np.where(int(not opposite) == CLICK, "yes", "no")
    (found,) = warnings_of(frame(bought=copy))
    assert (found.kind, found.fields, found.figures["is_target"]) == (DETERMINES, ("bought",), True)
    assert found.sentence.startswith("'bought' is the target under another name")


def test_a_field_whose_values_each_have_one_class_determines_it() -> None:
    codes = NOISE.integers(0, 20, ROWS) * 2 + CLICK
    (found,) = warnings_of(frame(session=[f"s{code}" for code in codes]))
    assert (found.kind, found.fields, found.figures["values"]) == (DETERMINES, ("session",), 40)
    assert not found.figures["is_target"]


def test_a_number_that_knows_it_has_an_auc_of_its_own() -> None:
    seconds = np.where(CLICK, NOISE.normal(3, 1, ROWS), NOISE.normal(0, 1, ROWS))
    table = frame(seconds=seconds)
    (found,) = warnings_of(table)
    assert (found.kind, found.fields) == (STRONG, ("seconds",))
    dataset = opened(table)
    field = dataset.encoder.schema.names.index("seconds")
    train, valid = dataset.rows("train"), dataset.rows("valid")
    assert train.labels is not None and valid.labels is not None
    prior = train.labels.mean()
    scores = []
    for code in valid.ids[:, field]:
        seen = train.labels[train.ids[:, field] == code]
        scores.append((seen.sum() + 10 * prior) / (len(seen) + 10))
    assert found.figures["auc"] == pytest.approx(auc(valid.labels, scores), abs=1e-12)


def test_pairs_with_a_field_that_was_told_are_not_told_again() -> None:
    codes = np.where(NOISE.random(ROWS) < 0.01, 1 - CLICK, CLICK)
    found = warnings_of(frame(flag=[f"f{code}" for code in codes]))
    assert [warning.fields for warning in found] == [("flag",)]
    assert found[0].kind == STRONG


def test_too_few_rows_are_no_evidence() -> None:
    assert warnings_of(frame(bought=CLICK.astype(str)).head(120)) == ()
