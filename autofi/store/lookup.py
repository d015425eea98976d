"""Whether a storage has a study of a name, at a glance: without Optuna, and without changing anything."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import NullPool, create_engine, text
from sqlalchemy.exc import SQLAlchemyError

from autofi.errors import StudyNotFoundError, nearest
from autofi.store.location import StorageURL

# Ours of a study that Optuna still has.
_NAMES = "SELECT autofi_study.name FROM autofi_study JOIN studies ON studies.study_name = autofi_study.name"


def check_study(name: str, url: StorageURL) -> None:
    """Raise StudyNotFoundError where the storage can be read and has no study of that name.

    What else is wrong with the storage is told by opening it.
    """
    if url.file is not None and not url.file.exists():
        raise not_found(name, url, ())
    engine = create_engine(url.url, poolclass=NullPool)
    try:
        with engine.connect() as connection:
            known = list(connection.execute(text(_NAMES)).scalars())
    except SQLAlchemyError:
        return
    finally:
        engine.dispose()
    if name not in known:
        raise not_found(name, url, known)


def not_found(name: str, url: StorageURL, known: Collection[str]) -> StudyNotFoundError:
    """The refusal of a name, with the nearest of those that there are."""
    return StudyNotFoundError(f"no study '{name}' in {url}; {nearest(name, known)}")
