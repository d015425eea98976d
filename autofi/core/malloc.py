"""A setting of glibc's `malloc` that keeps freed memory in the process for the tensors of the next step."""

from __future__ import annotations

import ctypes
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

from autofi.core.environment import asked

#: "on" or "off".
VARIABLE = "AUTOFI_KEPT_MEMORY"
CHOICES = ("on", "off")

#: The numbers of these settings in `mallopt`. A trim threshold of -1 means never.
_TRIM_THRESHOLD, _MMAP_THRESHOLD, _MMAP_MAX = -1, -3, -4
#: glibc's defaults: the most mapped blocks, and the value its thresholds grow to once a program freed large blocks.
_MAPPED_BLOCKS, _LARGEST_THRESHOLD = 65536, 32 << 20
#: A user who sets one of these variables has chosen a setting, and it is left alone.
_CHOSEN = ("MALLOC_MMAP_MAX_", "MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_")

_lock = threading.Lock()
_open = 0


@contextmanager
def kept_memory() -> Iterator[None]:
    """Keep the memory of freed large tensors in the process while the block, or the decorated function, runs.

    By default glibc gives a block of 32 MiB or more back to the system as soon as it is free. The next tensor of that
    size takes memory from the system again, which clears it page by page: that is 10 to 20 % of a training step with
    such tensors (AFN, FGCNN, FiBiNET). The price is gaps between blocks of different sizes: the peak memory of a
    process grows by 10 %, and by up to a third if most of it is large tensors. Free memory goes back to the system when
    the last block ends.

    The environment variable AUTOFI_KEPT_MEMORY=off turns this off. Nothing changes without glibc, or if the environment
    sets glibc's thresholds.

    Raises:
        ConfigError: AUTOFI_KEPT_MEMORY is neither `on` nor `off`.
    """
    glibc = _glibc()
    if asked(VARIABLE, CHOICES) == "off" or glibc is None:
        yield
        return
    _change(glibc, 1)
    try:
        yield
    finally:
        _change(glibc, -1)


def _change(glibc: ctypes.CDLL, by: int) -> None:
    """Count one training more or one less, and switch the setting with the first and the last."""
    global _open  # the setting is the process's, and so is the count
    with _lock:
        _open += by
        if by > 0 and _open == 1:
            glibc.mallopt(_MMAP_MAX, 0)
            glibc.mallopt(_TRIM_THRESHOLD, -1)
        elif not _open:
            # After the first `mallopt` the thresholds no longer grow by themselves.
            glibc.mallopt(_MMAP_MAX, _MAPPED_BLOCKS)
            glibc.mallopt(_MMAP_THRESHOLD, _LARGEST_THRESHOLD)
            glibc.mallopt(_TRIM_THRESHOLD, 2 * _LARGEST_THRESHOLD)
            glibc.malloc_trim(0)


@cache
def _glibc() -> ctypes.CDLL | None:
    tunables = os.environ.get("GLIBC_TUNABLES", "")
    if (
        not sys.platform.startswith("linux")
        or "glibc.malloc." in tunables
        or any(map(os.environ.get, _CHOSEN))
    ):
        return None
    library = ctypes.CDLL(None)
    return library if hasattr(library, "mallopt") and hasattr(library, "malloc_trim") else None
