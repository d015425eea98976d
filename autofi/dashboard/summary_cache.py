"""The summaries of studies with a winner, computed in the background once for every change."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from autofi.errors import AutoFIError

_logger = logging.getLogger(__name__)

#: The result of `Study.summary()`.
Summary = Mapping[str, Any]


@dataclass(frozen=True)
class Found:
    """The summary of one version of a study; None where it could not be made."""

    version: object
    summary: Summary | None


class Results:
    """The summaries of studies by name, each computed by `summarize` in a background thread.

    The comparison with the best baseline sorts all test rows, which takes seconds for millions, and the list of
    many studies must not wait for it.
    """

    def __init__(self, summarize: Callable[[str], Summary]) -> None:
        self._summarize = summarize
        self._found: dict[str, Found] = {}
        self._wanted: dict[str, object] = {}
        self._lock = threading.Lock()
        self._busy = False

    def of(self, name: str, version: object) -> Found | None:
        """Return the summary of that version; None until it is computed, which this call starts."""
        with self._lock:
            found = self._found.get(name)
            if found is not None and found.version == version:
                return found
            self._wanted[name] = version
            if not self._busy:
                self._busy = True
                threading.Thread(target=self._work, name="autofi-results", daemon=True).start()
        return None

    def _work(self) -> None:
        while True:
            with self._lock:
                if not self._wanted:
                    self._busy = False
                    return
                name, version = self._wanted.popitem()
            summary = self._try(name)
            with self._lock:
                self._found[name] = Found(version, summary)
                if self._wanted.get(name) == version:
                    del self._wanted[name]

    def _try(self, name: str) -> Summary | None:
        try:
            return self._summarize(name)
        except (AutoFIError, KeyError, OSError):
            # A visitor may delete a study meanwhile, and files may be missing.
            return None
        except Exception:
            # The list shows no result of this study; the log has the error.
            _logger.exception("study '%s' has no result", name)
            return None
