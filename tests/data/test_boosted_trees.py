"""Boosted trees find what numbers and rates say, learn nothing from chance, and are kept as they are."""

from __future__ import annotations

import json
import pickle
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import lightgbm
import numpy as np
import pytest
from numpy.typing import NDArray

from autofi.data.boosted_columns import SMOOTHING
from autofi.data.boosted_trees import FOLDS, BoostedTrees, Boosting
from autofi.data.encoded_rows import EncodedRows
from autofi.data.features import Column
from autofi.errors import DataError, MissingDependencyError
from autofi.metrics.ranking import auc

CARDINALITIES = (22, 1500)
FIELDS: list[Column] = [(0,), (1,)]
TREES = Boosting(leaves=8, learning_rate=0.1)


def draw(rows: int, *, seed: int = 0, effect: float = 2.0) -> EncodedRows:
    """Clicks by the parity of the first field's code where a number is above a half, the other way round below it."""
    generator = np.random.default_rng(seed)
    ids = np.stack([generator.integers(0, size, rows) for size in CARDINALITIES], axis=1).astype(np.int32)
    numbers = generator.random((rows, 1), dtype=np.float32)
    logit = effect * np.where(ids[:, 0] % 2, 1, -0.5) * np.where(numbers[:, 0] > 0.5, 1, -0.5)
    labels = (generator.random(rows) < 1 / (1 + np.exp(-logit))).astype(np.float32)
    return EncodedRows(ids, numbers, labels=labels)


def logits_of(trees: BoostedTrees, rows: EncodedRows) -> NDArray[np.float32]:
    return trees.transform(rows.ids, rows.numbers)


@dataclass(frozen=True)
class Fitted:
    """Trees, and what they were fitted on."""

    train: EncodedRows
    trees: BoostedTrees


@pytest.fixture(scope="module")
def fitted() -> Fitted:
    train = draw(3000)
    return Fitted(train, BoostedTrees.fit(TREES, train, CARDINALITIES, seed=0))


def test_they_find_what_is_there() -> None:
    train, other = draw(6000), draw(4000, seed=1)
    trees = BoostedTrees.fit(TREES, train, CARDINALITIES, seed=0)
    assert len(trees.models) == FOLDS
    assert other.labels is not None
    truth = np.where(other.ids[:, 0] % 2, 1, -0.5) * np.where(other.numbers[:, 0] > 0.5, 1, -0.5)
    found = auc(other.labels, trees.transform(other.ids, other.numbers))
    assert found > auc(other.labels, truth) - 0.01


def test_chance_teaches_them_nothing() -> None:
    # Values of three rows each, whose own label is in their rate unless it is left out of it.
    train, other = draw(4000, effect=0.0), draw(4000, seed=1, effect=0.0)
    logits = BoostedTrees.fit(TREES, train, CARDINALITIES, seed=0).transform(other.ids, other.numbers)
    assert logits.std() < 0.1


def test_rows_that_belong_together_do_not_tell_of_each_other() -> None:
    generator = np.random.default_rng(3)
    group = generator.integers(2, CARDINALITIES[1], 6000)
    rate = generator.random(CARDINALITIES[1])
    rows = draw(6000, effect=0.0)
    rows.ids[:, 1] = group
    labels = (generator.random(6000) < rate[group]).astype(np.float32)
    rows = EncodedRows(rows.ids, rows.numbers, labels=labels)

    def spread(together: np.ndarray | None) -> float:
        trees = BoostedTrees.fit(TREES, rows, CARDINALITIES, together=together, seed=0)
        return float(trees.transform(rows.ids, rows.numbers).std())

    assert spread(None) > 0.4
    assert spread(group) < 0.1


