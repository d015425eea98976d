"""A small random table of every kind of field, and what operators are built from."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import numpy as np
import torch

from autofi.data.crosses import Crosses
from autofi.data.features import Column, Features, Pair
from autofi.operators.base import Operator, Shapes, Sizes
from autofi.operators.registry import get_operator

CARDINALITIES = (7, 5, 6, 9, 8)
KEPT = (5, 5, 6, 6, 7)
PAIRS: tuple[Pair, ...] = tuple(combinations(range(5), 2))
COLUMNS: tuple[Column, ...] = (*((field,) for field in range(5)), *PAIRS)
NUMBER_FIELDS, NUMBER_BINS = (2, 4), (3, 5)
BAGS = {3: ("tags", 6)}
SIZES = Sizes(embedding_dim=4, cross_dim=3, factor_dim=5, unified_rows=23)
MIN_COUNT = 1


def fitted_crosses(ids: np.ndarray) -> Crosses:
    return Crosses.fit(ids, CARDINALITIES, PAIRS, min_count=MIN_COUNT)


def random_features(rows: int, seed: int = 0, *, fitted_on: np.ndarray | None = None) -> Features:
    """Rows whose crosses are looked up in those of `fitted_on`, or of the rows themselves."""
    rng = np.random.default_rng(seed)
    ids = np.column_stack([rng.integers(0, c, rows) for c in CARDINALITIES]).astype(np.int32)
    numbers = np.column_stack([rng.uniform(0, bins, rows) for bins in NUMBER_BINS]).astype(np.float32)
    numbers[rng.random(numbers.shape) < 0.2] = np.nan
    lengths = rng.integers(0, 4, rows)
    bag = rng.integers(0, BAGS[3][1], (rows, 4)).astype(np.int32)
    bag[np.arange(4) >= lengths[:, None]] = -1
    counts = rng.integers(0, 50, (rows, len(COLUMNS)))
    clicks = rng.binomial(counts, 0.3)
    return Features(
        ids=ids,
        numbers=numbers,
        bags={"tags": bag},
        pairs=PAIRS,
        crosses=fitted_crosses(ids if fitted_on is None else fitted_on).transform(ids),
        columns=COLUMNS,
        statistics=np.stack((counts, clicks), axis=-1).astype(np.float32),
    )


def shapes_for(features: Features, *, cross_min_count: int = MIN_COUNT) -> Shapes:
    crosses = fitted_crosses(features.ids)
    return Shapes(
        names=("color", "size", "price", "tags", "id"),
        cardinalities=CARDINALITIES,
        kept=KEPT,
        number_fields=NUMBER_FIELDS,
        number_bins=NUMBER_BINS,
        bags=dict(BAGS),
        cross_rows=dict(zip(PAIRS, crosses.sizes_at(cross_min_count), strict=True)),
        prior=0.25,
        log_counts={column: (1.0 + 0.1 * number, 0.5) for number, column in enumerate(COLUMNS)},
        counts=tuple(
            np.bincount(ids, minlength=cardinality)
            for ids, cardinality in zip(features.ids.T, CARDINALITIES, strict=True)
        ),
    )


def slots_of(name: str, shapes: Shapes) -> list[Column]:
    """Every slot of the table that the operator can be built for."""
    operator = get_operator(name)
    return [slot for slot in COLUMNS if len(slot) == operator.arity and operator.applies(slot, shapes)]


def build(name: str, slots: list[Column], shapes: Shapes, *, seed: int = 0, sizes: Sizes = SIZES) -> Operator:
    """The operator with seeded weights, every parameter moved away from its initial value, as it scores rows."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        operator = get_operator(name)(slots, shapes, sizes)
        with torch.no_grad():
            for parameter in operator.parameters():
                parameter.add_(0.3 * torch.randn_like(parameter))
    return operator.eval()


def with_rows(features: Features, order: np.ndarray) -> Features:
    """The rows of an index."""
    assert features.crosses is not None and features.statistics is not None
    return replace(
        features,
        ids=features.ids[order],
        numbers=features.numbers[order],
        bags={name: bag[order] for name, bag in features.bags.items()},
        crosses=features.crosses[order],
        statistics=features.statistics[order],
    )
