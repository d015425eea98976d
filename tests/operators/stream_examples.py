"""The examples of `autofi.testing` for streams, and what only AutoFI's own tests need beside them."""

from __future__ import annotations

import numpy as np

from autofi.operators.streams import Stream, StreamInputs
from autofi.testing.stream_examples import INPUTS, ROWS, build, codes, vectors

__all__ = ["FRAPPE", "INPUTS", "ROWS", "build", "codes", "vectors", "weight"]

#: Frappe's fields, user and item first, each with a row for unknown and one for missing values.
FRAPPE = StreamInputs(tuple("abcdefghij"), (956, 4084, 82, 235, 11, 9, 9, 5, 4, 4), 10)


def weight(stream: Stream, name: str) -> np.ndarray:
    return stream.get_parameter(name).detach().numpy().astype(np.float64)
