"""Further worker processes during a search: their interface, and workers on this machine."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from types import TracebackType
from typing import IO, Protocol, Self

import torch

from autofi.core.progress import Progress
from autofi.errors import StoreError
from autofi.store import StorageURL, StudyStore
from autofi.store.storage_url import STORAGE_VARIABLE

#: The seconds that a worker has to give up its trial when the search ends.
PATIENCE = 20.0


class WorkerPool(Protocol):
    """A context of further workers, which start and end with it: `LocalWorkers`, or `RayWorkers`."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def share_cores(self) -> None:
        """Use no more cores here than every other worker does, until the context ends."""

    def check(self) -> None:
        """Report workers that failed since the last call."""


class LocalWorkers:
    """A pool of `count` processes that run `autofi worker`; they share cores evenly and GPUs in turn.

    They start with the search, and have read the data by the time there is a trial to measure. A worker that
    ends early is reported and not replaced, because the same cause would end the next one too; the other
    workers take over its trial.
    """

    def __init__(
        self, study: str, storage: StorageURL, count: int, *, device: torch.device, progress: Progress
    ) -> None:
        self._study, self._storage, self._count = study, storage, count
        self._device, self._progress = device, progress
        self._processes: dict[int, tuple[subprocess.Popen[bytes], IO[bytes]]] = {}
        self._threads = self._cores = torch.get_num_threads()

    def __enter__(self) -> Self:
        self._threads, threads = torch.get_num_threads(), self._share()
        for number in range(1, self._count + 1):
            said = tempfile.TemporaryFile()
            process = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "autofi",
                    "worker",
                    self._study,
                    "--device",
                    self._device.type,
                    "--quiet",
                ],
                env=self._environment(number, threads),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=said,
            )
            self._processes[number] = process, said
        return self

    def share_cores(self) -> None:
        """Use no more cores here than every other worker does, until the context ends."""
        torch.set_num_threads(min(self._threads, self._share()))

    def check(self) -> None:
        """Report workers that failed since the last call."""
        for number, (process, said) in list(self._processes.items()):
            if process.poll() is None:
                continue
            del self._processes[number]
            if process.returncode:
                said.seek(0)
                lines = said.read().decode(errors="replace").strip().splitlines()
                reason = lines[-1] if lines else f"by signal or status {process.returncode}"
                self._progress.note(f"Worker {number} ended: {reason}")
            said.close()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        torch.set_num_threads(self._threads)
        # A worker that has measured a trial ends by itself, as soon as it sees that the goal is reached. One that still
        # starts or prepares would come too late.
        staying = self._joined() if error is None and self._processes else set()
        for process, _ in self._processes.values():
            if process.pid not in staying:
                process.terminate()
        for process, said in self._processes.values():
            try:
                process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            said.close()
        self._processes.clear()

    def _joined(self) -> set[int]:
        try:
            with StudyStore(self._storage) as store:
                return store.open(self._study).joined()
        except StoreError:
            # Nobody knows, so each of them gets its time.
            return {process.pid for process, _ in self._processes.values()}

    def _share(self) -> int:
        return max(1, self._cores // (self._count + 1))

    def _environment(self, number: int, threads: int) -> dict[str, str]:
        # The storage's URL may hold a password, which a command line would show to everybody.
        added = {STORAGE_VARIABLE: self._storage.url, "OMP_NUM_THREADS": str(threads)}
        if self._device.type == "cuda":
            visible = os.environ.get("CUDA_VISIBLE_DEVICES") or ",".join(
                map(str, range(torch.cuda.device_count()))
            )
            cards = visible.split(",")
            added["CUDA_VISIBLE_DEVICES"] = cards[number % len(cards)]
        return {**os.environ, **added}
