"""A check of study names, each of which is also the name of the folder of the study's files."""

from __future__ import annotations

import os
import re

from autofi.errors import ConfigError
from autofi.store.storage_url import StorageURL, artifact_root

_NAME = re.compile(r"\w(?:[\w .+-]{0,118}[\w+-])?")
#: Endings of the files that SQLite keeps beside a database.
_BESIDE = ("", "-journal", "-wal", "-shm")


def check_study_name(name: str, url: StorageURL) -> None:
    """Raise ConfigError if a name cannot be that of a folder, or a file has the place of the folder."""
    if not _NAME.fullmatch(name):
        shown = name if name.isprintable() else repr(name)[1:-1]
        raise ConfigError(
            f"study '{shown[:200]}': a study's name has 1 to 120 letters, digits, spaces or . _ + - and begins "
            f"with a letter, digit or _; choose another name (--study)."
        )
    folder = artifact_root(url) / name
    # A database that does not exist yet will be created.
    own = url.file is not None and folder in [url.file.with_name(url.file.name + end) for end in _BESIDE]
    if own or (os.path.lexists(folder) and not folder.is_dir()):
        raise ConfigError(
            f"'{folder}' is a file, so no study of {url} can be named '{name}', as its files need a folder of that "
            "name; choose another name (--study)."
        )
