"""A reader of an encoder's vocabulary file that takes memory bounded by the file's size."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

COLUMNS = pa.schema(
    [("field", pa.string()), ("use", pa.string()), ("value", pa.large_string()), ("count", pa.int64())]
)
#: Most bytes of text per byte of the file: distinct values with long common beginnings compress well.
MOST_UNPACKED = 64
#: Rows, and bytes of text, that any file may have.
_ANY_ROWS, _ANY_BYTES = 1 << 16, 1 << 24
_CODECS = ("SNAPPY", "UNCOMPRESSED")
_ENCODINGS = {"PLAIN", "RLE", "RLE_DICTIONARY", "PLAIN_DICTIONARY", "BIT_PACKED"}


def read_vocabularies(path: Path) -> pa.Table:
    """Return the rows of a vocabulary file, with the schema `COLUMNS`.

    A few bytes can stand for billions of equal texts. So the file's metadata is checked before rows are read, and texts
    are counted while equal ones are still stored once.

    Raises:
        ValueError: The file is any other. The message is one line without the path.
    """
    size = path.stat().st_size
    try:
        with pq.ParquetFile(path, read_dictionary=["field", "use", "value"]) as file:
            _check(file.metadata, size)
            table = file.read()
    except pa.ArrowException as error:
        raise ValueError(" ".join(str(error).split())) from error
    if table.column_names != COLUMNS.names or any(column.null_count for column in table.columns):
        raise ValueError(f"it has other columns than {', '.join(COLUMNS.names)}, or rows without a value")
    table = table.combine_chunks().unify_dictionaries()
    most = max(_ANY_BYTES, MOST_UNPACKED * size)
    for name in ("field", "use", "value"):
        for chunk in table[name].chunks:
            if not pa.types.is_dictionary(chunk.type):
                raise ValueError(f"its column '{name}' is {chunk.type}, not texts")
            lengths = pc.binary_length(chunk.dictionary).cast(pa.int64()).take(chunk.indices)
            if (pc.sum(lengths).as_py() or 0) > most:
                raise ValueError(f"its {size:,} bytes come to more than {most:,} bytes of texts")
    return table.cast(COLUMNS)


def _check(found: pq.FileMetaData, size: int) -> None:
    if found.num_columns != len(COLUMNS):
        raise ValueError(f"it has {found.num_columns} columns, not {len(COLUMNS)}")
    if found.num_rows > max(_ANY_ROWS, size):
        raise ValueError(f"it says that {size:,} bytes hold {found.num_rows:,} values")
    for number in range(found.num_row_groups):
        group = found.row_group(number)
        for place in range(group.num_columns):
            column = group.column(place)
            if column.compression not in _CODECS or not _ENCODINGS.issuperset(column.encodings):
                raise ValueError(
                    f"it is packed by {column.compression} and {', '.join(column.encodings)}, which AutoFI never "
                    "writes"
                )
            if column.total_uncompressed_size > max(_ANY_BYTES, MOST_UNPACKED * size):
                raise ValueError(f"its {size:,} bytes unpack to {column.total_uncompressed_size:,}")
