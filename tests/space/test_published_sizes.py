"""Spaces of a single point on a table with Frappe's vocabulary: as many parameters as their published logs tell.

Of every count the differences are known and said here, to the last one.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

from autofi.data.load import open_data
from autofi.evaluation.single_point import baseline
from autofi.evaluation.workbench import Workbench
from autofi.model.build import build_network
from autofi.store.search_settings import SearchSettings
from tests.operators.stream_examples import FRAPPE

ROWS, DIM = FRAPPE.rows, FRAPPE.dim
#: The published logs of DeepFM and AutoInt+ are of an older version, whose tables had a row less.
LATER_ROWS = len(ROWS)
#: Of the head; theirs has it in a stream or not at all.
BIAS = 1


@pytest.fixture(scope="module")
def bench() -> Workbench:
    row = np.arange(max(ROWS))
    table = pd.DataFrame({f"f{place}": row % (rows - 2) for place, rows in enumerate(ROWS)}).astype(str)
    held_out = table.head(100)
    table = pd.concat([table, held_out, held_out], ignore_index=True)
    table["part"] = ["train"] * len(row) + ["valid"] * 100 + ["test"] * 100
    table["click"] = np.arange(len(table)) % 2
    settings = SearchSettings(None, "click", split="column:part")
    return Workbench(open_data(table, settings), device=torch.device("cpu"), seed=0)


@pytest.mark.parametrize(
    ("space", "published", "more"),
    [
        ("finalnet", 338_502, BIAS),
        # A vector and a weight per value.
        ("deepfm", 423_280, (DIM + 1) * LATER_ROWS + BIAS),
        ("autoint", 622_180, DIM * LATER_ROWS),
        # Theirs has a table of its own for each gate's context, user and item, and a bias for each MLP's logit. Ours
        # reads the vectors that there are; the space names no context, so that it suits any table: each gate then
        # learns one vector.
        ("finalmlp", 253_392, 2 * DIM + BIAS - DIM * (ROWS[0] + ROWS[1]) - 2),
    ],
)
def test_parameters_are_the_published_ones_but_for(
    bench: Workbench, space: str, published: int, more: int
) -> None:
    architecture = baseline(space, bench)
    builder, _ = bench.features(architecture)
    network = build_network(architecture, builder, seed=0)
    assert network.num_parameters() == published + more
