"""A check of LightGBM's text format of boosted trees, before LightGBM reads it.

LightGBM's reader trusts its texts: it follows the numbers of children, offsets and features in them. A forged text
makes it read outside its memory, or loop for ever.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

_END = "end of trees"
_WHOLE = r"-?[0-9]{1,9}"
_REAL = r"-?[0-9]+(\.[0-9]*)?([eE][+-]?[0-9]{1,4})?"
_HEADER = {
    "version": r"v[0-9]",
    "num_class": "1",
    "num_tree_per_iteration": "1",
    "label_index": _WHOLE,
    "max_feature_idx": _WHOLE,
    "objective": r"binary sigmoid:1",
    "feature_names": r"(Column_[0-9]+ ?)+",
    "feature_infos": r"[^\x00]*",
    # Offsets of trees, to which the reader would jump. Without them it reads one tree after the other.
    "tree_sizes": r"[0-9 ]*",
}
_OF_A_TREE = {
    "num_leaves", "num_cat", "split_feature", "split_gain", "threshold", "decision_type", "left_child", "right_child",
    "leaf_value", "leaf_weight", "leaf_count", "internal_value", "internal_weight", "internal_count", "is_linear",
    "shrinkage",
}  # fmt: skip
_OF_SPLITS = (
    "split_feature", "split_gain", "threshold", "decision_type", "left_child", "right_child", "internal_value",
    "internal_weight", "internal_count",
)  # fmt: skip
_OF_LEAVES = ("leaf_value", "leaf_weight", "leaf_count")
#: Bits of a decision: 1 is a category, 2 the direction of missing values, 4 and 8 the kind of missing values.
_DECISIONS = {0, 2, 4, 6, 8, 10}


def checked_trees(text: str, features: int | None) -> str:
    """Return the trees as a text that is safe to read.

    Args:
        text: The text of the trees.
        features: Number of columns that the trees must read; None accepts any.

    Raises:
        ValueError: LightGBM has not written this text.
    """
    head, *blocks = text.partition(_END)[0].split("\nTree=")
    lines = list(_pairs(head.removeprefix("tree\n")))
    if not head.startswith("tree\n") or text.count(_END) != 1:
        raise ValueError("the text of trees has no beginning or no end")
    for key, value in lines:
        if key not in _HEADER or not re.fullmatch(_HEADER[key], value):
            raise ValueError(f"the text of trees begins with {key[:40]!a} and {value[:40]!a}")
    header = dict(lines)
    if len(header) < len(lines) or not {"max_feature_idx", "objective", "num_class"} <= header.keys():
        raise ValueError("the text of trees lacks a key, or has one twice")
    told = int(header["max_feature_idx"]) + 1
    if features not in (None, told):
        raise ValueError(f"the trees read {told} columns, not {features}")
    for number, block in enumerate(blocks):
        place, _, rest = block.partition("\n")
        if place != str(number):
            raise ValueError(f"tree {number} has the number {place[:40]!a}")
        try:
            _check_tree(dict(_pairs(rest)), told)
        except (KeyError, OverflowError, ValueError) as error:
            raise ValueError(f"tree {number}: {error}") from error
    # The lines after the trees (importances, parameters) are not needed.
    kept = "".join(f"{key}={value}\n" for key, value in lines if key != "tree_sizes")
    return f"tree\n{kept}" + "".join(f"\nTree={block}" for block in blocks) + f"{_END}\n"


def _pairs(block: str) -> Iterator[tuple[str, str]]:
    for line in block.split("\n"):
        key, equals, value = line.partition("=")
        if equals:
            yield key, value
        elif line:
            raise ValueError(f"the line {line[:40]!a} is not a key and a value")


def _check_tree(values: dict[str, str], features: int) -> None:
    if unknown := values.keys() - _OF_A_TREE:
        raise ValueError(f"unknown key {min(unknown)[:40]!a}")
    for key in ("num_leaves", "num_cat", "is_linear"):
        if not re.fullmatch(r"[0-9]{1,7}", values.get(key, "0")):
            raise ValueError(f"{key} is {values[key][:40]!a}, not a number")
    leaves = int(values["num_leaves"])
    if leaves < 1 or int(values["num_cat"]) or int(values.get("is_linear", "0")):
        raise ValueError("it has no leaves, or categories, or linear models in its leaves")
    if not re.fullmatch(_REAL, values.get("shrinkage", "1")):
        raise ValueError(f"shrinkage is {values['shrinkage'][:40]!a}, not a number")
    splits = leaves - 1
    for key in (*_OF_LEAVES, *_OF_SPLITS):
        # A tree of one leaf has no splits, and only the value of its leaf.
        count = leaves if key in _OF_LEAVES else splits
        found = _numbers(values.get(key, ""), key)
        if len(found) != count and (key in ("leaf_value",) or (splits and key != "split_gain") or len(found)):
            raise ValueError(f"{key} has {len(found)} numbers, not {count}")
    if splits:
        _check_shape(values, splits, features)


def _check_shape(values: dict[str, str], splits: int, features: int) -> None:
    read = _numbers(values["split_feature"], "split_feature")
    if read.min() < 0 or read.max() >= features or (read % 1).any():
        raise ValueError(f"a split reads column {read.max():.0f} of {features} columns")
    if not set(_numbers(values["decision_type"], "decision_type").tolist()) <= _DECISIONS:
        raise ValueError("a split has a decision other than a comparison of numbers")
    children = np.concatenate([_numbers(values[key], key) for key in ("left_child", "right_child")])
    parents = np.tile(np.arange(splits), 2)
    inner = children >= 0
    # A child is a later split, or leaf k as -k - 1; each but the first split is the child of one.
    if (children[inner] <= parents[inner]).any():
        raise ValueError("a split comes before its parent")
    expected = np.concatenate([np.arange(-splits - 1, 0), np.arange(1, splits)])
    if not np.array_equal(np.sort(children), expected):
        raise ValueError("a split or leaf is not the child of exactly one split")


def _numbers(text: str, key: str) -> NDArray[np.float64]:
    try:
        found = np.array(text.split(" ") if text else [], dtype=np.float64)
    except ValueError:
        raise ValueError(f"{key} holds {text[:40]!a}, not numbers") from None
    # A split that sends all numbers to one side, and missing values to the other, has an infinite threshold.
    if np.isnan(found).any() or (key != "threshold" and np.isinf(found).any()):
        raise ValueError(f"{key} holds numbers that are not finite")
    return found
