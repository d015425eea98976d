"""Small categorical tables whose clicks follow chosen cells, and supernets to be trained on them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import torch

from autofi.data.crosses import Crosses
from autofi.data.features import Features, Pair
from autofi.model.network import Streams
from autofi.operators.base import Shapes, Sizes
from autofi.space.head_config import HeadSizes
from autofi.supernet.supernet import Forms, Slot, Supernet
from autofi.training.row_source import Rows

FIELDS, CODES = 4, 8
PAIRS: tuple[Pair, ...] = tuple(combinations(range(FIELDS), 2))
HEAD = HeadSizes(hidden=(16,))


@dataclass(frozen=True)
class Table:
    features: Features
    shapes: Shapes
    labels: torch.Tensor
    logits: np.ndarray

    def rows(self, supernet: Supernet) -> Rows:
        return Rows(supernet.select(self.features), self.labels)


def cell_table(rows: int, effects: Mapping[Pair, float], seed: int = 0) -> Table:
    """Codes are even; the log-odds add a normal draw per cell of every pair in `effects`."""
    rng = np.random.default_rng(seed)
    ids = rng.integers(0, CODES, (rows, FIELDS)).astype(np.int32)
    logits = np.zeros(rows)
    for (left, right), deviation in effects.items():
        cells = rng.normal(0.0, deviation, (CODES, CODES))
        # Without its main effects, so that only the pair can explain it.
        cells = cells - cells.mean(0, keepdims=True) - cells.mean(1, keepdims=True) + cells.mean()
        logits += cells[ids[:, left], ids[:, right]]
    crosses = Crosses.fit(ids, [CODES] * FIELDS, PAIRS, min_count=1)
    shapes = Shapes(
        names=tuple("abcd"),
        cardinalities=(CODES,) * FIELDS,
        kept=(CODES,) * FIELDS,
        cross_rows=dict(zip(PAIRS, crosses.sizes, strict=True)),
        prior=0.5,
    )
    features = Features(
        ids=ids, numbers=np.empty((rows, 0), np.float32), pairs=PAIRS, crosses=crosses.transform(ids)
    )
    labels = torch.from_numpy((rng.random(rows) < 1 / (1 + np.exp(-logits))).astype(np.float32))
    return Table(features, shapes, labels, logits)


def slots_with(options: tuple[Forms, ...]) -> list[Slot]:
    """Every field embedded, every pair with these options."""
    return [Slot((field,), (("embedding",),)) for field in range(FIELDS)] + [
        Slot(pair, options) for pair in PAIRS
    ]


def make_supernet(
    table: Table,
    slots: list[Slot],
    head: HeadSizes = HEAD,
    *,
    seed: int = 0,
    field_sum: bool = False,
    streams: Sequence[Streams] = (),
) -> Supernet:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Supernet(slots, table.shapes, Sizes(4, 4, 4), head, field_sum=field_sum, streams=streams)
