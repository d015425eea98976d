"""Tree baselines read only what they may, keep the better form and stop when told."""

from __future__ import annotations

import dataclasses
import sys
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest

from autofi.baselines.boosted_trees import FORMS, Form, TreeResult, _columns, distinct_forms, fit_trees
from autofi.data.dataset import EncodedDataset
from autofi.data.encode import encode
from autofi.data.schema import Field, FieldKind, Schema
from autofi.data.split import SplitSpec
from autofi.errors import ConfigError, DataError, MissingDependencyError
from autofi.metrics.ranking import auc, logloss
from autofi.readers import open_table

pytest.importorskip("lightgbm")
pytest.importorskip("catboost")

NAMES = tuple(FORMS)
ROWS = {"train": 2400, "valid": 800, "test": 800}


def draw(
    seed: int = 0, *, numeric: tuple[str, ...] = ("age",)
) -> tuple[EncodedDataset, npt.NDArray[np.float64]]:
    """Clicks by the parity of `site` and by `age` above 40; with the values of the `numeric` fields."""
    generator = np.random.default_rng(seed)
    total = sum(ROWS.values())
    site, noise = generator.integers(0, 20, total), generator.integers(0, 5, total)
    age = generator.uniform(18, 80, total).round(1)
    logits = np.where(site % 2, 1.2, -1.2) + np.where(age > 40, 1.0, -1.0)
    click = (generator.random(total) < 1 / (1 + np.exp(-logits))).astype(int)
    age[generator.random(total) < 0.02] = np.nan
    values = {"site": site.astype(float), "age": age, "noise": noise.astype(float)}
    frame = pd.DataFrame({**values, "click": click, "part": np.repeat(list(ROWS), list(ROWS.values()))})
    fields = tuple(
        Field(
            name,
            FieldKind.NUMERIC if name == "age" and "age" in numeric else FieldKind.CATEGORICAL,
            reads_as_number=name in numeric,
        )
        for name in values
    )
    schema = Schema(fields, "click", split="part")
    dataset = encode(open_table(frame), schema, split=SplitSpec.parse("column"))
    raw = np.stack([values[name] for name in numeric], axis=1) if numeric else np.empty((total, 0))
    return dataset, raw


def sites_are_odd(dataset: EncodedDataset, rows: slice) -> npt.NDArray[np.bool_]:
    """By the click rate of each site's code in training, which 120 rows apiece make plain."""
    train = dataset.rows("train")
    assert train.labels is not None
    clicks = np.bincount(train.ids[:, 0], weights=train.labels, minlength=dataset.encoder.cardinalities[0])
    rates = clicks / np.maximum(dataset.encoder.counts[0], 1)
    return rates[dataset.ids[rows, 0]] > 0.5


def fit(name: str, dataset: EncodedDataset, **settings: Any) -> TreeResult:
    return fit_trees(name, dataset, **{"seed": 0, "max_rounds": 60, **settings})


@pytest.mark.parametrize("name", NAMES)
def test_predictions_cover_every_part_but_train_and_are_scored_by_our_measures(name: str) -> None:
    dataset, raw = draw()
    result = fit(name, dataset, raw_numbers=raw)
    assert result.name == name
    assert set(result.predictions) == {"valid", "test"}
    for part, predicted in result.predictions.items():
        assert predicted.shape == (ROWS[part],)
        assert predicted.dtype == np.float64
        assert ((predicted > 0) & (predicted < 1)).all()
    labels = dataset.labels[dataset.parts["valid"]]
    assert result.valid_auc == auc(labels, result.predictions["valid"])
    assert result.valid_logloss == logloss(labels, result.predictions["valid"])
    assert auc(dataset.labels[dataset.parts["test"]], result.predictions["test"]) > 0.75
    assert 1 <= result.iterations <= 60
    assert result.size_bytes > 1000
    assert result.form in FORMS[name]


@pytest.mark.parametrize("name", NAMES)
def test_the_kept_form_is_the_one_with_the_best_validation_auc(name: str) -> None:
    dataset, raw = draw(1)
    kept = fit(name, dataset, raw_numbers=raw)
    alone = {form: fit(name, dataset, raw_numbers=raw, forms=(form,)) for form in FORMS[name]}
    assert kept.valid_auc == max(result.valid_auc for result in alone.values())
    np.testing.assert_array_equal(kept.predictions["test"], alone[kept.form].predictions["test"])


@pytest.mark.parametrize("name", NAMES)
def test_settings_of_the_library_take_the_place_of_ours(name: str) -> None:
    dataset, _ = draw(1)
    stump = {"lightgbm": {"num_leaves": 2}, "catboost": {"depth": 1}}[name]
    small, usual = (
        fit(name, dataset, forms=("numbers",), max_rounds=1, parameters=given) for given in (stump, {})
    )
    assert small.iterations == usual.iterations == 1
    assert small.size_bytes < usual.size_bytes


