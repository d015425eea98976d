"""Boosted trees in the graph: their inputs from numbers and target encodings, and the trees themselves."""

from __future__ import annotations

import importlib
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from autofi.data.boosted_columns import value_columns
from autofi.data.boosted_trees import BoostedTrees
from autofi.data.lightgbm_text import checked_trees
from autofi.data.number_bins import OFFSET
from autofi.data.vocabulary import MISSING
from autofi.errors import ExportError
from autofi.export.onnx_cross_lookup import cell_rows, cell_values
from autofi.export.onnx_opset import Var, ml, op, rows_of


def boosted_logits(ids: Var, numbers: Var | None, trees: BoostedTrees) -> Var:
    """Return the mean logit of all trees, float32 `[N]`.

    Target encodings are looked up, not computed: a rate that differs in its last bit could pass a threshold.

    Args:
        ids: Codes, int64 `[N, F]`.
        numbers: Float32 `[N, Q]`; None without any.
        trees: The trees.
    """
    if not trees.models:
        prior = math.log(trees.prior / (1 - trees.prior))
        return op.expand(op.const(np.float32(prior)), rows_of(ids))
    found = _of_fields(ids, trees)
    if trees.crosses:
        crossed = trees.statistics.subset(trees.crosses)
        values = value_columns(cell_values(crossed), trees.prior)
        cells = cell_rows(_with_bins(ids, numbers, trees), crossed)
        found = op.concat([found, op.gather(op.const(values), cells, axis=0)], axis=1)
    halves = [op.squeeze(_of_last(found, half), op.const(np.array([2], dtype=np.int64))) for half in (0, 1)]
    read = op.concat([*([] if numbers is None else [numbers]), *halves], axis=1)
    return op.squeeze(_ensemble(op.cast(read, to=np.float64), trees), op.const(np.array([1], dtype=np.int64)))


def _with_bins(ids: Var, numbers: Var | None, trees: BoostedTrees) -> Var:
    """Return the codes with the bins of numbers, as `data.number_bins.with_bins` makes them, int64 `[N, F + Q]`."""
    if numbers is None or len(trees.statistics.cardinalities) == trees.fields:
        return ids
    missing = op.isnan(numbers)
    known = op.where(missing, op.const(np.float32(0)), op.add(numbers, op.const(np.float32(OFFSET))))
    bins = op.add(op.cast(op.floor(known), to=np.int64), op.const(np.int64(1)))
    return op.concat([ids, op.where(missing, op.const(np.int64(MISSING)), bins)], axis=1)


def _of_fields(ids: Var, trees: BoostedTrees) -> Var:
    """Return the target encodings of all fields as trees read them, float32 `[N, F, 2]`, by a table of all codes."""
    fields, cardinalities = range(trees.fields), trees.statistics.cardinalities[: trees.fields]
    starts = np.cumsum([0, *cardinalities])
    values = np.zeros((starts[-1], 2), dtype=np.float32)
    for start, cardinality, place in zip(starts[:-1], cardinalities, fields, strict=True):
        every = np.zeros((cardinality, len(trees.statistics.cardinalities)), dtype=np.int32)
        every[:, place] = np.arange(cardinality)
        known = trees.statistics.subset([(place,)]).transform(every)
        values[start : start + cardinality] = value_columns(known, trees.prior)[:, 0]
    return op.gather(op.const(values), op.add(ids, op.const(starts[:-1].astype(np.int64))), axis=0)


def _of_last(array: Var, place: int) -> Var:
    """Return one entry of the last axis, which stays."""
    return op.gather(array, op.const(np.array([place], dtype=np.int64)), axis=2)


@dataclass
class _Nodes:
    """The nodes of all trees, in the lists that ONNX needs."""

    trees: list[int] = field(default_factory=list)
    numbers: list[int] = field(default_factory=list)
    features: list[int] = field(default_factory=list)
    modes: list[str] = field(default_factory=list)
    values: list[float] = field(default_factory=list)
    true: list[int] = field(default_factory=list)
    false: list[int] = field(default_factory=list)
    missing: list[int] = field(default_factory=list)
    leaf_trees: list[int] = field(default_factory=list)
    leaf_numbers: list[int] = field(default_factory=list)
    weights: list[float] = field(default_factory=list)

    def add_tree(self, number: int, root: Mapping[str, Any], share: float) -> None:
        waiting = [(0, root)]
        count = 1
        while waiting:
            place, node = waiting.pop()
            self.trees.append(number)
            self.numbers.append(place)
            if "leaf_value" in node:
                self._add("LEAF", 0, 0.0, 0, 0, 0)
                self.leaf_trees.append(number)
                self.leaf_numbers.append(place)
                self.weights.append(float(node["leaf_value"]) * share)
                continue
            if node["decision_type"] != "<=" or node["missing_type"] not in ("None", "NaN"):
                raise ExportError(
                    f"The trees have a split '{node['decision_type']}' with missing '{node['missing_type']}', which an "
                    "ONNX graph cannot express; export it with --format torch."
                )
            threshold = float(node["threshold"])
            # LightGBM treats a missing value as zero where training had none.
            left = bool(node["default_left"]) if node["missing_type"] == "NaN" else threshold >= 0
            self._add("BRANCH_LEQ", node["split_feature"], threshold, count, count + 1, int(left))
            waiting += [(count, node["left_child"]), (count + 1, node["right_child"])]
            count += 2

    def _add(self, mode: str, feature: int, value: float, true: int, false: int, missing: int) -> None:
        self.modes.append(mode)
        self.features.append(feature)
        self.values.append(value)
        self.true.append(true)
        self.false.append(false)
        self.missing.append(missing)


def _ensemble(read: Var, trees: BoostedTrees) -> Var:
    lightgbm = importlib.import_module("lightgbm")
    nodes = _Nodes()
    number = 0
    for model in trees.models:
        for tree in lightgbm.Booster(model_str=checked_trees(model, None)).dump_model()["tree_info"]:
            nodes.add_tree(number, tree["tree_structure"], 1 / len(trees.models))
            number += 1
    return ml.tree_ensemble_regressor(
        read,
        aggregate_function="SUM",
        n_targets=1,
        nodes_treeids=nodes.trees,
        nodes_nodeids=nodes.numbers,
        nodes_featureids=nodes.features,
        nodes_modes=nodes.modes,
        nodes_values_as_tensor=np.array(nodes.values),
        nodes_truenodeids=nodes.true,
        nodes_falsenodeids=nodes.false,
        nodes_missing_value_tracks_true=nodes.missing,
        target_ids=[0] * len(nodes.weights),
        target_nodeids=nodes.leaf_numbers,
        target_treeids=nodes.leaf_trees,
        target_weights_as_tensor=np.array(nodes.weights),
    )
