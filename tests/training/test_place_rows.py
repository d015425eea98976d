"""Rows are kept in memory while what a network reads of them fits, and read by windows beyond."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from autofi.core.memmap import VARIABLE
from autofi.training.place_rows import WINDOW_SHARE, bytes_per_row, rows_for
from autofi.training.row_source import Rows
from autofi.training.windowed_rows import WindowedRows
from tests.training.test_fit import TABLE, make

LABELS = TABLE.labels.numpy()


def test_the_limit_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    network = make()
    selected = network.select(TABLE.features)
    size = sum(tensor.nbytes for tensor in selected.values())
    assert bytes_per_row(network, TABLE.features) * len(TABLE.features) == size
    monkeypatch.setenv(VARIABLE, str(size))
    inside = rows_for(network, TABLE.features, LABELS, 2 * LABELS)
    assert isinstance(inside, Rows)
    monkeypatch.setenv(VARIABLE, str(size - 1))
    outside = rows_for(network, TABLE.features, LABELS, 2 * LABELS)
    assert isinstance(outside, WindowedRows)
    assert outside.window == int((size - 1) * WINDOW_SHARE) // bytes_per_row(network, TABLE.features)
    every = torch.arange(len(TABLE.features))
    for here, there in zip(inside.tensors(), outside.take(every).tensors(), strict=True):
        assert torch.equal(here, there)
    assert outside.weights is not None and torch.equal(outside.weights, 2 * TABLE.labels)


def test_labels_are_copies() -> None:
    labels = np.zeros(len(TABLE.features), np.float32)
    rows = rows_for(make(), TABLE.features, labels)
    labels[:] = 1
    assert not rows.labels.any()
    assert rows.weights is None
