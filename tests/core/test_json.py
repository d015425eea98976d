from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path

import numpy as np
import pytest

from autofi.core.json import to_json_value, to_text


class Kind(StrEnum):
    PAIR = "pair"


def test_numpy_tuples_paths_and_enumerations_become_json() -> None:
    value = {
        Kind.PAIR: (np.float32(0.5), np.int64(3), np.bool_(True)),
        "array": np.arange(4).reshape(2, 2),
        "path": Path("a/b"),
        "kind": Kind.PAIR,
        "nothing": None,
        "yes": True,
    }
    expected = {
        "pair": [0.5, 3, True],
        "array": [[0, 1], [2, 3]],
        "path": str(Path("a/b")),
        "kind": "pair",
        "nothing": None,
        "yes": True,
    }
    assert to_json_value(value) == expected
    assert json.loads(to_text(value)) == expected


@pytest.mark.parametrize("value", [float("nan"), float("-inf"), np.float64("nan"), np.float32("inf")])
def test_what_browsers_cannot_read_is_missing(value: float) -> None:
    assert to_text([value]) == "[null]"


def test_what_json_cannot_hold_is_refused() -> None:
    with pytest.raises(TypeError, match="a set cannot be written as JSON"):
        to_json_value({"a": {1, 2}})
