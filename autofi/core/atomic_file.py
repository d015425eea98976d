"""Files that are there as a whole or not at all."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a hidden new name beside `path`; the file written there takes the name `path` when the block ends.

    What was at `path` stays until then, and stays for good where the block raises. A link stays a link: the file it
    names is replaced. The file is synced to disk before it takes the name.

    Raises:
        OSError: The file system refuses.
    """
    # Through links, so that the two names meet on one file system.
    target = Path(os.path.realpath(path))
    partial = target.with_name(f".autofi-partial-{os.getpid()}-{uuid.uuid4().hex[:8]}")
    try:
        yield partial
        sync(partial)
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)


def sync(path: Path) -> None:
    """Have a file, or the names in a folder, written to disk."""
    if os.name == "nt" and path.is_dir():
        return  # Windows has no handle to sync a folder by
    descriptor = os.open(path, os.O_RDWR if os.name == "nt" else os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
