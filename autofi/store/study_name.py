"""Names that a study may have: each is also the name of the folder of its files."""

from __future__ import annotations

import os
import re

from autofi.errors import ConfigError
from autofi.store.storage_url import StorageURL, artifact_root

_NAME = re.compile(r"\w(?:[\w .+-]{0,118}[\w+-])?")
#: Of the files that SQLite keeps beside a database.
_BESIDE = ("", "-journal", "-wal", "-shm")


def check_study_name(name: str, url: StorageURL) -> None:
    """Raise ConfigError for a name that cannot be a folder, or whose folder's place a file of the storage has."""
    if not _NAME.fullmatch(name):
        shown = name if name.isprintable() else repr(name)[1:-1]
        raise ConfigError(
            f"study '{shown[:200]}': a study's name has 1 to 120 letters, digits, spaces or . _ + - and begins "
            f"with a letter, digit or _; choose another (--study)."
        )
    folder = artifact_root(url) / name
    # A database that is not there yet will be.
    own = url.file is not None and folder in [url.file.with_name(url.file.name + end) for end in _BESIDE]
    if own or (os.path.lexists(folder) and not folder.is_dir()):
        raise ConfigError(
            f"A study keeps its files in a folder of its name: '{folder}' is a file, so no study of {url} can be named "
            f"'{name}'; choose another name (--study)."
        )