def test_the_logit_is_the_mean_of_all_folds_on_columns_looked_up_one_by_one(fitted: Fitted) -> None:
    train, trees = fitted.train, fitted.trees
    other = draw(40, seed=1)
    assert train.labels is not None
    prior = float(train.labels.mean(dtype=np.float64))
    columns = []
    for row in range(len(other)):
        rates, counts = [], []
        for field in range(2):
            same = train.labels[train.ids[:, field] == other.ids[row, field]]
            clicks = float(same.sum())
            odds = (clicks + SMOOTHING * prior) / (len(same) - clicks + SMOOTHING * (1 - prior))
            rates.append(np.log(odds))
            counts.append(np.log(1 + len(same)))
        columns.append([*other.numbers[row], *rates, *counts])
    expected = np.mean(
        [
            lightgbm.Booster(model_str=model).predict(np.array(columns, dtype=np.float32), raw_score=True)
            for model in trees.models
        ],
        axis=0,
    )
    np.testing.assert_allclose(trees.transform(other.ids, other.numbers), expected, atol=1e-5)


@pytest.mark.parametrize("grown", [True, False])
def test_contributions_of_the_fields_and_what_is_given_of_none_are_the_logit(
    fitted: Fitted, grown: bool
) -> None:
    trees = fitted.trees if grown else replace(fitted.trees, models=())
    rows = draw(40, seed=1)
    found = trees.contributions(rows.ids, rows.numbers, [0])
    assert list(found) == FIELDS
    base = logits_of(trees, rows) - found[0,] - found[1,]
    np.testing.assert_allclose(base, base[0], atol=1e-5)
    # The number is the first field's, which decides with it.
    assert (np.abs(found[0,]).mean() > 5 * np.abs(found[1,]).mean()) == grown


def test_trees_read_a_pair_as_it_is_counted_row_by_row() -> None:
    """Cells of the pair decide, and neither field alone; only trees that read the pair can know."""
    train, other = draw_cells(6000), draw_cells(2000, seed=1)
    settings = Boosting(leaves=8, learning_rate=0.1, pairs=1)
    trees = BoostedTrees.fit(settings, train, CARDINALITIES, seed=0)
    assert trees.crosses == ((0, 1),)
    logits = logits_of(trees, other)
    fields = logits_of(BoostedTrees.fit(TREES, train, CARDINALITIES, seed=0), other)
    assert other.labels is not None and train.labels is not None
    assert auc(other.labels, logits) > 0.8 > 0.65 > auc(other.labels, fields)
    # The columns of the first row, counted: numbers, log-odds of the fields and of the pair, then log-counts.
    prior = float(np.mean(train.labels))
    odds, counts = [], []
    for column in ((0,), (1,), (0, 1)):
        same = train.labels[(train.ids[:, column] == other.ids[0, column]).all(axis=1)]
        clicks = float(same.sum())
        odds.append(np.log((clicks + SMOOTHING * prior) / (len(same) - clicks + SMOOTHING * (1 - prior))))
        counts.append(np.log(1 + len(same)))
    row = np.array([[*other.numbers[0], *odds, *counts]], dtype=np.float32)
    expected = [lightgbm.Booster(model_str=model).predict(row, raw_score=True)[0] for model in trees.models]
    assert logits[0] == pytest.approx(np.mean(expected), abs=1e-5)
    found = trees.contributions(other.ids, other.numbers, [0])
    base = logits - sum(found.values())
    np.testing.assert_allclose(base, base[0], atol=1e-4)
    assert np.abs(found[0, 1]).mean() > 2 * max(np.abs(found[0,]).mean(), np.abs(found[1,]).mean())


def test_trees_read_a_cell_of_a_value_and_a_part_of_a_number() -> None:
    """The second field is decided by the half of the number that a row lies in; its codes alone say nothing."""
    train, other = draw_halves(6000), draw_halves(2000, seed=1)
    bins = {"number_places": [0], "number_bins": [4]}
    trees = BoostedTrees.fit(TREES, train, CARDINALITIES, **bins, crosses=[(1, 2)], seed=0)
    assert other.labels is not None
    assert auc(other.labels, logits_of(trees, other)) > 0.8
    # A part of a number counts for its field.
    assert list(trees.contributions(other.ids, other.numbers, [0])) == [(0,), (1,), (0, 1)]


