"""AutoFI behaves as scikit-learn asks of a classifier, whatever kind of table and of labels it is given."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import torch
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.metrics import log_loss
from sklearn.utils.estimator_checks import parametrize_with_checks

import autofi
from autofi.classifier import AutoFIClassifier
from autofi.errors import ConfigError
from autofi.metrics.ranking import auc

# One point that trains on the 20 to 300 rows of scikit-learn's checks within a tenth of a second.
TINY = str(Path(__file__).with_name("spaces") / "tiny.yaml")
#: The same with a vector per list.
BAGS = str(Path(__file__).with_name("spaces") / "tiny_bag.yaml")
CANNOT_PASS = {
    "check_sample_weight_equivalence_on_dense_data": (
        "a repeated row is one more draw of the split and of the batches; a weight is not"
    ),
    "check_methods_subset_invariance": "32-bit products differ in the last digit with the size of the batch",
}


def quick(**changes: Any) -> AutoFIClassifier:
    given = {"trials": 1, "device": "cpu", "random_state": 0, "validation_fraction": 0.2} | changes
    return AutoFIClassifier(**{"space": TINY} | given)


def table(rows: int = 400, seed: int = 0) -> tuple[pd.DataFrame, np.ndarray[Any, Any]]:
    """Text, whole and fractional numbers, missing cells; the label follows `city` and `age`."""
    generator = np.random.default_rng(seed)
    city = generator.choice(["Köln", "Rome", "Oslo"], rows)
    age = generator.normal(40.0, 10.0, rows)
    frame = pd.DataFrame({"city": city, "age": age, "hour": generator.integers(0, 24, rows)})
    frame.loc[generator.random(rows) < 0.05, "age"] = np.nan
    return frame, ((city == "Rome") ^ (age > 42.0)).astype(int)


@pytest.mark.slow
@parametrize_with_checks([quick()], expected_failed_checks=lambda _: CANNOT_PASS)
def test_scikit_learn_accepts_it(estimator: AutoFIClassifier, check: Any) -> None:
    check(estimator)


@pytest.fixture(scope="module")
def fitted() -> AutoFIClassifier:
    return quick().fit(*table())


def test_it_learns_from_text_numbers_and_missing_cells(fitted: AutoFIClassifier) -> None:
    frame, labels = table(seed=1)
    assert auc(labels, fitted.predict_proba(frame)[:, 1]) > 0.85
    assert fitted.feature_names_in_.tolist() == ["city", "age", "hour"]
    assert fitted.n_features_in_ == 3
    assert fitted.classes_.tolist() == [0, 1]
    assert fitted.summary_["best"]["architecture_id"] == fitted.architecture_.id
    assert fitted.summary_["storage"] is None


def test_the_three_answers_agree(fitted: AutoFIClassifier) -> None:
    frame, _ = table(seed=1)
    probabilities, logits = fitted.predict_proba(frame), fitted.decision_function(frame)
    assert probabilities.shape == (len(frame), 2)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1.0)
    np.testing.assert_allclose(1.0 / (1.0 + np.exp(-logits)), probabilities[:, 1], atol=1e-12)
    np.testing.assert_array_equal(fitted.predict(frame), (logits > 0).astype(int))


def test_pandas_polars_and_arrow_tables_give_the_same(fitted: AutoFIClassifier) -> None:
    frame, _ = table(seed=1)
    expected = fitted.predict_proba(frame)
    for other in (pl.from_pandas(frame), pa.Table.from_pandas(frame, preserve_index=False)):
        np.testing.assert_array_equal(fitted.predict_proba(other), expected)
    train, train_labels = table()
    of_polars = quick().fit(pl.from_pandas(train), pl.Series(train_labels))
    assert of_polars.feature_names_in_.tolist() == ["city", "age", "hour"]
    np.testing.assert_array_equal(of_polars.predict_proba(pl.from_pandas(frame)), expected)


@pytest.mark.parametrize("pair", [("no", "yes"), (False, True), (-1, 1), (3.0, 7.0)])
def test_any_two_labels(pair: tuple[Any, Any]) -> None:
    frame, labels = table(120)
    named = np.array(pair)[labels]
    model = quick().fit(frame, named)
    assert model.classes_.tolist() == list(pair)
    predicted = model.predict(frame)
    assert predicted.dtype == named.dtype
    assert set(predicted.tolist()) <= set(pair)
    # The second class in sorted order is what the probabilities of column 1 are of.
    assert auc(labels, model.predict_proba(frame)[:, 1]) > 0.8


def test_other_numbers_of_classes_are_refused() -> None:
    frame, _ = table(60)
    with pytest.raises(ValueError, match=r"Only binary classification is supported\. .* multiclass"):
        quick().fit(frame, np.arange(60) % 3)
    with pytest.raises(ValueError, match="one class only"):
        quick().fit(frame, np.ones(60))


def test_a_class_of_one_row_is_enough() -> None:
    frame, _ = table(40)
    model = quick().fit(frame, np.arange(40) == 7)
    assert model.predict_proba(frame).shape == (40, 2)


def test_rows_of_weight_nothing_do_not_count(fitted: AutoFIClassifier) -> None:
    frame, labels = table(200)
    wrong = pd.concat([frame, frame], ignore_index=True)
    weights = np.repeat([1.0, 0.0], 200)
    weighted = quick().fit(wrong, np.concatenate([labels, 1 - labels]), sample_weight=weights)
    alone = quick().fit(frame, labels, sample_weight=np.ones(200))
    np.testing.assert_array_equal(weighted.predict_proba(frame), alone.predict_proba(frame))
    with pytest.raises(ValueError, match="[Nn]egative"):
        quick().fit(frame, labels, sample_weight=-np.ones(200))


def test_a_pickle_predicts_the_same_without_the_study(fitted: AutoFIClassifier, tmp_path: Path) -> None:
    frame, _ = table(seed=1)
    copy = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(copy.predict_proba(frame), fitted.predict_proba(frame))
    # A pickle of a pickle, and an export of one, are as good.
    again = pickle.loads(pickle.dumps(copy))
    exported = autofi.load(again.export(tmp_path / "model"), runtime="torch")
    np.testing.assert_array_equal(exported.predict_proba(frame), fitted.predict_proba(frame)[:, 1])
    assert json.loads(json.dumps(copy.summary_)) == json.loads(json.dumps(fitted.summary_))


def test_nothing_is_left_behind_and_no_seed_is_touched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    torch_state, numpy_state = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    quick().fit(*table(80))
    assert list(temporary.iterdir()) == []
    assert list(tmp_path.iterdir()) == [temporary]
    assert torch.equal(torch.get_rng_state(), torch_state)
    np.testing.assert_array_equal(np.random.get_state()[1], numpy_state)  # noqa: NPY002


def test_a_storage_keeps_the_study(tmp_path: Path) -> None:
    storage = str(tmp_path / "studies.db")
    model = quick(storage=storage, study="mine").fit(*table(80))
    opened = autofi.open_study("mine", storage=storage)
    assert opened.best == model.architecture_
    assert model.summary_["storage"] == opened.storage
    quick(storage=storage).fit(*table(80, seed=2))
    names = [study.name for study in autofi.list_studies(storage)]
    assert names[0] == "mine"
    assert len(set(names)) == 2
    with pytest.raises(ConfigError, match="study='mine' needs a storage"):
        quick(study="mine").fit(*table(80))


def test_columns_are_read_as_said() -> None:
    frame, labels = table(120)
    by_name = quick(numeric=("hour",), categorical=("city",)).fit(frame, labels)
    by_place = quick(numeric=(2,), categorical=(0,)).fit(frame, labels)
    np.testing.assert_array_equal(by_name.predict_proba(frame), by_place.predict_proba(frame))
    with pytest.raises(
        ConfigError, match="numeric has 'hours', which is not a column of X; did you mean 'hour'"
    ):
        quick(numeric=("hours",)).fit(frame, labels)
    with pytest.raises(ConfigError, match="numeric has the position 3, but X has 3 columns"):
        quick(numeric=(3,)).fit(frame, labels)


def test_a_column_called_target_is_a_field_like_others() -> None:
    frame, labels = table(120)
    renamed = frame.rename(columns={"age": "target", "hour": "weight"})
    model = quick().fit(renamed, labels, sample_weight=np.ones(120))
    assert auc(labels, model.predict_proba(renamed)[:, 1]) > 0.8


def test_other_columns_than_those_of_the_fit_are_refused(fitted: AutoFIClassifier) -> None:
    frame, _ = table(20)
    with pytest.raises(ValueError, match="feature names should match"):
        fitted.predict(frame[["age", "city", "hour"]])
    with pytest.raises(NotFittedError):
        clone(fitted).predict(frame)
    with pytest.raises(ConfigError, match="validation_fraction"):
        quick(validation_fraction=1.5).fit(*table(20))


def lists(rows: int = 400, seed: int = 0) -> tuple[pd.DataFrame, np.ndarray[Any, Any]]:
    """The label follows whether "a" is among the tags; `noise` says nothing and `constant` nothing at all."""
    generator = np.random.default_rng(seed)
    tags = [
        list(generator.choice(list("abcdef"), generator.integers(1, 4), replace=False)) for _ in range(rows)
    ]
    frame = pd.DataFrame({"noise": generator.integers(0, 9, rows), "tags": tags, "constant": 1})
    labels = np.array(["a" in row for row in tags]) ^ (generator.random(rows) < 0.05)
    return frame, labels.astype(int)


def test_multi_valued_columns_as_lists_or_with_a_separator(tmp_path: Path) -> None:
    (frame, labels), (other, truth) = lists(), lists(seed=1)
    joined, others = (each.assign(tags=each["tags"].map(";".join)) for each in (frame, other))
    as_lists = quick(space=BAGS).fit(frame, labels)
    by_name = quick(space=BAGS, multi_valued={"tags": ";"}).fit(joined, labels)
    by_place = clone(quick(space=BAGS, multi_valued={1: ";"})).fit(joined, labels)
    assert auc(truth, as_lists.predict_proba(other)[:, 1]) > 0.85
    for model in (by_name, by_place):
        np.testing.assert_allclose(
            model.predict_proba(others), as_lists.predict_proba(other), rtol=0, atol=1e-6
        )
    scored = autofi.load(by_name.export(tmp_path / "model", forms=("onnx",))).predict_proba(others)
    np.testing.assert_allclose(scored, by_name.predict_proba(others)[:, 1], rtol=0, atol=1e-5)
    assert not (tmp_path / "model" / "weights.safetensors").exists()
    with pytest.raises(
        ConfigError, match="multi_valued has 'tag', which is not a column of X; did you mean 'tags'"
    ):
        quick(multi_valued={"tag": ";"}).fit(joined, labels)
    with pytest.raises(ConfigError, match="'onx' is not a form"):
        by_name.export(tmp_path / "other", forms=("onx",))


def test_importances_are_those_of_the_columns() -> None:
    frame, labels = lists()
    model = quick(space=BAGS, validation_fraction=0.5).fit(frame, labels)
    noise, tags, constant = model.feature_importances_
    assert model.feature_names_in_.tolist() == ["noise", "tags", "constant"]
    assert tags > 0.05 and abs(noise) < tags / 3 and constant == 0.0
    # Shuffling a column by hand costs as much.
    other, truth = lists(4000, seed=1)
    shuffled = other.assign(tags=other["tags"].sample(frac=1.0, random_state=0).to_numpy())
    rise = log_loss(truth, model.predict_proba(shuffled)) - log_loss(truth, model.predict_proba(other))
    assert tags == pytest.approx(rise, rel=0.35)
    np.testing.assert_array_equal(
        pickle.loads(pickle.dumps(model)).feature_importances_, model.feature_importances_
    )
    weighted = quick().fit(frame, labels, sample_weight=np.ones(len(frame)))
    assert weighted.feature_importances_.shape == (3,)


def test_the_study_is_at_hand_where_a_storage_keeps_it(fitted: AutoFIClassifier, tmp_path: Path) -> None:
    model = quick(storage=str(tmp_path / "studies.db")).fit(*table(80))
    for each in (model, pickle.loads(pickle.dumps(model))):
        assert each.study_.best == model.architecture_
        each.study_.close()
    with pytest.raises(AttributeError, match="fitted without a storage, .*; give storage="):
        _ = fitted.study_
