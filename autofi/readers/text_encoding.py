"""Text files as UTF-8, whatever their compression and encoding."""

from __future__ import annotations

import codecs
import io
from pathlib import Path
from typing import IO

import pyarrow as pa

from autofi.errors import DataError

#: Most bytes of a row. Arrow reads text in blocks, and a row must fit into one.
MOST_ROW_BYTES = 64 << 20
_BYTE_ORDER_MARKS = {
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}


def open_text(path: Path) -> IO[bytes]:
    """Open the file's text as UTF-8, decompressed if its name says so (.gz, .bz2, .zst, .lz4)."""
    file = io.BufferedReader(pa.input_stream(str(path), compression="detect"), buffer_size=1 << 20)
    start = file.peek(4)[:4]
    encoding = next((name for mark, name in _BYTE_ORDER_MARKS.items() if start.startswith(mark)), None)
    if encoding is None:
        return file
    file.close()
    stream = pa.transcoding_input_stream(pa.input_stream(str(path), compression="detect"), encoding, "utf-8")
    return io.BufferedReader(stream, buffer_size=1 << 20)


def not_decoded(path: Path, error: UnicodeDecodeError) -> DataError:
    """Return the error for text that is not in the encoding of its byte order mark."""
    encoding = error.encoding.upper()
    return DataError(
        f"{path} begins with the byte order mark of {encoding} and is not {encoding} ({error.reason}); convert it to "
        "UTF-8."
    )
