"""Several trainings at once, each in its own process, to use all cores, or a GPU that one small network leaves idle.

Threads would not do: dropout draws from torch's global random numbers, and the interpreter would hold one training back
while it launches another's operations. This process trains too, and begins before the others have been started.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import partial
from itertools import takewhile
from pathlib import Path
from queue import Empty, SimpleQueue
from tempfile import TemporaryDirectory
from threading import Lock
from typing import Any, Protocol, TypeVar

import joblib
import torch

from autofi.core.memmap import scratch_folder
from autofi.errors import ConfigError
from autofi.evaluation.cores import at_most
from autofi.evaluation.parallel_progress import heard
from autofi.evaluation.trained_weights import read_weights
from autofi.evaluation.training_processes import kill_processes, start_processes, submit
from autofi.evaluation.workbench import Measurement, OnEvaluation, TrainedModel, Workbench
from autofi.space.architecture import Architecture

Result = TypeVar("Result", covariant=True)

#: The errors of a training that cannot be done: it diverges, or it does not fit in memory.
FAILURES = (RuntimeError, MemoryError)


class Task(Protocol[Result]):
    """A training to run; the architecture says which features it reads, None stands for none."""

    @property
    def architecture(self) -> Architecture | None: ...

    def __call__(self, bench: Workbench, on_evaluation: OnEvaluation | None) -> Result: ...


@dataclass(frozen=True)
class Training:
    """A training that scores validation rows; its costs are returned, its network only with `with_network`."""

    architecture: Architecture
    seed: int
    to_beat: float | None = None
    most_seconds: float = math.inf
    latency: bool = False
    share: float = 1.0
    with_network: bool = False

    def __call__(self, bench: Workbench, on_evaluation: OnEvaluation | None) -> Measurement:
        trained = bench.train(
            self.architecture,
            seed=self.seed,
            to_beat=self.to_beat,
            most_seconds=self.most_seconds,
            latency=self.latency,
            share=self.share,
            on_evaluation=on_evaluation,
        )
        if not self.with_network:
            return trained.measured()
        trained.network.cpu()
        return trained


@dataclass(frozen=True)
class Retraining:
    """A call of `Workbench.retrain`: test rows are scored too, and the network is returned.

    `weights` is the file of its first training, if that has been done already.
    """

    architecture: Architecture
    seed: int
    refit: bool = False
    weights: Path | None = None

    def __call__(self, bench: Workbench, on_evaluation: OnEvaluation | None) -> TrainedModel:
        trained = bench.retrain(
            self.architecture,
            seed=self.seed,
            refit=self.refit,
            trained=None if self.weights is None else read_weights(self.weights),
            on_evaluation=on_evaluation,
        )
        trained.network.cpu()
        return trained


def train_each(
    bench: Workbench,
    tasks: Sequence[Task[Result]],
    *,
    on_evaluation: OnEvaluation | None = None,
    go_on: Callable[[], bool] = lambda: True,
) -> Iterator[tuple[int, Result]]:
    """Yield the number and the result of every task, as they finish, with `bench.jobs` of them at once.

    One of FAILURES ends the rest; see `try_each`. `on_evaluation` is called for every training, from several threads
    if there are several.

    Raises:
        ConfigError: The system ended a training's process, as it does when memory runs out.
    """
    for number, result in try_each(bench, tasks, on_evaluation=on_evaluation, go_on=go_on):
        if isinstance(result, Exception):
            raise result
        yield number, result


def try_each(
    bench: Workbench,
    tasks: Sequence[Task[Result]],
    *,
    on_evaluation: OnEvaluation | None = None,
    go_on: Callable[[], bool] = lambda: True,
) -> Iterator[tuple[int, Result | Exception]]:
    """Yield results like `train_each`, with one of FAILURES in place of the result of a training that raised it.

    Several at once share the threads of torch: each has as many as if the others had theirs, wherever it runs, so that
    it comes to the same result.

    Args:
        go_on: Called before a training begins; when it returns False, running trainings finish and no other begins.
    """
    begun = takewhile(lambda _: go_on(), enumerate(tasks))
    jobs = min(at_once(bench), len(tasks))
    if jobs < 2:
        for number, task in begun:
            yield number, _attempt(task, bench, on_evaluation)
        return
    # Build features here, so that every process maps the same ones instead of building its own.
    architectures = [task.architecture for task in tasks if task.architecture is not None]
    if architectures:
        features = bench.features(*architectures)
        for architecture in architectures:
            bench.with_boosted(architecture, *features)
    threads = max(1, torch.get_num_threads() // jobs)
    with (
        TemporaryDirectory(prefix="autofi-", dir=scratch_folder()) as folder,
        heard(on_evaluation) as tell,
        at_most(threads),
    ):
        kept = Path(folder) / "workbench"
        joblib.dump(bench, kept)
        others = _Others(begun, partial(_train_mapped, kept, threads, tell), jobs - 1)
        try:
            while (mine := others.next()) is not None:
                number, task = mine
                yield number, _attempt(task, bench, on_evaluation)
                yield from others.finished()
            yield from others.finished(wait=True)
        except BrokenProcessPool as error:
            kill_processes()
            raise ConfigError(
                f"The system ended the process of one of {jobs} trainings, as it does without memory; give fewer "
                "--jobs."
            ) from error
        finally:
            others.leave()


class _Others:
    """The processes that share the tasks with this one: each takes the next when it has done one."""

    def __init__(
        self, tasks: Iterator[tuple[int, Task[Any]]], train: Callable[[int, Task[Any]], Any], count: int
    ) -> None:
        self._tasks, self._train = tasks, train
        self._lock = Lock()
        self._given = self._taken = 0
        self._ended: SimpleQueue[Future[Any]] = SimpleQueue()
        # A process that is still starting holds no task back from one that could begin it.
        for ready in start_processes(count):
            ready.add_done_callback(self._give_first)

    def next(self, *, elsewhere: bool = False) -> tuple[int, Task[Any]] | None:
        """Return the next task, or None if there is none."""
        with self._lock:
            found = next(self._tasks, None)
            self._given += elsewhere and found is not None
            return found

    def finished(self, *, wait: bool = False) -> Iterator[tuple[int, Any]]:
        """Yield the results of other processes that have come; with `wait`, of all that run."""
        while self._taken < self._given:
            try:
                ended = self._ended.get(block=wait)
            except Empty:
                return
            self._taken += 1
            yield ended.result()

    def leave(self) -> None:
        """Begin no further task; end the processes where some still run, because nobody waits for their results."""
        with self._lock:
            self._tasks = iter(())
        if self._taken < self._given:
            kill_processes()

    def _give_first(self, ready: Future[None]) -> None:
        if ready.cancelled():
            return
        if ready.exception() is None:
            self._give()
            return
        # It could not be started, which is told like the end of one that trained.
        with self._lock:
            self._given += 1
        self._ended.put(ready)

    def _give(self) -> None:
        found = self.next(elsewhere=True)
        if found is None:
            return
        try:
            training = submit(self._train, *found)
        except Exception as error:  # the pool has broken since; the error is raised where results are read
            training = Future()
            training.set_exception(error)
        training.add_done_callback(self._end)

    def _end(self, training: Future[Any]) -> None:
        self._ended.put(training)
        if not training.cancelled() and training.exception() is None:
            self._give()


def at_once(bench: Workbench) -> int:
    """Return the number of trainings at once; one if rows are read from files by windows."""
    return 1 if bench.mapped else bench.jobs


#: The workbench that this process, one of several, has mapped last, with the file it lies in.
_mapped: tuple[Path, Workbench] | None = None


def _train_mapped(
    kept: Path, threads: int, tell: OnEvaluation | None, number: int, task: Task[Result]
) -> tuple[int, Result | Exception]:
    """Train in another process, on the arrays of a file that all of them map."""
    global _mapped
    if _mapped is None or _mapped[0] != kept:
        _mapped = None  # first, so that two are never held at once
        # Mode "c" never writes to the file, yet gives torch a writable array.
        _mapped = kept, joblib.load(kept, mmap_mode="c")
    torch.set_num_threads(threads)
    return number, _attempt(task, _mapped[1], tell)


def _attempt(task: Task[Result], bench: Workbench, on_evaluation: OnEvaluation | None) -> Result | Exception:
    try:
        return task(bench, on_evaluation)
    except FAILURES as error:
        return error
