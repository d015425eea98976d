"""A time limit for native code that can be asked to stop."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_POLL_SECONDS = 0.2


class TimeLimits:
    """A watcher that calls `stop` of work that does not end in time.

    All work of a process shares one thread, which sleeps while nothing runs; a timer for each piece of work
    would take longer than scoring a row does.
    """

    def __init__(self) -> None:
        self._running: dict[int, tuple[float, Callable[[], None]]] = {}
        self._any = threading.Event()
        self._start = threading.Lock()
        self._thread: threading.Thread | None = None

    @contextmanager
    def within(self, seconds: float, stop: Callable[[], None]) -> Iterator[None]:
        """Run the block; if it takes longer, call `stop` once from another thread."""
        if self._thread is None or not self._thread.is_alive():  # threads do not survive a fork
            self._watch()
        key = id(stop)
        self._running[key] = (time.monotonic() + seconds, stop)
        self._any.set()
        try:
            yield
        finally:
            self._running.pop(key, None)

    def _watch(self) -> None:
        with self._start:
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._wait, name="autofi-time-limits", daemon=True)
                self._thread.start()

    def _wait(self) -> None:
        while self._any.wait():
            self._any.clear()
            while self._running:
                time.sleep(_POLL_SECONDS)
                now = time.monotonic()
                for key, (until, stop) in list(self._running.items()):
                    if now >= until:
                        self._running.pop(key, None)
                        stop()


TIME_LIMITS = TimeLimits()
