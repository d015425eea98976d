"""Processes that train beside this one; they are started once and serve all trainings of a search."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from joblib.externals import loky

#: Seconds without work after which a process ends.
IDLE_SECONDS = 300
#: Each process is told how many threads of torch to use. Threads that wait must not spin on a core others need.
ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_WAIT_POLICY": "passive",
}


# loky replaces a process that holds much more memory than at first, between two trainings: nothing is lost.
warnings.filterwarnings("ignore", "A worker stopped while some jobs were given", UserWarning)


class _Pool:
    """The processes of this interpreter; loky starts them without importing the user's main module."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._executor: Any = None
        self._count = 0

    def with_processes(self, count: int) -> Any:
        """Return an executor of at least `count` processes, the same one as long as they are enough."""
        with self._lock:
            if self._executor is None or self._count < count:
                if self._executor is not None:
                    self._executor.shutdown(wait=False)
                self._executor = loky.ProcessPoolExecutor(count, timeout=IDLE_SECONDS, env=ENVIRONMENT)
                self._count = count
            return self._executor

    def kill(self) -> None:
        with self._lock:
            executor, self._executor, self._count = self._executor, None, 0
        if executor is not None:
            executor.shutdown(wait=True, kill_workers=True)


_pool = _Pool()


def start_processes(count: int) -> list[Future[None]]:
    """Start `count` processes unless they run, without waiting; the results come when they can train."""
    executor = _pool.with_processes(count)
    return [executor.submit(_import_training) for _ in range(count)]


def submit(function: Callable[..., Any], *arguments: Any) -> Future[Any]:
    """Call a function in one of the processes that are started."""
    future: Future[Any] = _pool.with_processes(1).submit(function, *arguments)
    return future


def kill_processes() -> None:
    """End all processes at once, with what they are doing; the next training starts others."""
    _pool.kill()


def _import_training() -> None:
    """Import what a training imports, also where it first needs it."""
    import sklearn.linear_model  # noqa: F401

    import autofi.evaluation.workbench
    import autofi.training.sparse_adam_numba  # noqa: F401
