"""The inputs of a graph: one per raw column that the model reads."""

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

#: Rows up to which values are read one by one.
FEW_ROWS = 64
# Of texts that the graph itself divides into values: it divides all of a long one.
_FEW_BYTES = 1 << 14

DataType = Literal["string", "double"]
#: The output of a graph.
OUTPUT = "probability"


@dataclass(frozen=True)
class GraphInput:
    """How one field's column is given; `name` is that of the input in the graph.

    categorical     string [N]: whole numbers without ".0", empty where missing
    numeric         double [N]: NaN where missing
    multi_valued    string [N, L]: a list's values, padded with empty texts; with a separator each text is split at it
    """

    name: str
    field: Field
    most_values: int | None = None
    """Values of a list that the model reads, those behind them change nothing; None where that is not known."""

    @property
    def datatype(self) -> DataType:
        return "double" if self.field.kind is FieldKind.NUMERIC else "string"

    @property
    def shape(self) -> tuple[str, ...]:
        return ("rows", f"{self.name}_values") if self.field.kind is FieldKind.MULTI_VALUED else ("rows",)

    def lengths(self, column: pa.Array) -> NDArray[np.int64]:
        """How many values every list comes to as the graph is given it, at least: texts are counted as they divide."""
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
        """What ONNX Runtime is given for a raw column; raises UnreadableValueError for a value it cannot be."""
        if self.field.kind is FieldKind.NUMERIC:
            return as_numbers(column, self.field.reading)
        # Each call of Arrow takes some ten microseconds: what is a text already is read without for a few rows.
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
        # An object array of few texts that rows share: no text is made per row.
        texts = np.array([*(text or "" for text in encoded.dictionary.to_pylist()), ""], dtype=object)
        rows = pc.fill_null(encoded.indices, pa.scalar(len(texts) - 1, encoded.indices.type))
        found: NDArray[Any] = texts[rows.to_numpy(zero_copy_only=False)]
        return found

    def _as_written(self, spelled: list[str]) -> bool:
        """Whether texts are surely canonical: of text without marks of missing values, or plain whole numbers."""
        reading = self.field.reading
        if reading.marks or reading.values not in (None, ValueType.TEXT, ValueType.INTEGER):
            return False
        return reading.values is not ValueType.INTEGER or all(
            text.isascii() and ((text.isdecimal() and text[0] != "0") or text in ("", "0"))
            for text in spelled
        )


def graph_inputs(fields: Sequence[Field]) -> tuple[GraphInput, ...]:
    """Return an input per field, named as its column.

    A column that is called as the output, or not at all, is `input_0`, `input_1`, ... by its place.
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
