"""Files of a study for optuna-dashboard and other Optuna tools: links to the study's own files, without copies."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import BinaryIO, Self

from optuna.artifacts import FileSystemArtifactStore

from autofi.store.storage_url import StorageURL, artifact_root

# The name of a study never begins with a dot, so that this is the folder of no study.
FOLDER = ".artifacts"


class LinkedArtifacts(FileSystemArtifactStore):
    """Optuna's store of files in one folder, which links a file that is already on the same file system.

    Removing an artifact, as the dashboard may, does not remove the study's own file.
    """

    @classmethod
    def of(cls, url: StorageURL) -> Self:
        """Return the store of all studies of a database, beside their folders."""
        return cls(artifact_root(url) / FOLDER)

    def write(self, artifact_id: str, content_body: BinaryIO) -> None:
        """Link the file that `content_body` reads; copy it if it is not a file or lies on another file system."""
        self._base_path.mkdir(parents=True, exist_ok=True)
        name = getattr(content_body, "name", None)
        if isinstance(name, str):
            with contextlib.suppress(OSError):
                os.link(Path(name).resolve(), self._get_filepath(artifact_id))
                return
        super().write(artifact_id, content_body)
