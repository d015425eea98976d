"""Tables from files, databases and DataFrames, read as a stream of Arrow record batches."""

from autofi.data.reading.opening import Source, is_delimited, open_table
from autofi.data.reading.table import BATCH_ROWS, LARGE_BATCH_ROWS, Table

__all__ = ["BATCH_ROWS", "LARGE_BATCH_ROWS", "Source", "Table", "is_delimited", "open_table"]
