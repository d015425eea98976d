"""The tables that libraries are compared on: the real ones of a folder, and generated ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
from numpy.typing import NDArray

from benchmarks.peers.generated import GENERATED, LABEL, SPLIT, Floats

PARTS = ("train", "valid", "test")


@dataclass(frozen=True)
class Source:
    """A real table: its columns of numbers (all others hold categories), and the columns that are left out.

    `by_chance` tells that rows are split at random, so that any other random split is as good.
    """

    folder: str
    numeric: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    multi_valued: Mapping[str, str] = field(default_factory=dict)
    split: str = SPLIT
    rows: int | None = None
    by_chance: bool = True


_DIABETES_NUMBERS = (
    "age", "time_in_hospital", "num_lab_procedures", "num_procedures", "num_medications", "number_outpatient",
    "number_emergency", "number_inpatient", "number_diagnoses",
)  # fmt: skip
SOURCES: Mapping[str, Source] = {
    "adult": Source(
        "adult",
        ("age", "fnlwgt", "education_num", "capital_gain", "capital_loss", "hours_per_week"),
    ),
    "click_prediction_small": Source("click_prediction_small", ("impression", "depth", "position")),
    "diabetes130": Source("diabetes130", _DIABETES_NUMBERS, ignore=("raw_row", "raw_row_ambiguous")),
    "flight_delays": Source("flight_delays", ("DepTime", "Distance")),
    "frappe_by_pair": Source(
        "frappe_x1", ignore=(SPLIT, "item_redrawn"), split="split_by_pair", by_chance=False
    ),
    "ml-1m": Source("ml-1m", ("age",), ignore=("year",), multi_valued={"genres": "|"}, rows=100_000),
}
NAMES = (*SOURCES, *GENERATED)


@dataclass(frozen=True)
class Table:
    """Rows with the columns `label` and `split`.

    Attributes:
        label: Name of the table with what else decides about its rows, under which results are kept.
        origin: Name of what the test rows are taken from: a part of a table has the test rows of the whole.
        frame: The rows, in the order that predictions are kept in.
        probabilities: The true ones, `[N]`, where they are known.
    """

    label: str
    origin: str
    frame: pd.DataFrame
    numeric: tuple[str, ...]
    multi_valued: Mapping[str, str]
    by_chance: bool
    probabilities: Floats | None = None

    @property
    def fields(self) -> list[str]:
        return [name for name in self.frame.columns if name not in (LABEL, SPLIT)]

    def part(self, name: str) -> NDArray[np.bool_]:
        return np.asarray(self.frame[SPLIT] == name)

    @property
    def test_labels(self) -> NDArray[Any]:
        return self.frame[LABEL].to_numpy()[self.part("test")]

    def write(self, folder: Path) -> None:
        """Write a Parquet file per part; that of the test rows has no labels."""
        for name in PARTS:
            columns = [*self.fields] if name == "test" else [*self.fields, LABEL]
            self.frame.loc[self.part(name), columns].to_parquet(folder / f"{name}.parquet", index=False)


def open_table(name: str, *, data: Path, rows: int | None = None, seed: int = 0) -> Table:
    """Return a table of `NAMES`.

    Args:
        data: Folder of the real tables.
        rows: A random part of the rows of a real table, always the same; that many of a generated one.
        seed: Seed of generated tables.

    Raises:
        FileNotFoundError: The real table is not there.
    """
    if name in GENERATED:
        generate, usual = GENERATED[name]
        made = generate(rows or usual, seed)
        label = f"{name}:seed={seed}" + (f",rows={rows}" if rows else "")
        by_chance = name != "drift"
        return Table(label, label, made.frame, made.numeric, {}, by_chance, made.probabilities)
    source = SOURCES[name]
    path = data / source.folder / "data.parquet"
    if not path.exists():
        raise FileNotFoundError(f"{path} is not there")
    table, most = pq.read_table(path), min(rows or source.rows or 2**40, source.rows or 2**40)
    if most < table.num_rows:
        chosen = np.sort(np.random.default_rng(0).choice(table.num_rows, most, replace=False))
        table = table.take(chosen)
    frame = table.to_pandas().drop(columns=list(source.ignore)).rename(columns={source.split: SPLIT})
    for column in frame.select_dtypes("category"):
        frame[column] = frame[column].astype(str)
    label = name + (f":rows={most}" if most < 2**40 else "")
    return Table(label, name, _with_valid(frame), source.numeric, source.multi_valued, source.by_chance)


def _with_valid(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the frame; where it has no validation rows, a tenth of its training rows, drawn at random, are them."""
    if not (frame[SPLIT] == "valid").any():
        drawn = np.random.default_rng(0).random(len(frame)) < 0.1
        frame[SPLIT] = frame[SPLIT].where((frame[SPLIT] != "train") | ~drawn, "valid")
    return frame
