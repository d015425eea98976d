"""Where arrays of many rows live: in memory while they are small, in files without a name beyond a limit."""

from __future__ import annotations

import math
import mmap
import os
import sys
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray
from pydantic import ByteSize, TypeAdapter, ValidationError

from autofi.errors import ConfigError, DataError

#: "4GiB", "500MB" or a number of bytes.
VARIABLE = "AUTOFI_MEMORY"
#: Of the machine's memory, what the encoded rows may take, and their features, and what a network reads of them.
SHARE = 1 / 8
#: Where Linux says what a container may use.
CONTAINER_LIMIT = Path("/sys/fs/cgroup/memory.max")


def memory_limit() -> int:
    """Bytes beyond which arrays of rows live in files; the variable AUTOFI_MEMORY, or SHARE of the machine's memory.

    Raises ConfigError for a size that cannot be read.
    """
    asked = os.environ.get(VARIABLE)
    if asked is None:
        return int(machine_memory() * SHARE)
    try:
        return int(TypeAdapter(ByteSize).validate_python(asked))
    except ValidationError:
        raise ConfigError(f"{VARIABLE} is a size such as 4GiB or 500MB: found '{asked}'.") from None


@cache
def machine_memory() -> int:
    """Bytes that this machine has, or the container that this runs in."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    try:
        return min(memory, int(CONTAINER_LIMIT.read_text()))
    except (OSError, ValueError):  # no container, or one without a limit ("max")
        return memory


def scratch_folder() -> str:
    """The folder of temporary files that may be large: TMPDIR, else the one that is on a disk everywhere."""
    # /tmp is often memory itself.
    kept = "/var/tmp"
    return kept if "TMPDIR" not in os.environ and os.path.isdir(kept) else tempfile.gettempdir()


def empty_rows(shape: tuple[int, ...], dtype: DTypeLike, *, mapped: bool) -> NDArray[Any]:
    """An array `[N, C, ...]` to be filled: row by row in memory, or mapped to a file in which columns lie end to end.

    By columns a file is written once from end to end, column by column, and read by rows in a run per column. It has
    no name and its space is free again once nothing refers to the array, however the process ends.
    """
    if not mapped or 0 in shape:
        return np.empty(shape, dtype=dtype)
    rows, columns, *rest = shape
    with tempfile.TemporaryFile(dir=scratch_folder()) as file:
        reserve(file.fileno(), math.prod(shape) * np.dtype(dtype).itemsize)
        return np.memmap(file, dtype=dtype, mode="w+", shape=(columns, rows, *rest)).swapaxes(0, 1)


def reserve(file: int, size: int) -> None:
    """Take the space of an open file now: where a map finds none later, the process ends without a word.

    Raises DataError on a full disk.
    """
    if sys.platform != "linux":
        return
    try:
        os.posix_fallocate(file, 0, size)
    except OSError as error:
        raise DataError(
            f"Rows that do not fit in memory need room on disk: {size >> 20} MB more than there are in "
            f"{scratch_folder()} ({error.strerror}); free some, or name another folder in TMPDIR."
        ) from error


def release(*arrays: NDArray[Any] | None) -> None:
    """Let go of the pages that mapped arrays have brought into this process: they are read again when needed.

    The system would take them back when memory is short; until then they would count as the process's own.
    """
    for array in arrays:
        if (base := _map_of(array)) is not None:
            base.madvise(mmap.MADV_DONTNEED)


def mapped(*arrays: NDArray[Any] | None) -> bool:
    """Whether any of the arrays lies in a file."""
    return any(_map_of(array) is not None for array in arrays)


def _map_of(array: NDArray[Any] | None) -> mmap.mmap | None:
    base: Any = array
    while isinstance(base, np.ndarray):
        base = base.base
    return base if isinstance(base, mmap.mmap) else None
