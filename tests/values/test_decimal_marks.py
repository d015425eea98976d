"""Numbers in texts with decimal commas or groups of thousands are those of the other files of the same table."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from autofi.data.schema import Schema
from autofi.data.schema_inference import InferredSchema, infer_schema
from autofi.readers import open_table
from autofi.values.arrow_values import as_numbers, canonical_strings

ROWS = 200
DRAW = np.random.default_rng(1)


def inferred(**columns: object) -> InferredSchema:
    table = pa.table(
        {name: pa.array(values) for name, values in columns.items()} | {"click": [0, 1] * (ROWS // 2)}
    )
    return infer_schema(open_table(table))


def test_a_model_of_decimal_commas_reads_the_points_of_other_files(tmp_path: Path) -> None:
    """Three digits behind a point are no group of thousands where training had none."""
    frame = pd.DataFrame({"x": DRAW.integers(1, 99_999, ROWS) / 1000, "click": [0, 1] * (ROWS // 2)})
    frame.to_csv(tmp_path / "commas.csv", sep=";", decimal=",", index=False)
    frame.to_csv(tmp_path / "points.csv", index=False)
    schema = Schema.from_json(infer_schema(open_table(tmp_path / "commas.csv")).schema.to_json())
    for name in ("commas.csv", "points.csv"):
        (batch,) = open_table(tmp_path / name).batches(["x"])
        np.testing.assert_array_equal(as_numbers(batch.column(0), schema.field("x").reading), frame["x"])


def test_groups_of_thousands_stay_groups_where_training_had_them() -> None:
    reading = inferred(x=["1.234", "1,5", "950"] + ["7"] * (ROWS - 3)).schema.field("x").reading
    assert as_numbers(pa.array(["1.234", "12.345,5", "1.234.567", "12.5"]), reading).tolist() == [
        1234,
        12345.5,
        1234567,
        12.5,
    ]


def test_whole_numbers_with_points_are_alike_as_texts_and_numbers() -> None:
    reading = inferred(x=["7,0", "8,00", "9"] * (ROWS // 3) + ["7", "7"]).schema.field("x").reading
    assert canonical_strings(pa.array(["7.000", "7", "7,0"]), reading).to_pylist() == ["7", "7", "7"]


def test_a_group_of_thousands_does_not_begin_with_a_zero() -> None:
    reading = inferred(x=["0,125", "1,250"] * (ROWS // 2)).schema.field("x").reading
    assert as_numbers(pa.array(["0,125", "1,250"]), reading).tolist() == [0.125, 1.25]


@pytest.mark.parametrize(
    ("price", "amount", "told"),
    [("1,5", "1.234", True), ("1.5", "1.234", False), ("1,5", "12.5", False), ("1,5", "0.234", False)],
)
def test_points_beside_decimal_commas_are_told(price: str, amount: str, told: bool) -> None:
    found = inferred(price=[price, "2"] * (ROWS // 2), amount=[amount, "950"] * (ROWS // 2))
    note = found.summaries[1].note
    assert (note is not None and "see --decimal" in note) is told


def test_words_among_decimal_commas_are_told() -> None:
    texts = [f"{value / 100:.2f}".replace(".", ",") for value in range(ROWS - 1)]
    note = inferred(x=["n. a.", *texts]).summaries[0].note
    assert note is not None and "'n. a.'; else numbers: see --missing" in note
