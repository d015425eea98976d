"""Operators of fields and pairs, and streams over all fields; from here, what an operator of your own needs.

An operator is one file, one class, one decorator.
"""

from autofi.data.features import Column
from autofi.operators._lookup import TableOperator
from autofi.operators.base import (
    Operator,
    Shapes,
    Sizes,
    TableBlock,
    blocks_of,
    gather_rows,
    look_up,
    table_offsets,
)
from autofi.operators.explains import Explains, Knows, RowWeights
from autofi.operators.feature_tensors import FeatureTensors
from autofi.operators.registry import get_operator, get_stream, register
from autofi.operators.streams import BranchedStream, NoSettings, Stream, StreamInputs

__all__ = [
    "BranchedStream",
    "Column",
    "Explains",
    "FeatureTensors",
    "Knows",
    "NoSettings",
    "Operator",
    "RowWeights",
    "Shapes",
    "Sizes",
    "Stream",
    "StreamInputs",
    "TableBlock",
    "TableOperator",
    "blocks_of",
    "gather_rows",
    "get_operator",
    "get_stream",
    "look_up",
    "register",
    "table_offsets",
]
