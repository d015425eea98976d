"""Arrays of many rows: in memory while they are small, in unnamed temporary files beyond a limit."""

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

#: Its value is "4GiB", "500MB" or a number of bytes.
VARIABLE = "AUTOFI_MEMORY"
#: Share of the machine's memory that each of three may take: encoded rows, their features, a network's inputs.
SHARE = 1 / 8
#: Linux writes the memory limit of a container here.
CONTAINER_LIMIT = Path("/sys/fs/cgroup/memory.max")


def memory_limit() -> int:
    """Return the bytes beyond which arrays of rows live in files: AUTOFI_MEMORY, else SHARE of the machine's memory.

    Raises:
        ConfigError: AUTOFI_MEMORY is not a size.
    """
    asked = os.environ.get(VARIABLE)
    if asked is None:
        return int(machine_memory() * SHARE)
    try:
        return int(TypeAdapter(ByteSize).validate_python(asked))
    except ValidationError:
        raise ConfigError(
            f"The environment variable {VARIABLE} is '{asked}', not a size; set it to 4GiB or 500MB, say."
        ) from None


@cache
def machine_memory() -> int:
    """Return the bytes of memory of this machine, or of the container that this process runs in."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    try:
        return min(memory, int(CONTAINER_LIMIT.read_text()))
    except (OSError, ValueError):  # no container, or one without a limit ("max")
        return memory


def scratch_folder() -> str:
    """Return the folder for large temporary files: TMPDIR, else /var/tmp, which is on a disk."""
    # /tmp is often in memory itself.
    kept = "/var/tmp"
    return kept if "TMPDIR" not in os.environ and os.path.isdir(kept) else tempfile.gettempdir()


def empty_rows(shape: tuple[int, ...], dtype: DTypeLike, *, mapped: bool) -> NDArray[Any]:
    """Return an array `[N, C, ...]` to fill: row-major in memory, or column-major in a mapped file.

    Column-major, a file is written once from start to end, and a range of rows is read in one run per column. The file
    has no name, and its space is free again once nothing refers to the array, however the process ends.
    """
    if not mapped or 0 in shape:
        return np.empty(shape, dtype=dtype)
    rows, columns, *rest = shape
    with tempfile.TemporaryFile(dir=scratch_folder()) as file:
        reserve(file.fileno(), math.prod(shape) * np.dtype(dtype).itemsize)
        return np.memmap(file, dtype=dtype, mode="w+", shape=(columns, rows, *rest)).swapaxes(0, 1)


def reserve(file: int, size: int) -> None:
    """Reserve the space of an open file now: a mapped file that runs out of disk later would kill the process.

    Raises:
        DataError: The disk is full.
    """
    if sys.platform != "linux":
        return
    try:
        os.posix_fallocate(file, 0, size)
    except OSError as error:
        raise DataError(
            f"{scratch_folder()} has no room for {size >> 20} MB of rows that do not fit in memory "
            f"({error.strerror}); free some space, or name another folder in TMPDIR."
        ) from error


def release(*arrays: NDArray[Any] | None) -> None:
    """Release the pages that mapped arrays hold in this process; they are read again when needed.

    The system takes them back by itself when memory is short, but until then they count as memory of the process.
    """
    for array in arrays:
        if (base := _map_of(array)) is not None:
            base.madvise(mmap.MADV_DONTNEED)


def mapped(*arrays: NDArray[Any] | None) -> bool:
    """Return True if any of the arrays lies in a file."""
    return any(_map_of(array) is not None for array in arrays)


def _map_of(array: NDArray[Any] | None) -> mmap.mmap | None:
    base: Any = array
    while isinstance(base, np.ndarray):
        base = base.base
    return base if isinstance(base, mmap.mmap) else None
