"""Gradient-boosted trees as baselines, trained on the same rows and scored by the same metrics as trials.

Both libraries are offered the columns in several forms (see `FORMS`) and keep the one with the best validation AUC: the
best form differs between data sets far more than the best settings do.
"""

from __future__ import annotations

import importlib
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from autofi.data.lightgbm_library import LIGHTGBM
from autofi.errors import ConfigError, DataError, MissingDependencyError, nearest
from autofi.metrics.ranking import auc, logloss

if TYPE_CHECKING:
    from autofi.data.dataset import EncodedDataset

Floats = npt.NDArray[np.float64]
Form = Literal["categorical", "mixed", "numbers", "both"]
Metric = Literal["auc", "logloss"]

FORMS: dict[str, tuple[Form, ...]] = {
    "lightgbm": ("categorical", "mixed", "numbers"),
    "catboost": ("mixed", "both"),
}
"""The forms that each library tries.

- categorical: every field by its code, as a native categorical column
- mixed: fields that read as numbers by their value and training count, the others as categorical
- numbers: fields that read as numbers by their value, and every field by its training count
- both: every field as categorical, and fields that read as numbers by their value too

A training count tells what a code used as a number would, without its accidents: the order among ties, and the
code of values unseen in training, whose count is 0.
"""

_ROUNDS = {"lightgbm": 2000, "catboost": 1000}
_PATIENCE = 50
#: Of a metric: the name that each library has for it, and 1 where more is better.
_NAMES: dict[str, dict[Metric, str]] = {
    "lightgbm": {"auc": "auc", "logloss": "binary_logloss"},
    "catboost": {"auc": "AUC", "logloss": "Logloss"},
}
_SIGNS: dict[Metric, int] = {"auc": 1, "logloss": -1}


@dataclass(frozen=True)
class TreeResult:
    """The best form of one library, with its predicted probabilities of every part with rows except train.

    `valid_auc` and `valid_logloss` use the validation rows' weights if the data has any. `iterations` is the number of
    trees kept, `seconds` the time over all forms, `size_bytes` the size of the model as its library saves it. `cut` is
    True if the clock ended the training of a form.
    """

    name: str
    predictions: dict[str, Floats]
    valid_auc: float
    valid_logloss: float
    iterations: int
    seconds: float
    form: Form
    size_bytes: int
    cut: bool


@dataclass(frozen=True)
class _Columns:
    """The columns of one form side by side; `categorical` tells which are codes."""

    values: npt.NDArray[np.floating[Any]]
    categorical: npt.NDArray[np.bool_]


@dataclass(frozen=True)
class _Part:
    """Columns with the labels and weights of their rows."""

    columns: _Columns
    labels: npt.NDArray[np.float32]
    weights: npt.NDArray[np.float32] | None


@dataclass(frozen=True)
class _Booster:
    """A trained model: its predictions for rows in its form, its trees, its size, and if the clock ended it."""

    predict: Callable[[_Columns], Floats]
    iterations: int
    size_bytes: Callable[[], int]
    cut: bool


@dataclass(frozen=True)
class _Setting:
    """The settings of a training; `deadline` is in seconds of the monotonic clock."""

    rounds: int
    seed: int
    threads: int
    deadline: float
    metric: Metric
    parameters: Mapping[str, Any]


