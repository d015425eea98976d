"""Tables from files, databases and DataFrames, read as a stream of Arrow record batches."""

from autofi.readers.open import Source, column_names, is_delimited, open_table
from autofi.readers.table import BATCH_ROWS, LARGE_BATCH_ROWS, ColumnNames, Table

__all__ = [
    "BATCH_ROWS",
    "LARGE_BATCH_ROWS",
    "ColumnNames",
    "Source",
    "Table",
    "column_names",
    "is_delimited",
    "open_table",
]
