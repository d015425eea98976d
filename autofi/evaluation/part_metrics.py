"""Metrics of a scored part of the data."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict

import numpy as np
import numpy.typing as npt

from autofi.data.encoded_rows import EncodedRows
from autofi.evaluation.workbench import Workbench
from autofi.metrics.calibration import ece, reliability
from autofi.metrics.ranking import auc, auc_interval, gauc, has_both_classes, has_mixed_group, logloss


def part_metrics(
    bench: Workbench, predictions: Mapping[str, npt.NDArray[np.floating]]
) -> dict[str, dict[str, float]]:
    """Return AUC, logloss and expected calibration error by part, for scored parts that have both classes.

    Rows are weighted as in training. `auc_error` is the standard error of the AUC over rows, each counted once. With
    groups there is also GAUC, if a group holds both classes.
    """
    found = {}
    for part, rows, labels in measurable_parts(bench, predictions):
        scores = predictions[part]
        found[part] = {
            "auc": auc(labels, scores, rows.weights),
            "auc_error": auc_interval(labels, scores).standard_error,
            "logloss": logloss(labels, scores, rows.weights),
            "ece": ece(labels, scores, rows.weights),
        }
        if rows.groups is not None and has_mixed_group(labels, rows.groups):
            found[part]["gauc"] = gauc(labels, scores, rows.groups)
    return found


def reliability_tables(
    bench: Workbench, predictions: Mapping[str, npt.NDArray[np.floating]]
) -> dict[str, list[dict[str, float]]]:
    """Return the bins of the calibration error (`ece`), by part."""
    return {
        part: [asdict(found) for found in reliability(labels, predictions[part], rows.weights)]
        for part, rows, labels in measurable_parts(bench, predictions)
    }


def measurable_parts(
    bench: Workbench, parts: Iterable[str]
) -> Iterator[tuple[str, EncodedRows, npt.NDArray[np.floating]]]:
    """Yield the parts with both classes among rows with a weight, with their rows and labels."""
    for part in parts:
        rows = bench.dataset.rows(part)
        labels = np.asarray(rows.labels)
        if has_both_classes(labels, rows.weights):
            yield part, rows, labels