def fit_trees(
    name: str,
    dataset: EncodedDataset,
    *,
    seed: int,
    time_limit: float | None = None,
    threads: int = 1,
    raw_numbers: Floats | None = None,
    max_rounds: int | None = None,
    forms: Sequence[Form] | None = None,
    metric: Metric = "auc",
    parameters: Mapping[str, Any] | None = None,
) -> TreeResult:
    """Train `name` ("lightgbm" or "catboost") in each of its forms and keep the best by a metric of validation rows.

    Only "valid" chooses the form and the number of trees.

    Args:
        forms: Forms to try instead of all.
        metric: Metric of validation rows that ends the training, and that chooses the form.
        parameters: The library's own parameters instead of the ones here.
        raw_numbers: The exact values of the fields in `dataset.encoder.number_fields`, `[N, Q]`, NaN if missing.
            Without them trees see the piecewise-linear positions, which keep the order but saturate outside the
            training range.
        time_limit: Seconds, shared between the forms: a form whose share runs out keeps the best of its trees, at least
            one. The clock is not read while a library takes in its rows.

    Raises:
        ConfigError: The name is unknown.
        DataError: Rows or a class are missing, or the library refuses the rows.
        MissingDependencyError: The library is not installed.
    """
    if name not in FORMS:
        raise ConfigError(f"Unknown tree baseline '{name}'; {nearest(name, FORMS)}")
    trainer = _TRAINERS[name]
    start = time.monotonic()
    _check(dataset, raw_numbers)

    def part(name: str, form: Form) -> _Part:
        rows = dataset.parts[name]
        weights = None if dataset.weights is None else dataset.weights[rows]
        return _Part(_columns(dataset, rows, form, raw_numbers), dataset.labels[rows], weights)

    best: tuple[float, Form, _Booster, Floats] | None = None
    cut = False
    forms = distinct_forms(name, dataset) if forms is None else forms
    for done, form in enumerate(forms):
        now = time.monotonic()
        share = np.inf if time_limit is None else (time_limit - (now - start)) / (len(forms) - done)
        setting = _Setting(
            rounds=max_rounds or _ROUNDS[name],
            seed=seed,
            threads=threads,
            deadline=now + share,
            metric=metric,
            parameters=parameters or {},
        )
        valid = part("valid", form)
        booster = trainer(part("train", form), valid, setting)
        cut = cut or booster.cut
        predicted = booster.predict(valid.columns)
        measured = auc if metric == "auc" else logloss
        score = _SIGNS[metric] * measured(valid.labels, predicted, valid.weights)
        if best is None or score > best[0]:
            best = (score, form, booster, predicted)
    assert best is not None
    _, form, booster, predicted = best
    predictions = {"valid": predicted}
    for other, rows in dataset.parts.items():
        if other not in ("train", "valid") and rows.stop > rows.start:
            predictions[other] = booster.predict(part(other, form).columns)
    return TreeResult(
        name=name,
        predictions=predictions,
        valid_auc=auc(valid.labels, predicted, valid.weights),
        valid_logloss=logloss(valid.labels, predicted, valid.weights),
        iterations=booster.iterations,
        seconds=time.monotonic() - start,
        form=form,
        size_bytes=booster.size_bytes(),
        cut=cut,
    )


def best_form(results: Sequence[TreeResult]) -> TreeResult:
    """Return the result with the best validation AUC of one library's forms, with the seconds and cuts of all."""
    order = FORMS[results[0].name]
    best = min(results, key=lambda result: (-result.valid_auc, order.index(result.form)))
    seconds, cut = sum(result.seconds for result in results), any(result.cut for result in results)
    return replace(best, seconds=seconds, cut=cut)


def _check(dataset: EncodedDataset, raw_numbers: Floats | None) -> None:
    for part in ("train", "valid"):
        rows = dataset.parts.get(part, slice(0, 0))
        if rows.stop <= rows.start:
            raise DataError(f"'{part}' has no rows, which a tree baseline needs; change the split.")
        if len(np.unique(dataset.labels[rows])) < 2:
            raise DataError(
                f"Every label in '{part}' is {dataset.labels[rows][0]:g}, and a tree baseline needs both classes; "
                "check the target column or the split."
            )
    expected = (len(dataset.ids), len(dataset.encoder.number_fields))
    if raw_numbers is not None and raw_numbers.shape != expected:
        raise DataError(f"raw_numbers has shape {raw_numbers.shape}; give shape {expected}.")


def distinct_forms(name: str, dataset: EncodedDataset) -> tuple[Form, ...]:
    """Return the forms that differ for this data.

    Without numbers `mixed` and `both` are `categorical`; with numbers only, `mixed` is `numbers`.
    """
    numbers = len(dataset.encoder.number_fields)
    same: dict[Form, Form] = {}
    if numbers == 0:
        same = {"mixed": "categorical", "both": "categorical"}
    elif numbers == dataset.ids.shape[1]:
        same = {"mixed": "numbers"}
    return tuple(dict.fromkeys(same.get(form, form) for form in FORMS[name]))


def _columns(dataset: EncodedDataset, rows: slice, form: Form, raw_numbers: Floats | None) -> _Columns:
    """Return the columns of `form`: codes, then values, then counts; float32 if that holds them all exactly."""
    encoder = dataset.encoder
    names = [field.name for field in encoder.schema.fields]
    numbers = [names.index(field) for field in encoder.number_fields]
    others = [field for field in range(len(names)) if field not in numbers]
    everything = list(range(len(names)))
    codes, values, counts = {
        "categorical": (everything, False, []),
        "mixed": (others, True, numbers),
        "numbers": ([], True, everything),
        "both": (everything, True, []),
    }[form]
    wide = max(encoder.cardinalities) >= 2**24 or (values and raw_numbers is not None)
    width = len(codes) + values * len(numbers) + len(counts)
    table = np.empty((rows.stop - rows.start, width), dtype=np.float64 if wide else np.float32)
    table[:, : len(codes)] = dataset.ids[rows][:, codes]
    if values:
        source = dataset.numbers if raw_numbers is None else raw_numbers
        table[:, len(codes) : len(codes) + len(numbers)] = source[rows]
    for column, field in enumerate(counts, start=width - len(counts)):
        table[:, column] = encoder.counts[field][dataset.ids[rows, field]]
    return _Columns(table, np.arange(width) < len(codes))


