"""The rows that models are compared on, and their shuffles, which are equal for all models and sets of fields."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from autofi.data.boosted_trees import BoostedTrees
from autofi.data.encoded_rows import EncodedRows
from autofi.data.feature_builder import FeatureBuilder
from autofi.data.features import Column, Features
from autofi.errors import ConfigError, DataError

Floats = npt.NDArray[np.float32]
Numbers = npt.NDArray[np.int64]
#: The fewest repeats that give an interval.
FEWEST_REPEATS = 2


@dataclass(frozen=True, eq=False)
class Draw:
    """Rows in one block per repeat; each block is sampled, and shuffled, separately.

    Every set of fields takes its values by the same order. Sets that share a field shuffle it alike, so that its effect
    cancels where their scores are compared.

    Attributes:
        rows: Encoded rows with labels, block after block, equally many in each.
        order: For every row, the row of its block whose value a shuffled field takes, `[N]`.
    """

    rows: EncodedRows
    order: Numbers
    repeats: int
    _logits: dict[tuple[Any, ...], Floats] = field(default_factory=dict, repr=False)

    def __len__(self) -> int:
        return len(self.order)

    @property
    def labels(self) -> npt.NDArray[np.float64]:
        """Clicks, float64 `[N]`."""
        return np.asarray(self.rows.labels, dtype=np.float64)

    def mean(self, values: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
        """Return means of values `[N, ...]` over the rows of every block, weighted as in training: `[repeats, ...]`."""
        blocks = np.asarray(values, dtype=np.float64).reshape(self.repeats, -1, *values.shape[1:])
        if self.rows.weights is None:
            return np.asarray(blocks.mean(1))
        weights = np.asarray(self.rows.weights, dtype=np.float64).reshape(self.repeats, -1)
        mean: npt.NDArray[np.float64] = np.einsum(
            "rn,rn...->r...", weights / weights.sum(1, keepdims=True), blocks
        )
        return mean

    def boosted(self, trees: BoostedTrees, features: Features, chosen: tuple[int, ...]) -> Floats:
        """Return the trees' logit of these rows with the fields `chosen` shuffled, for all models with these trees."""
        key = (trees.settings, trees.crosses, hash(trees.models), chosen)
        if key not in self._logits:
            self._logits[key] = trees.transform(features.ids, features.numbers)
        return self._logits[key]


def check_sizes(size: int, repeats: int) -> None:
    """Check that there are rows to shuffle and repeats for an interval.

    Raises:
        ConfigError: There are too few.
    """
    if size < 2 or repeats < FEWEST_REPEATS:
        raise ConfigError(
            f"rows is {size} and repeats is {repeats}; give 2 rows or more to shuffle, and {FEWEST_REPEATS} repeats or "
            "more for an interval."
        )


def draw_rows(rows: EncodedRows, *, size: int, repeats: int, seed: int) -> Draw:
    """Draw `repeats` blocks of at most `size` rows; blocks overlap only if there are too few rows.

    Raises:
        ConfigError: `check_sizes` refuses the sizes.
        DataError: The rows have one class.
    """
    check_sizes(size, repeats)
    labels = np.asarray(rows.labels)
    if len(np.unique(labels)) < 2:
        raise DataError(
            f"The {len(rows)} rows given have {len(np.unique(labels))} class, but scores of fields need both classes; "
            "choose another split."
        )
    generator = np.random.default_rng(seed)
    # Rows without weight are not drawn: a block of them would have no mean.
    known = np.arange(len(rows)) if rows.weights is None else np.flatnonzero(rows.weights)
    size = min(size, len(known))
    dealt: list[Numbers] = []
    left = np.empty(0, dtype=np.int64)
    for _ in range(repeats):
        if len(left) < size:
            left = generator.permutation(known)
        dealt.append(left[:size])
        left = left[size:]
    order = np.concatenate([number * size + generator.permutation(size) for number in range(repeats)])
    return Draw(_taken(rows, np.concatenate(dealt)), order, repeats)


