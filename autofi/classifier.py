"""AutoFI as a scikit-learn estimator, with scikit-learn's inputs and conventions."""

from __future__ import annotations

import tempfile
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import torch
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import check_random_state
from sklearn.utils.multiclass import check_classification_targets, type_of_target
from sklearn.utils.validation import (
    _check_sample_weight,
    assert_all_finite,
    check_consistent_length,
    check_is_fitted,
    column_or_1d,
    validate_data,
)

from autofi.api.search import search
from autofi.bundle.files import FORMS, forms_of, quantization_of
from autofi.bundle.load import load
from autofi.bundle.predictor import Predictor
from autofi.core.progress import Progress
from autofi.data.schema_overrides import SchemaOverrides
from autofi.errors import ConfigError, nearest
from autofi.readers import open_table
from autofi.study.study import Study, open_study

if TYPE_CHECKING:
    from sklearn.utils import Tags

Floats = npt.NDArray[np.float64]


class AutoFIClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """An estimator for two classes that searches an architecture and predicts with the retrained winner.

    `fit` runs `autofi.search` on the rows, without a stratified part for validation, and keeps the exported
    winner in memory, so that a fitted estimator can be pickled. Tables are pandas or Polars frames, Arrow
    tables, or arrays of numbers; missing values are fine in all of them. Columns are read by the rules of
    `autofi.inspect_table`: numbers with a fraction as numeric, text and integers as categorical.

    Args:
        space: Name or YAML file of a search space.
        trials: Number of architectures trained from scratch.
        seeds: Times the winner is retrained; the best on validation rows predicts.
        baselines: Models that `summary_` compares the winner with; none by default.
        device: `auto`, `cpu` or `cuda`.
        random_state: Seed of everything random.
        timeout: Seconds that `fit` may take, and the time of one training more; what does not fit is left out.
        validation_fraction: Share of each class that is held out for validation.
        storage: Database to keep the study in; without one the study is forgotten after `fit`.
        study: Name of the study in that database; a new one by default.
        categorical: Columns, by name or position, to read as categorical.
        numeric: Columns, by name or position, to read as numeric.
        multi_valued: Columns of text with several values in a cell, by name or position, and their separator, such as
            `{"genres": "|"}`. Columns of lists are multi-valued by themselves.
    """

    def __init__(
        self,
        space: str | Path = "default",
        *,
        trials: int | None = None,
        seeds: int = 1,
        baselines: Sequence[str] = (),
        device: str = "auto",
        random_state: int | np.random.RandomState | None = None,
        timeout: float | None = None,
        validation_fraction: float = 0.1,
        storage: str | None = None,
        study: str | None = None,
        categorical: Sequence[str | int] = (),
        numeric: Sequence[str | int] = (),
        multi_valued: Mapping[str | int, str] | None = None,
    ) -> None:
        self.space = space
        self.trials = trials
        self.seeds = seeds
        self.baselines = baselines
        self.device = device
        self.random_state = random_state
        self.timeout = timeout
        self.validation_fraction = validation_fraction
        self.storage = storage
        self.study = study
        self.categorical = categorical
        self.numeric = numeric
        self.multi_valued = multi_valued

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Search, retrain and keep the winner; rows of weight 0 are left out.

        Sets `classes_`, `n_features_in_`, `feature_names_in_` (where columns have text names), `architecture_`,
        `summary_` (the output of `autofi search --json`), and `feature_importances_`: the rise of the logloss of
        validation rows when a column is shuffled among them, in the order of the columns. Importances are not
        normalized; that of a useless column may be a little below 0, and that of an unread column is 0.
        """
        table, labels = self._checked(X, y)
        weights = None
        if sample_weight is not None:
            weights = _check_sample_weight(
                sample_weight, table, dtype=np.float64, ensure_non_negative=True, allow_all_zero_weights=False
            )
            heavy = np.flatnonzero(weights > 0)
            table, labels, weights = table.take(pa.array(heavy)), labels[heavy], weights[heavy]
        check_classification_targets(labels)
        kind = type_of_target(labels, input_name="y")
        if kind != "binary":
            raise ValueError(f"Only binary classification is supported. The type of the target is {kind}.")
        classes, codes = np.unique(labels, return_inverse=True)
        if len(classes) < 2:
            raise ValueError(f"y holds one class only, {classes[0]!r}; a classifier needs two classes.")
        generator = check_random_state(self.random_state)
        train, valid = _stratified(codes, self.validation_fraction, generator)
        columns = table.column_names
        target, weight = _unused("target", columns), _unused("weight", columns)
        overrides = SchemaOverrides(
            categorical=_named(self.categorical, columns, "categorical"),
            numeric=_named(self.numeric, columns, "numeric"),
            multi_valued=_separators(self.multi_valued or {}, columns),
            weight=None if weights is None else weight,
        )
        table = table.append_column(target, pa.array(codes.astype(np.int8)))
        if weights is not None:
            table = table.append_column(weight, pa.array(weights))
        name = self._study_name()
        with _storage(self.storage) as storage, torch.random.fork_rng():
            study = search(
                table.take(pa.array(train)),
                valid=table.take(pa.array(valid)),
                target=target,
                overrides=overrides,
                space=self.space,
                study=name,
                storage=storage,
                trials=self.trials,
                timeout=self.timeout,
                seeds=self.seeds,
                device=self.device,
                seed=int(generator.randint(2**31 - 1)),
                baselines=tuple(self.baselines),
            )
            summary, architecture = study.summary(), study.best
            measured = study.findings().permutation
            importance = {} if measured is None else measured.by_field()
            with tempfile.TemporaryDirectory(prefix="autofi-") as folder:
                path = study.export(Path(folder) / "bundle", forms=("torch",))
                bundle = _files(path)
            study.close()
        self.classes_ = classes
        self.summary_ = summary if self.storage is not None else summary | {"storage": None}
        self.architecture_ = architecture
        self.feature_importances_ = np.array([importance.get(column, 0.0) for column in columns])
        self._columns, self._bundle, self._kept_as = columns, bundle, name
        self._predictor = _load(bundle)
        return self

    @property
    def study_(self) -> Study:
        """The study in its storage, opened again; raises AttributeError where `fit` had no storage."""
        check_is_fitted(self)
        if self.storage is None:
            raise AttributeError(
                "This estimator was fitted without a storage, so its study is not kept; give storage=, such as "
                "'studies/autofi.db', and fit again."
            )
        return open_study(self._kept_as, self.storage)

    def predict_proba(self, X: Any) -> Floats:
        """Return the probability of either class, `[N, 2]`, in the order of `classes_`."""
        second = self._probabilities(X)
        return np.column_stack([1.0 - second, second])

    def decision_function(self, X: Any) -> Floats:
        """Return the logit of the second class, `[N]`; that class is predicted where it is above 0."""
        second = self._probabilities(X)
        inside = np.clip(second, np.finfo(np.float64).tiny, 1.0 - np.finfo(np.float64).epsneg)
        logits: Floats = np.log(inside) - np.log1p(-inside)
        return logits

    def predict(self, X: Any) -> npt.NDArray[Any]:
        """Return the more likely class, `[N]`."""
        second = self._probabilities(X) > 0.5
        found: npt.NDArray[Any] = self.classes_[second.astype(np.intp)]
        return found

    def export(
        self,
        path: str | Path,
        *,
        forms: Sequence[str] = FORMS,
        quantize: str | None = None,
        progress: Progress | None = None,
    ) -> Path:
        """Write the winner as a folder for `autofi.load` and `autofi predict`, as `Study.export` does.

        The bundle predicts the second of `classes_`, and reads the columns of arrays as x0, x1, ...
        """
        from autofi.export.export import export_bundle

        check_is_fitted(self)
        chosen = forms_of(forms)
        smaller = quantization_of(quantize, chosen)
        with tempfile.TemporaryDirectory(prefix="autofi-") as folder:
            _write_files(self._bundle, Path(folder))
            export_bundle(folder, path, forms=chosen, quantize=smaller, progress=progress)
        return Path(path)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_class = False
        tags.input_tags.allow_nan = True
        return tags

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "_bundle")

    def __getstate__(self) -> dict[str, Any]:
        state: dict[str, Any] = super().__getstate__()
        return {name: value for name, value in state.items() if name != "_predictor"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        if "_bundle" in state:
            self._predictor = _load(state["_bundle"])

    def _checked(self, X: Any, y: Any) -> tuple[pa.Table, npt.NDArray[Any]]:
        """Return table and labels; errors are those of scikit-learn."""
        if not _is_frame(X):
            X, y = validate_data(self, X, y, ensure_all_finite="allow-nan")
            return _arrow(X), np.asarray(y)
        validate_data(self, X, y, skip_check_array=True)
        y = column_or_1d(y, warn=True)
        assert_all_finite(y, input_name="y")
        check_consistent_length(X, y)
        return _arrow(X), y

    def _probabilities(self, X: Any) -> Floats:
        check_is_fitted(self)
        if _is_frame(X):
            validate_data(self, X, reset=False, skip_check_array=True)
        else:
            X = validate_data(self, X, reset=False, ensure_all_finite="allow-nan")
        return self._predictor.predict_proba(_arrow(X).rename_columns(self._columns))

    def _study_name(self) -> str:
        if self.study is not None and self.storage is None:
            raise ConfigError(
                f"study='{self.study}' needs a storage, and there is none; give storage=, such as "
                "'studies/autofi.db', or leave the name out."
            )
        return self.study or f"classifier-{uuid.uuid4().hex[:8]}"


def _is_frame(X: Any) -> bool:
    """Return True where columns have names and types of their own: pandas, Polars, Arrow."""
    return hasattr(X, "__arrow_c_stream__") and hasattr(X, "columns")


def _arrow(X: Any) -> pa.Table:
    if isinstance(X, np.ndarray):
        return pa.table({f"x{place}": pa.array(column) for place, column in enumerate(X.T)})
    table = open_table(X)
    return pa.Table.from_batches(table.batches())


def _stratified(
    codes: npt.NDArray[np.intp], fraction: float, generator: np.random.RandomState
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Return training rows and validation rows with both classes in each; a class of one row is in both."""
    if not 0.0 < fraction < 1.0:
        raise ConfigError(f"validation_fraction={fraction} is not between 0 and 1; give for example 0.1.")
    validate = np.zeros(len(codes), dtype=bool)
    both = []
    for code in (0, 1):
        rows = np.flatnonzero(codes == code)
        if len(rows) == 1:
            both.append(rows)
        else:
            count = min(max(1, round(fraction * len(rows))), len(rows) - 1)
            validate[generator.permutation(rows)[:count]] = True
    alone = np.concatenate([np.empty(0, dtype=np.intp), *both])
    return np.flatnonzero(~validate), np.sort(np.concatenate([np.flatnonzero(validate), alone]))