def _fit_lightgbm(train: _Part, valid: _Part, setting: _Setting) -> _Booster:
    lightgbm = _library("lightgbm")
    categorical = np.flatnonzero(train.columns.categorical).tolist()

    def dataset(part: _Part, reference: Any = None) -> Any:
        return lightgbm.Dataset(
            part.columns.values,
            label=part.labels,
            weight=part.weights,
            categorical_feature=categorical,
            reference=reference,
            params={"verbosity": -1},
        )

    cut = False

    def stop_in_time(environment: Any) -> None:
        nonlocal cut
        if time.monotonic() > setting.deadline:
            cut = True
            raise lightgbm.callback.EarlyStopException(
                environment.iteration, environment.evaluation_result_list
            )

    # It runs after `record_evaluation` (20) and `early_stopping` (30), or the last tree would not be measured.
    vars(stop_in_time)["order"] = 40
    measured: dict[str, dict[str, list[float]]] = {}
    metric = _NAMES["lightgbm"][setting.metric]
    training = dataset(train)
    model = lightgbm.train(
        {
            **LIGHTGBM,
            "metric": metric,
            "learning_rate": 0.05,
            "seed": setting.seed,
            "num_threads": setting.threads,
            **setting.parameters,
        },
        training,
        num_boost_round=setting.rounds,
        valid_sets=[dataset(valid, training)],
        valid_names=["valid"],
        callbacks=[
            lightgbm.record_evaluation(measured),
            lightgbm.early_stopping(_PATIENCE, verbose=False),
            stop_in_time,
        ],
    )
    # Whether patience or the clock ended the training, keep the trees up to the best evaluation.
    kept = int(np.argmax(_SIGNS[setting.metric] * np.array(measured["valid"][metric]))) + 1
    return _Booster(
        predict=lambda columns: np.asarray(
            model.predict(columns.values, num_iteration=kept), dtype=np.float64
        ),
        iterations=kept,
        size_bytes=lambda: len(model.model_to_string(num_iteration=kept).encode()),
        cut=cut,
    )


def _fit_catboost(train: _Part, valid: _Part, setting: _Setting) -> _Booster:
    catboost = _library("catboost")

    def pool(columns: _Columns, part: _Part | None = None) -> Any:
        return catboost.Pool(
            _frame(columns),
            label=None if part is None else part.labels.astype(np.int8),
            weight=None if part is None else part.weights,
            cat_features=np.flatnonzero(columns.categorical).tolist(),
            thread_count=setting.threads,
        )

    class StopInTime:
        cut = False

        def after_iteration(self, info: Any) -> bool:
            self.cut = time.monotonic() > setting.deadline
            return not self.cut

    stop_in_time = StopInTime()

    model = catboost.CatBoostClassifier(
        iterations=setting.rounds,
        loss_function="Logloss",
        eval_metric=_NAMES["catboost"][setting.metric],
        od_type="Iter",
        od_wait=_PATIENCE,
        use_best_model=True,
        random_seed=setting.seed,
        thread_count=setting.threads,
        logging_level="Silent",
        allow_writing_files=False,
        **setting.parameters,
    )
    try:
        model.fit(pool(train.columns, train), eval_set=pool(valid.columns, valid), callbacks=[stop_in_time])
    except catboost.CatBoostError as error:
        raise DataError(f"CatBoost refused the training rows: {' '.join(str(error).split())}") from error
    return _Booster(
        predict=lambda columns: np.asarray(model.predict_proba(pool(columns))[:, 1], dtype=np.float64),
        iterations=int(model.tree_count_),
        size_bytes=lambda: _catboost_size(model),
        cut=stop_in_time.cut,
    )


def _frame(columns: _Columns) -> pd.DataFrame:
    """Return a frame in which codes have integer types: CatBoost takes categories only as integers or strings."""
    return pd.DataFrame(
        {
            str(position): values.astype(np.int32) if is_code else values
            for position, (values, is_code) in enumerate(
                zip(columns.values.T, columns.categorical, strict=True)
            )
        }
    )


def _catboost_size(model: Any) -> int:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.cbm"
        model.save_model(str(path))
        return path.stat().st_size


def _library(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise MissingDependencyError(
            f"The package of the baseline '{name}' is not installed; pip install 'autofi[baselines]'."
        ) from error


_TRAINERS: dict[str, Callable[[_Part, _Part, _Setting], _Booster]] = {
    "lightgbm": _fit_lightgbm,
    "catboost": _fit_catboost,
}
