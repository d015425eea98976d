"""Fitting of a field's encoder from the values, numbers and tokens of training rows."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from autofi.data.encoder import FieldEncoder
from autofi.data.quantile_binning import Buckets, BucketScale, NumberSample, Positions
from autofi.data.raw_field import FieldValues
from autofi.data.schema import Field, FieldKind
from autofi.data.vocabulary import ValueCounter
from autofi.errors import DataError

MAX_BAG_WIDTH = 64


class FieldFit:
    """The encoder of one field while it is fitted, batch by batch."""

    def __init__(self, field: Field, *, scale: BucketScale, num_buckets: int, seed: int) -> None:
        self.field = field
        self._scale = scale
        self._num_buckets = num_buckets
        self._values = None if field.kind is FieldKind.NUMERIC else ValueCounter()
        self._sample = NumberSample(seed=seed) if field.reads_as_number else None
        self._tokens = ValueCounter() if field.kind is FieldKind.MULTI_VALUED else None
        self._longest = 1

    def add(self, values: FieldValues, chosen: NDArray[np.int64], first_row: int, table: str) -> None:
        """Add the training rows of a batch.

        Args:
            values: The batch.
            chosen: Positions of the training rows in the batch.
            first_row: Number of the first row of the batch, from 0, for messages.
            table: Name of the table, for messages.

        Raises:
            DataError: A numeric field has an infinite number.
            UnreadableValueError: A numeric field has a value that is not a number.
        """
        if self._values is not None:
            self._values.add_entries(values.entries(), chosen)
        if self._sample is not None:
            numbers = values.numbers()[chosen]
            infinite = np.isinf(numbers)
            if infinite.any() and self.field.kind is FieldKind.NUMERIC:
                raise DataError(
                    f"Column '{self.field.name}' has {numbers[infinite][0]} in row "
                    f"{first_row + chosen[infinite.argmax()] + 1} of {table}, and a numeric field needs finite "
                    "numbers; correct the value or make the field categorical."
                )
            self._sample.add(numbers[~infinite])
        if self._tokens is not None:
            lists = values.tokens().take(pa.array(chosen))
            self._tokens.add(lists.flatten())
            self._tokens.add_missing(lists.null_count)
            lengths = np.diff(lists.offsets.to_numpy())
            self._longest = max(self._longest, int(lengths.max(initial=0)))

    def encoder(self) -> FieldEncoder:
        """Return the fitted encoder; the counts of buckets are 0, as their edges are known only now."""
        numbers = None if self._sample is None else self._sample.values()
        positions = None if numbers is None else Positions.fit(numbers)
        tokens = None if self._tokens is None else self._tokens.vocabulary()
        width = 0 if tokens is None else min(self._longest, MAX_BAG_WIDTH)
        if self._values is not None:
            vocabulary = self._values.vocabulary()
            return FieldEncoder(self.field, vocabulary, vocabulary.counts, positions, tokens, width)
        assert numbers is not None
        buckets = Buckets.fit(numbers, scale=self._scale, num_buckets=self._num_buckets)
        return FieldEncoder(self.field, buckets, np.zeros(buckets.cardinality, dtype=np.int64), positions)
