"""Memory that a step's tensors leave is kept for those of the next one."""

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

#: What `mallopt` calls these; -1 as a threshold of trimming is: never.
_TRIM_THRESHOLD, _MMAP_THRESHOLD, _MMAP_MAX = -1, -3, -4
#: glibc's own: blocks that may be mapped, and what its thresholds grow to once a program has freed large blocks.
_MAPPED_BLOCKS, _LARGEST_THRESHOLD = 65536, 32 << 20
#: Whoever sets one of these has chosen.
_CHOSEN = ("MALLOC_MMAP_MAX_", "MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_")

_lock = threading.Lock()
_open = 0


@contextmanager
def kept_memory() -> Iterator[None]:
    """Inside it, or in a function that it decorates, what large tensors leave stays with the process.

    glibc gives a block of 32 MiB and more back to the system as soon as it is free. The next tensor of that size is
    memory from the system again, which clears it page by page: a tenth to a fifth of a step that makes such tensors, as
    AFN, FGCNN and FiBiNET do. Blocks of many sizes leave gaps: a process takes a tenth more at its peak, up to a third
    where large tensors are most of it. When the last one ends, what is free goes back.

    The variable AUTOFI_KEPT_MEMORY = off turns it off; a value other than on and off raises `ConfigError`. Where there
    is no glibc, or the environment tells it what to do, nothing changes.
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
    """One training more, or one less."""
    global _open  # of the process, as what it switches is
    with _lock:
        _open += by
        if by > 0 and _open == 1:
            glibc.mallopt(_MMAP_MAX, 0)
            glibc.mallopt(_TRIM_THRESHOLD, -1)
        elif not _open:
            # From the first `mallopt` on thresholds no longer grow by themselves.
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
