"""Targets, weights, groups and times of split mean the same however a file writes them, as fields do."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from autofi.data.dataset import EncodedDataset
from autofi.data.encode import encode
from autofi.data.schema_inference import infer_schema
from autofi.data.schema_overrides import SchemaOverrides
from autofi.data.split import SplitSpec
from autofi.errors import DataError
from autofi.readers import open_table

ROWS = 400
DRAW = np.random.default_rng(5)
FIELD = DRAW.integers(0, 9, ROWS)
CLICK = DRAW.random(ROWS) < 0.4
SECONDS = pd.Series(DRAW.integers(0, 90, ROWS) * 1800 - 9)
MOMENTS = pd.Series(np.datetime64("2024-02-28T22:00:00", "us") + SECONDS.to_numpy().astype("timedelta64[s]"))
SPELLS = pd.to_timedelta(SECONDS, unit="s")
QUARTERS = DRAW.integers(4, 9000, ROWS) / 4
COMMAS = [f"{value:,.2f}".translate(str.maketrans(",.", ".,")) for value in QUARTERS]
FLAGS = DRAW.random(ROWS) < 0.8
WORDS = pa.array(DRAW.choice(["a", "NA", "-", "7", "null"], ROWS))

DECIMALS = [QUARTERS, QUARTERS.astype("float32"), QUARTERS.astype(str), COMMAS]
TIMES = [MOMENTS, MOMENTS.dt.tz_localize("UTC").astype(str), MOMENTS.dt.strftime("%Y-%m-%dT%H:%M:%SZ")]
DURATIONS = [SPELLS, SPELLS.astype(str), [spell.isoformat() for spell in SPELLS]]
BOOLEANS = [FLAGS, np.where(FLAGS, "True", "FALSE"), FLAGS * 1, FLAGS * 1.0]
FORMS = {
    "decimals": DECIMALS,
    "times": TIMES,
    "durations": DURATIONS,
    "booleans": BOOLEANS,
    "words": [WORDS, WORDS.dictionary_encode()],
}


def data(
    column: object, *, said: SchemaOverrides, split: str = "random", click: object = CLICK
) -> EncodedDataset:
    table = open_table(pa.table({"x": FIELD, "c": pa.array(column), "click": pa.array(click)}))
    return encode(
        table, infer_schema(table, target="click", overrides=said).schema, split=SplitSpec.parse(split)
    )


USES = {
    "weight": (SchemaOverrides(weight="c"), "random", ["decimals", "booleans"]),
    "group": (SchemaOverrides(group="c", ignore=("c",)), "random", list(FORMS)),
    "split by group": (SchemaOverrides(), "group:c", ["decimals", "times", "durations", "words"]),
    "split by time": (SchemaOverrides(time="c"), "time", ["decimals", "times", "durations"]),
    "split by an ignored time": (
        SchemaOverrides(ignore=("c",)),
        "time:c",
        ["decimals", "times", "durations"],
    ),
}


@pytest.mark.parametrize(
    ("use", "forms"), [(use, forms) for use, (_, _, names) in USES.items() for forms in names]
)
def test_a_column_of_any_use_is_one_in_every_form(use: str, forms: str) -> None:
    said, split, _ = USES[use]
    prints = [data(form, said=said, split=split).fingerprint for form in FORMS[forms]]
    assert prints == [prints[0]] * len(prints)


def test_a_target_is_one_in_every_form() -> None:
    forms = [CLICK, CLICK * 1.0, np.where(CLICK, "True", "false"), np.where(CLICK, "1,0", "0,0")]
    forms.append(np.where(CLICK, "1.0", "0"))
    prints = [data(QUARTERS, said=SchemaOverrides(), click=form).fingerprint for form in forms]
    assert prints == [prints[0]] * len(prints)


def test_weights_are_the_numbers_that_they_spell() -> None:
    found = data(COMMAS, said=SchemaOverrides(weight="c"), split="time:x")
    assert found.weights is not None
    expected = sorted(QUARTERS.tolist())
    assert sorted(found.weights.tolist()) == expected


def test_words_of_a_group_column_are_groups_and_no_missing_values() -> None:
    found = data(WORDS, said=SchemaOverrides(group="c"))
    assert found.groups is not None
    assert len(np.unique(found.groups)) == 5


def test_a_mark_of_a_missing_value_is_no_time() -> None:
    times = np.where(np.arange(ROWS) == 7, "-999", SECONDS.astype(str))
    with pytest.raises(DataError, match=r"no time in row 8"):
        data(times, said=SchemaOverrides(time="c", missing=("-999",)), split="time")


@pytest.mark.parametrize(("wrong", "shown"), [("-2,0", "Row 3 .* is '-2,0'"), ("NA", "Row 3 .* is 'NA'")])
def test_the_wrong_weight_is_named_and_not_the_first(wrong: str, shown: str) -> None:
    weights = ["1,5", "2,0", wrong] + ["0,5"] * (ROWS - 3)
    with pytest.raises(DataError, match=shown):
        data(weights, said=SchemaOverrides(weight="c"))