def draw_halves(rows: int, *, seed: int = 0) -> EncodedRows:
    generator = np.random.default_rng(seed)
    ids = generator.integers(2, 20, (rows, 2)).astype(np.int32)
    numbers = 4 * generator.random((rows, 1), dtype=np.float32)
    high = np.random.default_rng(7).random(20) < 0.5
    rate = np.where(high[ids[:, 1]] == (numbers[:, 0] < 1.62), 0.85, 0.15)
    return EncodedRows(ids, numbers, labels=(generator.random(rows) < rate).astype(np.float32))


def draw_cells(rows: int, *, seed: int = 0) -> EncodedRows:
    """Rows whose click rate is that of their cell, .15 or .85 by chance, so that single values tell little."""
    generator = np.random.default_rng(seed)
    ids = generator.integers(0, 20, (rows, 2)).astype(np.int32)
    high = np.random.default_rng(7).random((20, 20)) < 0.5
    rate = np.where(high[ids[:, 0], ids[:, 1]], 0.85, 0.15)
    labels = (generator.random(rows) < rate).astype(np.float32)
    return EncodedRows(ids, generator.random((rows, 1), dtype=np.float32), labels=labels)


def test_the_same_seed_grows_the_same_trees(tmp_path: Path) -> None:
    train = draw(2000)
    trees = BoostedTrees.fit(TREES, train, CARDINALITIES, seed=4)
    assert BoostedTrees.fit(TREES, train, CARDINALITIES, seed=4).models == trees.models
    assert BoostedTrees.fit(TREES, train, CARDINALITIES, seed=5).models != trees.models
    assert BoostedTrees.load(tmp_path) is None
    trees.save(tmp_path)
    again = BoostedTrees.load(tmp_path)
    assert again is not None
    assert (again.settings, again.prior, again.models) == (trees.settings, trees.prior, trees.models)
    # Once they have predicted they hold what LightGBM made of the text, which stays behind.
    expected = trees.transform(train.ids, train.numbers)
    copied = pickle.loads(pickle.dumps(trees))
    np.testing.assert_array_equal(copied.transform(train.ids, train.numbers), expected)
    assert 0 <= (tmp_path / BoostedTrees.FILE).stat().st_size - trees.nbytes < 200


def test_weights_count_as_rows() -> None:
    train = draw(3000)
    assert train.labels is not None
    # All that speaks for the one half of the clicks weighs next to nothing.
    high = train.numbers[:, 0] > 0.5
    weights = np.where(high, 1.0, 1e-6).astype(np.float32)
    weighed = EncodedRows(train.ids, train.numbers, labels=train.labels, weights=weights)
    trees = BoostedTrees.fit(TREES, weighed, CARDINALITIES, seed=0)
    logits = trees.transform(train.ids, train.numbers)
    assert auc(train.labels[high], logits[high]) > 0.8
    assert auc(train.labels[~high], logits[~high]) < 0.5


@pytest.mark.parametrize("rows", [1, 3])
def test_too_few_rows_are_given_the_click_rate(rows: int) -> None:
    train = draw(rows)
    labels = np.zeros(rows, dtype=np.float32)
    labels[0] = rows > 1
    train = EncodedRows(train.ids, train.numbers, labels=labels)
    if rows == 1:
        trees = BoostedTrees.fit(TREES, train, CARDINALITIES, seed=0)
        assert not trees.models
        some = replace(trees, statistics=replace(trees.statistics, prior=0.25))
        np.testing.assert_allclose(logits_of(some, train), np.log(1 / 3), rtol=1e-6)
    else:
        trees = BoostedTrees.fit(TREES, train, CARDINALITIES, seed=0)
        assert np.isfinite(trees.transform(train.ids, train.numbers)).all()


def test_what_is_not_theirs_is_refused(tmp_path: Path) -> None:
    (tmp_path / BoostedTrees.FILE).write_text(json.dumps({"format": 99}))
    with pytest.raises(DataError, match="format 99 is not 3"):
        BoostedTrees.load(tmp_path)


def test_without_lightgbm_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "lightgbm", None)
    train = draw(100)
    with pytest.raises(MissingDependencyError, match="install lightgbm"):
        BoostedTrees.fit(TREES, train, CARDINALITIES, seed=0)
