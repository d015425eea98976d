"""What a split keeps apart is found without labels, and folds of training rows keep it apart too."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from autofi.data.encode import encode
from autofi.data.feature_builder import build_features
from autofi.data.folds import deal_folds, kept_apart
from autofi.data.schema import Field, FieldKind, Schema
from autofi.data.split import SplitSpec
from autofi.readers import open_table
from tests.visits import visits

ROWS = 4000
FIELDS = ("user", "item", "hour")


def split_by(frame: pd.DataFrame, *columns: str) -> pd.DataFrame:
    """The frame with a part that all rows of a cell of these columns share; of no column, one at random per row."""
    cells = frame.groupby(list(columns)).ngroup() if columns else np.arange(len(frame))
    parts = np.random.default_rng(1).choice(["train", "valid", "test"], ROWS, p=[0.7, 0.2, 0.1])
    return frame.assign(part=parts[cells])


def encoded(frame: pd.DataFrame, *, group: str | None = None):
    fields = tuple(Field(name, FieldKind.CATEGORICAL) for name in FIELDS)
    schema = Schema(fields=fields, target="click", group=group, split="part")
    return encode(open_table(frame), schema, split=SplitSpec.parse("column"))


@pytest.mark.parametrize(
    ("columns", "group", "apart"),
    [
        ((), None, None),
        ((), "visit", None),
        (("user",), None, (0,)),
        (("user", "item"), None, (0, 1)),
        (("visit",), "visit", ()),
        (("visit",), None, None),  # not a field and not a group: nothing to see
    ],
)
def test_what_a_split_keeps_apart_is_found(
    columns: tuple[str, ...], group: str | None, apart: tuple[int, ...] | None
) -> None:
    assert encoded(split_by(visits(ROWS), *columns), group=group).apart == apart


def test_labels_are_not_read() -> None:
    frame = split_by(visits(ROWS), "user")
    flipped = frame.assign(click=1 - frame["click"])
    assert encoded(frame).apart == encoded(flipped).apart == (0,)


def test_of_fields_kept_apart_together_the_coarser_is_told() -> None:
    frame = visits(ROWS)
    frame["item"] = frame["user"] + frame["item"]  # every item belongs to one user
    assert encoded(split_by(frame, "user")).apart == (0,)


def test_a_missing_value_keeps_nothing_apart() -> None:
    frame = split_by(visits(ROWS), "user")
    frame.loc[np.random.default_rng(2).random(ROWS) < 0.1, "user"] = np.nan
    assert encoded(frame).apart == (0,)


def test_values_too_rare_to_be_shared_by_a_random_split_say_nothing() -> None:
    frame = visits(ROWS).assign(user=np.arange(ROWS))
    assert encoded(split_by(frame)).apart is None


def test_without_validation_rows_nothing_is_known() -> None:
    ids = np.ones((100, 1), dtype=np.int32)
    assert kept_apart(ids, [4], {"train": slice(0, 100), "valid": slice(100, 100)}) is None


@pytest.mark.parametrize("folds", [2, 5])
def test_folds_are_of_equal_size(folds: int) -> None:
    dealt = deal_folds(103, folds, np.random.default_rng(0))
    sizes = np.bincount(dealt, minlength=folds)
    assert sizes.sum() == 103
    assert sizes.max() - sizes.min() <= 1


def test_rows_that_belong_together_share_a_fold() -> None:
    together = np.random.default_rng(0).integers(0, 40, 500)
    dealt = deal_folds(500, 4, np.random.default_rng(1), together)
    for cell in range(40):
        assert len(set(dealt[together == cell])) == 1
    assert set(dealt) == {0, 1, 2, 3}


def test_out_of_fold_statistics_never_hold_the_cell_that_is_kept_apart() -> None:
    dataset = encoded(split_by(visits(ROWS), "user", "item"))
    builder, features = build_features(dataset, [(0, 1), (0, 2)])
    train, valid = dataset.parts["train"], dataset.parts["valid"]
    pair = features.columns.index((0, 1))
    counts = features.statistics[:, pair, 0]
    assert (counts[train] == 0).all()
    assert (counts[valid] == 0).all()
    # A user's own count lacks the rows of the row's item and of others in its fold, and is scaled up by its share.
    ids, labels = dataset.ids[train], dataset.labels[train]
    folds = deal_folds(train.stop, 10, np.random.default_rng(0), dataset.together())
    for row in range(0, train.stop, 97):
        others = (folds != folds[row]) & (ids[:, 0] == ids[row, 0])
        scale = train.stop / (folds != folds[row]).sum()
        expected = np.array([others.sum(), labels[others].sum()]) * scale
        np.testing.assert_allclose(features.statistics[row, 0], expected, rtol=1e-5)
    assert builder.statistics.columns == features.columns


def test_a_random_split_deals_rows_one_by_one() -> None:
    dataset = encoded(split_by(visits(ROWS)))
    assert dataset.together() is None
    _, features = build_features(dataset, [(0, 1)])
    assert features.statistics[dataset.parts["train"], 3, 0].any()
