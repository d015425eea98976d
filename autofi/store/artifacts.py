"""Files that a study lists, for optuna-dashboard and every Optuna tool: links to the study's own, without copies."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import BinaryIO, Self

from optuna.artifacts import FileSystemArtifactStore

from autofi.store.storage_url import StorageURL, artifact_root

# No study's folder: the name of a study does not begin with a dot.
FOLDER = ".artifacts"


class LinkedArtifacts(FileSystemArtifactStore):
    """Optuna's store of files in one folder; a file that is already on its file system becomes a second name there.

    Removing an artifact, as the dashboard may, leaves the study's own file.
    """

    @classmethod
    def of(cls, url: StorageURL) -> Self:
        """The store of all studies of a database, beside their folders."""
        return cls(artifact_root(url) / FOLDER)

    def write(self, artifact_id: str, content_body: BinaryIO) -> None:
        """Link the file that `content_body` reads; copy what is no file, or lies on another file system."""
        self._base_path.mkdir(parents=True, exist_ok=True)
        name = getattr(content_body, "name", None)
        if isinstance(name, str):
            with contextlib.suppress(OSError):
                os.link(Path(name).resolve(), self._get_filepath(artifact_id))
                return
        super().write(artifact_id, content_body)
