"""The files of a folder from an untrusted source; none is opened before it is known to be a plain file."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from autofi.errors import ExportError

#: The most files and the deepest folders; no bundle has more.
MOST_ENTRIES, MOST_LEVELS = 10_000, 4
# A link as the last name is not followed, and a pipe without a writer does not block.
_OPEN = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
_KINDS = (
    (stat.S_ISLNK, "a link"),
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


def plain_files(folder: Path) -> set[str]:
    """Return every file under a folder, by its path in it with `/` between folders.

    Raises:
        ExportError: An entry is neither a file nor a folder (a link, a pipe, a device), so that reading it may
            lead elsewhere or never end; or there are more entries than a bundle has.
    """
    found: set[str] = set()
    seen = 0
    waiting = [(folder, "")]
    while waiting:
        place, name = waiting.pop()
        try:
            with os.scandir(place) as entries:
                for entry in entries:
                    seen += 1
                    path = f"{name}{entry.name}"
                    mode = entry.stat(follow_symlinks=False).st_mode
                    if seen > MOST_ENTRIES or path.count("/") >= MOST_LEVELS:
                        raise ExportError(
                            f"'{folder}' holds more than {MOST_ENTRIES:,} files, or folders deeper than "
                            f"{MOST_LEVELS}, so it is not a bundle; pass a folder that 'autofi export' wrote."
                        )
                    if stat.S_ISDIR(mode):
                        waiting.append((place / entry.name, f"{path}/"))
                    elif stat.S_ISREG(mode):
                        found.add(path)
                    else:
                        raise _not_plain(folder / path, mode)
        except OSError as error:
            raise ExportError(
                f"'{place}' cannot be read: {error.strerror}; mend that or export again."
            ) from error
    return found


def open_plain(path: Path) -> int:
    """Return a descriptor to read a plain file with.

    Raises:
        ExportError: The path is not a plain file.
        FileNotFoundError: There is nothing.
        OSError: The file cannot be opened.
    """
    # Checked before opening, because opening a pipe or a device may have effects.
    mode = os.lstat(path).st_mode
    if not stat.S_ISREG(mode):
        raise _not_plain(path, mode)
    descriptor = os.open(path, _OPEN)
    mode = os.fstat(descriptor).st_mode
    if not stat.S_ISREG(mode):
        os.close(descriptor)
        raise _not_plain(path, mode)
    return descriptor


def _not_plain(path: Path, mode: int) -> ExportError:
    kind = next((kind for test, kind in _KINDS if test(mode)), "something else")
    return ExportError(
        f"'{path}' is {kind}, not a plain file; copy the files themselves, or export the bundle again."
    )
