"""The examples of `autofi.testing` for operators, under the name that tests here know."""

from autofi.testing.operator_examples import (
    BAGS,
    CARDINALITIES,
    COLUMNS,
    KEPT,
    NUMBER_BINS,
    NUMBER_FIELDS,
    PAIRS,
    SIZES,
    build,
    fitted_crosses,
    random_features,
    shapes_for,
    slots_of,
    with_rows,
)

__all__ = [
    "BAGS",
    "CARDINALITIES",
    "COLUMNS",
    "KEPT",
    "NUMBER_BINS",
    "NUMBER_FIELDS",
    "PAIRS",
    "SIZES",
    "build",
    "fitted_crosses",
    "random_features",
    "shapes_for",
    "slots_of",
    "with_rows",
]
