"""Quick look-ups of a study's name or a trial's number, without Optuna and without changing anything."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from sqlalchemy import text

from autofi.errors import StoreError, StudyNotFoundError, nearest
from autofi.store.quick_read import quick_read
from autofi.store.storage_url import StorageURL

# Our studies that Optuna still has.
_NAMES = "SELECT autofi_study.name FROM autofi_study JOIN studies ON studies.study_name = autofi_study.name"
_FINISHED = (
    "SELECT trials.number FROM trials JOIN studies ON studies.study_id = trials.study_id "
    "WHERE studies.study_name = :name AND trials.state = 'COMPLETE' ORDER BY trials.number"
)


def check_study(name: str, url: StorageURL) -> None:
    """Raise StudyNotFoundError if the storage can be read and has no study of that name.

    Other faults of the storage are reported when it is opened.
    """
    known = [] if url.file is not None and not url.file.exists() else _read(url, _NAMES)
    if known is not None and name not in known:
        raise not_found(name, url, known)


def check_trial(name: str, url: StorageURL, number: int) -> None:
    """Raise StoreError if the storage can be read and the study has no finished trial of that number."""
    known = _read(url, _FINISHED, name=name)
    if known is not None and number not in known:
        raise not_finished(name, number, known)


def not_found(name: str, url: StorageURL, known: Collection[str]) -> StudyNotFoundError:
    """Return the error for an unknown name, with the nearest known one."""
    return StudyNotFoundError(f"no study '{name}' in {url}; {nearest(name, known)}")


def not_finished(name: str, number: int, known: Collection[int]) -> StoreError:
    """Return the error for an unknown trial, with the known ones."""
    return StoreError(
        f"Study '{name}' has no finished trial {number}: {nearest(str(number), list(map(str, known)))}"
    )


def _read(url: StorageURL, statement: str, **parameters: Any) -> list[Any] | None:
    """Return the first column of a statement's result, or None if the storage cannot be read."""
    return quick_read(url, lambda connection: list(connection.execute(text(statement), parameters).scalars()))
