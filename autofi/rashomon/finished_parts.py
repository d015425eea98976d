"""Finished parts of an exploration, stored at once, so that a killed exploration continues where it stopped."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import xxhash

from autofi.store import StudyHandle

#: The prefixes of the stages, before the question that is answered and before the name of a part.
PREFIX = "rashomon/"


class Parts:
    """Parts by name, as JSON, of one process: nothing is kept after it."""

    def __init__(self, known: Mapping[str, Any] | None = None) -> None:
        self._known = dict(known or {})

    def __len__(self) -> int:
        return len(self._known)

    def __contains__(self, name: str) -> bool:
        return name in self._known

    def once(self, name: str, make: Callable[[], Any]) -> Any:
        """Return the part of that name, made now if there is none yet; it is always what JSON keeps of it."""
        if name not in self._known:
            made = json.loads(json.dumps(make()))
            self._keep(name, made)
            self._known[name] = made
        return self._known[name]

    def _keep(self, name: str, made: Any) -> None:
        """Store a new part for other processes."""


class StudyParts(Parts):
    """Parts that a study keeps, under the question that they answer; another question has parts of its own."""

    def __init__(self, handle: StudyHandle, question: Mapping[str, Any]) -> None:
        digest = xxhash.xxh3_64_hexdigest(json.dumps(question, sort_keys=True).encode())
        self._handle, self._prefix = handle, f"{PREFIX}{digest}/"
        stored = handle.stages(self._prefix)
        super().__init__({key.removeprefix(self._prefix): payload["part"] for key, payload in stored.items()})

    @property
    def folder(self) -> Path:
        """The folder with files of the parts."""
        return self._handle.artifacts / self._prefix

    def _keep(self, name: str, made: Any) -> None:
        self._handle.record_stage(f"{self._prefix}{name}", {"part": made})

    def forget(self) -> None:
        """Remove the parts of every question, and their files, when the answer is stored."""
        self._handle.drop_stages(PREFIX)
        shutil.rmtree(self._handle.artifacts / PREFIX, ignore_errors=True)
