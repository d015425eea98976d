"""The inputs of an ONNX graph: one per raw column that the model reads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from autofi.bundle.padded_lists import padded
from autofi.data.schema import Field, FieldKind
from autofi.values.arrow_values import as_numbers, as_tokens, canonical_codes
from autofi.values.value_types import ValueType

#: In batches of at most so many rows, values are read one by one.
FEW_ROWS = 64
# The limit for texts that the graph splits itself: it splits a long text completely.
_FEW_BYTES = 1 << 14

DataType = Literal["string", "double"]
#: The name of a graph's output.
OUTPUT = "probability"


@dataclass(frozen=True)
class GraphInput:
    """The input of one field's column; `name` is its name in the graph.

    A column is given by its kind as:

    - categorical: string `[N]`, whole numbers without ".0", empty where missing
    - numeric: double `[N]`, NaN where missing
    - multi_valued: string `[N, L]`, the values of a list, padded with empty texts; with a separator, each text
      is split at it
    """

    name: str
    field: Field
    most_values: int | None = None
    """The number of values of a list that the model reads, later ones change nothing; None where it is unknown."""

    @property
    def datatype(self) -> DataType:
        return "double" if self.field.kind is FieldKind.NUMERIC else "string"

    @property
    def shape(self) -> tuple[str, ...]:
        return ("rows", f"{self.name}_values") if self.field.kind is FieldKind.MULTI_VALUED else ("rows",)

    def lengths(self, column: pa.Array) -> NDArray[np.int64]:
        """Return the least number of values of every list as the graph gets it, `[N]`; it may split texts further."""
        kind = column.type
        if self.field.separator and (pa.types.is_string(kind) or pa.types.is_large_string(kind)):
            counted = pc.add(pc.count_substring(column, self.field.separator), 1)
        elif pa.types.is_list(kind) or pa.types.is_large_list(kind):
            counted = pc.list_value_length(column)
        else:
            counted = pc.list_value_length(as_tokens(column, self.field.separator, self.field.reading))
        found: NDArray[np.int64] = pc.fill_null(counted, 0).to_numpy(zero_copy_only=False).astype(np.int64)
        return found if self.most_values is None else np.minimum(found, self.most_values)

    def values(self, column: pa.Array) -> NDArray[Any]:
        """Return a raw column as ONNX Runtime takes it.

        Raises:
            UnreadableValueError: A value does not fit the field.
        """
        if self.field.kind is FieldKind.NUMERIC:
            return as_numbers(column, self.field.reading)
        # Each call of Arrow takes about ten microseconds, so a few rows of texts are read without it.
        few = len(column) <= FEW_ROWS
        if self.field.kind is FieldKind.MULTI_VALUED:
            if (
                few
                and self.field.separator
                and pa.types.is_string(column.type)
                and column.nbytes < _FEW_BYTES
                and not self.field.reading.numeric
            ):
                return np.array([[text or ""] for text in column.to_pylist()], dtype=object)
            return padded(as_tokens(column, self.field.separator, self.field.reading), self.most_values)
        if few and (pa.types.is_string(column.type) or pa.types.is_integer(column.type)):
            spelled = ["" if value is None else str(value) for value in column.to_pylist()]
            if self._as_written(spelled):
                return np.array(spelled, dtype=object)
        encoded = canonical_codes(column, self.field.reading)
        # Rows share the few texts of this object array; no text is made per row.
        texts = np.array([*(text or "" for text in encoded.dictionary.to_pylist()), ""], dtype=object)
        rows = pc.fill_null(encoded.indices, pa.scalar(len(texts) - 1, encoded.indices.type))
        found: NDArray[Any] = texts[rows.to_numpy(zero_copy_only=False)]
        return found

    def _as_written(self, spelled: list[str]) -> bool:
        """Return True where texts are surely canonical: text without marks of missing values, or plain integers."""
        reading = self.field.reading
        if reading.marks or reading.values not in (None, ValueType.TEXT, ValueType.INTEGER):
            return False
        return reading.values is not ValueType.INTEGER or all(
            text.isascii() and ((text.isdecimal() and text[0] != "0") or text in ("", "0"))
            for text in spelled
        )


def graph_inputs(fields: Sequence[Field]) -> tuple[GraphInput, ...]:
    """Return one input per field, named as its column.

    A column with the name of the output, or without a name, becomes `input_0`, `input_1`, ... by its place.
    """
    taken = {OUTPUT, "", *(field.name for field in fields)}
    found = []
    for place, field in enumerate(fields):
        name = field.name
        if name in (OUTPUT, ""):
            name = f"input_{place}"
            while name in taken:
                name += "_"
            taken.add(name)
        found.append(GraphInput(name, field))
    return tuple(found)
