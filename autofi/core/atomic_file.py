"""Files written whole or not at all."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a hidden new path beside `path`; the file written there is renamed to `path` when the block ends.

    The old file at `path` stays until then, and stays for good if the block raises. A link stays a link: the file
    that it points to is replaced. The new file is synced to disk before it is renamed.

    Raises:
        OSError: The file system refuses.
    """
    # Links are resolved, so that both names lie on one file system.
    target = Path(os.path.realpath(path))
    partial = target.with_name(f".autofi-partial-{os.getpid()}-{uuid.uuid4().hex[:8]}")
    try:
        yield partial
        sync(partial)
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)


def sync(path: Path) -> None:
    """Sync a file, or the list of names in a folder, to disk."""
    if os.name == "nt" and path.is_dir():
        return  # Windows cannot sync a folder
    descriptor = os.open(path, os.O_RDWR if os.name == "nt" else os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