def _unused(name: str, columns: Sequence[str]) -> str:
    while name in columns:
        name += "_"
    return name


def _separators(chosen: Mapping[str | int, str], columns: Sequence[str]) -> dict[str, str]:
    """Return the separators by column name, from names and positions."""
    names = _named(list(chosen), columns, "multi_valued")
    return dict(zip(names, chosen.values(), strict=True))


def _named(chosen: Sequence[str | int], columns: Sequence[str], parameter: str) -> tuple[str, ...]:
    """Return the names of columns, from names and positions."""
    names = []
    for column in chosen:
        if isinstance(column, str) and column not in columns:
            raise ConfigError(
                f"{parameter} has '{column}', which is not a column of X; {nearest(column, columns)}"
            )
        if not isinstance(column, str) and not 0 <= column < len(columns):
            raise ConfigError(f"{parameter} has the position {column}, but X has {len(columns)} columns.")
        names.append(column if isinstance(column, str) else columns[column])
    return tuple(names)


@contextmanager
def _storage(storage: str | None) -> Iterator[str]:
    """Yield the given storage, or a temporary one."""
    if storage is not None:
        yield storage
        return
    with tempfile.TemporaryDirectory(prefix="autofi-", ignore_cleanup_errors=True) as folder:
        yield str(Path(folder) / "autofi.db")


def _files(folder: Path) -> dict[str, bytes]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def _write_files(files: dict[str, bytes], folder: Path) -> None:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)


def _load(files: dict[str, bytes]) -> Predictor:
    with tempfile.TemporaryDirectory(prefix="autofi-") as folder:
        _write_files(files, Path(folder))
        return load(folder)