def _taken(rows: EncodedRows, index: Numbers) -> EncodedRows:
    return EncodedRows(
        ids=rows.ids[index],
        numbers=rows.numbers[index],
        bags={name: bag[index] for name, bag in rows.bags.items()},
        labels=None if rows.labels is None else rows.labels[index],
        weights=None if rows.weights is None else rows.weights[index],
    )


class Shuffles:
    """The features that one builder makes of drawn rows, whichever fields are shuffled.

    Fields of a set move together, by the draw's order. A cross or target encoding of two fields is looked up again if
    one of them is shuffled, as the cell of values that may never have met; if both are, its values move with them. So
    every set of fields is composed of columns that are looked up once.
    """

    def __init__(self, draw: Draw, builder: FeatureBuilder) -> None:
        self.draw, self.builder = draw, builder
        encoder = builder.encoder
        self._names = tuple(encoder.schema.names)
        self._numbers = [self._names.index(name) for name in encoder.number_fields]
        # Trees come last, because they read the shuffled values.
        self.still = replace(builder, boosted=None).of_rows(replace(draw.rows, weights=None))
        self._crosses: dict[tuple[int, int], npt.NDArray[np.int32]] = {}
        self._statistics: dict[tuple[int, int], Floats] = {}
        for place in range(len(self._names)):
            ids = draw.rows.ids.copy()
            ids[:, place] = ids[draw.order, place]
            pairs = [number for number, pair in enumerate(builder.crosses.pairs) if place in pair]
            if pairs:
                found = builder.crosses.subset([builder.crosses.pairs[number] for number in pairs]).transform(
                    ids
                )
                self._crosses |= {(place, number): found[:, at] for at, number in enumerate(pairs)}
            columns = [
                number
                for number, column in enumerate(builder.statistics.columns)
                if len(column) > 1 and place in column
            ]
            if columns:
                chosen = builder.statistics.subset([builder.statistics.columns[number] for number in columns])
                values = chosen.transform(ids)
                self._statistics |= {(place, number): values[:, at] for at, number in enumerate(columns)}

    def features(self, chosen: Collection[int] = ()) -> Features:
        """Return features of the drawn rows, in their order, with the fields `chosen` shuffled together."""
        fields, still, order = tuple(sorted(chosen)), self.still, self.draw.order
        found = replace(
            still,
            ids=_moved(still.ids, fields, order),
            numbers=_moved(
                still.numbers, [at for at, place in enumerate(self._numbers) if place in fields], order
            ),
            bags={
                name: bag[order] if self._names.index(name) in fields else bag
                for name, bag in still.bags.items()
            },
            crosses=_mixed(still.crosses, still.pairs, fields, order, self._crosses),
            statistics=_mixed(still.statistics, still.columns, fields, order, self._statistics),
        )
        trees = self.builder.boosted
        return found if trees is None else replace(found, boosted=self.draw.boosted(trees, found, fields))


def _moved(array: npt.NDArray[Any], columns: Collection[int], order: Numbers) -> npt.NDArray[Any]:
    if not columns:
        return array
    found = array.copy()
    for column in columns:
        found[:, column] = array[order, column]
    return found


def _mixed(
    array: npt.NDArray[Any] | None,
    slots: tuple[Column, ...],
    fields: tuple[int, ...],
    order: Numbers,
    half: dict[tuple[int, int], npt.NDArray[Any]],
) -> Any:
    """Return columns of slots with some fields shuffled; `half` holds, by field and column, those with one shuffled."""
    if array is None or not fields:
        return array
    found = array.copy()
    for number, slot in enumerate(slots):
        moved = [place for place in slot if place in fields]
        if len(moved) == len(slot):
            found[:, number] = array[order, number]
        elif moved:
            (place,) = moved
            found[:, number] = half[place, number]
    return found