@pytest.mark.parametrize("name", NAMES)
def test_equal_seeds_give_equal_predictions(name: str) -> None:
    dataset, _ = draw(2)
    first, second, other = (fit(name, dataset, seed=seed).predictions["test"] for seed in (3, 3, 4))
    np.testing.assert_array_equal(first, second)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize("name", NAMES)
def test_test_labels_are_never_read(name: str) -> None:
    dataset, _ = draw(3)
    labels = dataset.labels.copy()
    labels[dataset.parts["test"]] = np.nan
    hidden = dataclasses.replace(dataset, labels=labels)
    np.testing.assert_array_equal(
        fit(name, hidden).predictions["test"], fit(name, dataset).predictions["test"]
    )


@pytest.mark.parametrize("name", NAMES)
def test_a_spent_time_limit_leaves_at_least_one_tree(name: str) -> None:
    dataset, _ = draw(4)
    result = fit(name, dataset, time_limit=0.0)
    assert result.iterations == 1
    assert result.cut
    assert not fit(name, dataset).cut
    assert len(result.predictions["test"]) == ROWS["test"]


@pytest.mark.parametrize("name", NAMES)
def test_weights_choose_what_is_learned(name: str) -> None:
    dataset, _ = draw(5)
    # Rows that go against the sign of their site weigh: what spoke for clicks becomes what speaks against.
    against = sites_are_odd(dataset, slice(None)) == (dataset.labels == 0)
    weighted = dataclasses.replace(dataset, weights=np.where(against, 1.0, 0.01).astype(np.float32))
    plain, turned = (fit(name, each).predictions["test"] for each in (dataset, weighted))
    odd = sites_are_odd(dataset, dataset.parts["test"])
    assert plain[odd].mean() > plain[~odd].mean()
    assert turned[odd].mean() < turned[~odd].mean()


def test_parts_without_rows_have_no_predictions() -> None:
    dataset, _ = draw()
    parts = {**dataset.parts, "test": slice(4000, 4000)}
    assert set(fit("lightgbm", dataclasses.replace(dataset, parts=parts)).predictions) == {"valid"}


def test_forms_hold_the_columns_they_promise() -> None:
    dataset, raw = draw()
    rows = slice(10, 60)
    counts = [dataset.encoder.counts[field][dataset.ids[rows, field]] for field in range(3)]
    expected: dict[Form, tuple[list[npt.NDArray[Any]], int]] = {
        "categorical": ([*dataset.ids[rows].T], 3),
        "mixed": ([dataset.ids[rows, 0], dataset.ids[rows, 2], raw[rows, 0], counts[1]], 2),
        "numbers": ([raw[rows, 0], *counts], 0),
        "both": ([*dataset.ids[rows].T, raw[rows, 0]], 3),
    }
    for form, (columns, codes) in expected.items():
        built = _columns(dataset, rows, form, raw)
        np.testing.assert_array_equal(built.values, np.stack(columns, axis=1))
        assert built.categorical.tolist() == [column < codes for column in range(len(columns))]
    positions = _columns(dataset, rows, "mixed", None).values[:, 2]
    np.testing.assert_array_equal(positions, dataset.numbers[rows, 0])


def test_forms_that_would_be_the_same_are_tried_once() -> None:
    plain, _ = draw(numeric=())
    numeric, _ = draw(numeric=("site", "age", "noise"))
    forms = {
        (name, kind): distinct_forms(name, dataset)
        for name in NAMES
        for kind, dataset in (("plain", plain), ("numeric", numeric))
    }
    assert forms == {
        ("lightgbm", "plain"): ("categorical", "numbers"),
        ("lightgbm", "numeric"): ("categorical", "numbers"),
        ("catboost", "plain"): ("categorical",),
        ("catboost", "numeric"): ("numbers", "both"),
    }


def test_unknown_names_and_unfit_data_are_refused() -> None:
    dataset, raw = draw()
    with pytest.raises(ConfigError, match="did you mean 'lightgbm'"):
        fit("lightgb", dataset)
    with pytest.raises(DataError, match=r"has shape \(4000, 2\); give shape \(4000, 1\)"):
        fit("lightgbm", dataset, raw_numbers=np.repeat(raw, 2, axis=1))
    with pytest.raises(DataError, match="'valid' has no rows"):
        fit("lightgbm", dataclasses.replace(dataset, parts={"train": slice(0, 100)}))
    with pytest.raises(DataError, match="Every label in 'train' is 1"):
        fit("catboost", dataclasses.replace(dataset, labels=np.ones_like(dataset.labels)))


@pytest.mark.parametrize("name", NAMES)
def test_an_absent_package_names_the_extra(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'autofi\[baselines\]'"):
        fit(name, draw()[0])
