"""Replace a folder as a whole: others see the old one, the new one or, for an instant, none; never a part."""

from __future__ import annotations

import os
import shutil
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import xxhash

from autofi.core.atomic_file import sync
from autofi.core.process_identity import current_process, start_time
from autofi.errors import ExportError

_PREFIX = ".autofi-export"
# A process of another machine or boot cannot be asked if it still lives. Writing a bundle takes minutes, so a folder of
# this age is abandoned.
_FOREIGN_SECONDS = 24 * 3600.0

Kind = Literal["work", "aside"]
"""A `work` folder may be deleted once its process is dead; an `aside` one is put back if nothing took its place."""


@contextmanager
def replaced_folder(target: Path, *, check: Callable[[Path], None]) -> Iterator[Path]:
    """Yield an empty folder beside `target` that takes its place when the block ends without an error.

    The old folder is moved aside, the new one moved in, and then the old one deleted. If the process is killed in
    between, the next call for this target puts the old one back. Everything is synced to disk before it moves.

    Args:
        target: The folder to write or replace.
        check: Raises if the folder at the target must not be replaced; called before the work and again before the
            replacement.

    Raises:
        ExportError: The file system refuses.
    """
    # Links are resolved, so that a link stays one and both folders lie on one file system.
    target = Path(os.path.realpath(target.expanduser()))
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _sweep(target)
        check(target)
        work = _beside(target, "work")
        work.mkdir()
    except OSError as error:
        raise _refused(target, error) from error
    try:
        yield work
        _sync_tree(work)
        _publish(work, target, check)
    except OSError as error:
        raise _refused(target, error) from error
    finally:
        # After success it has moved away. An error here would hide the one that matters.
        shutil.rmtree(work, ignore_errors=True)


def leftover_of(target: Path) -> Path | None:
    """Return the folder that a killed replacement of `target` moved aside, or None if there is none to put back."""
    target = Path(os.path.realpath(target))
    if target.exists():
        return None
    return next(
        (
            path
            for path, sign in _signed(target.parent)
            if sign.kind == "aside" and sign.target == _hash(target.name) and sign.is_stale(path)
        ),
        None,
    )


def delete_folder(folder: Path) -> None:
    """Delete a folder, as a whole for others; nothing happens if another process deletes it."""
    with suppress(FileNotFoundError):
        _delete(folder, folder)


@dataclass(frozen=True)
class _Sign:
    """The parts of the name of a folder beside a target: the target it belongs to and the process that made it."""

    target: str
    kind: str
    pid: int
    started: str
    place: str

    def is_stale(self, path: Path) -> bool:
        here = current_process()
        if not here.place or self.place != _hash(here.place):
            return time.time() - path.stat().st_mtime > _FOREIGN_SECONDS
        started = start_time(self.pid)
        return started is None or _hash(started) != self.started


def _beside(target: Path, kind: Kind) -> Path:
    process = current_process()
    owner = f"{process.pid}-{_hash(process.started)}-{_hash(process.place)}"
    return target.parent / f"{_PREFIX}-{_hash(target.name)}-{kind}-{owner}-{uuid.uuid4().hex[:8]}"


def _signed(parent: Path) -> list[tuple[Path, _Sign]]:
    found = []
    for path in sorted(parent.glob(f"{_PREFIX}-*")):
        target, kind, pid, started, place, *_ = (*path.name.removeprefix(f"{_PREFIX}-").split("-"), *[""] * 5)
        if kind in ("work", "aside") and pid.isdigit() and path.is_dir():
            found.append((path, _Sign(target, kind, int(pid), started, place)))
    return found


def _sweep(target: Path) -> None:
    """Delete the work folders that dead processes left beside the target, and put back the one they moved aside."""
    for path, sign in _signed(target.parent):
        ours = sign.target == _hash(target.name)
        try:
            if (sign.kind == "aside" and not ours) or not sign.is_stale(path):
                continue
            if sign.kind == "aside" and not target.exists():
                path.rename(target)
            else:
                _delete(path, target)
        except FileNotFoundError:
            continue  # another process swept it first


def _publish(work: Path, target: Path, check: Callable[[Path], None]) -> None:
    check(target)
    aside = _beside(target, "aside") if target.exists() else None
    if aside is not None:
        target.rename(aside)
    try:
        work.rename(target)
    except OSError:
        if aside is not None and not target.exists():
            aside.rename(target)
        elif aside is not None:
            # Another process moved its own folder in meanwhile, so the old one is replaced all the same.
            _delete(aside, target)
        raise
    sync(target.parent)
    if aside is not None:
        _delete(aside, target)


def _delete(folder: Path, target: Path) -> None:
    """Delete a folder for good; a later call deletes whatever cannot be deleted now."""
    doomed = _beside(target, "work")
    # It is renamed first, so that after a kill halfway the rest is not taken for a folder to put back.
    folder.rename(doomed)
    shutil.rmtree(doomed, ignore_errors=True)


def _sync_tree(folder: Path) -> None:
    for path in sorted(folder.rglob("*"), reverse=True):
        sync(path)
    sync(folder)


def _hash(text: str) -> str:
    return xxhash.xxh3_64_hexdigest(text.encode())[:10]


def _refused(target: Path, error: OSError) -> ExportError:
    reason = error.strerror or str(error)
    place = f" ({error.filename})" if error.filename else ""
    return ExportError(f"'{target}' cannot be written: {reason}{place}; fix that or choose another folder.")
