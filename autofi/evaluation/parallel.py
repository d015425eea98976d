"""Several trainings at once, each in its own process, to fill a GPU that one small network leaves idle.

Threads would not do: dropout draws from torch's global random numbers, and the interpreter would hold one training back
while it launches another's kernels.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import Protocol, TypeVar

import joblib
import torch

from autofi.core.memmap import scratch_folder
from autofi.errors import ConfigError
from autofi.evaluation.parallel_progress import heard
from autofi.evaluation.trained_weights import read_weights
from autofi.evaluation.workbench import Measurement, OnEvaluation, TrainedModel, Workbench
from autofi.space.architecture import Architecture

Result = TypeVar("Result", bound=Measurement, covariant=True)

#: The errors of a training that cannot be done: it diverges, or it does not fit in memory.
FAILURES = (RuntimeError, MemoryError)
#: Trainings at once on a GPU: each has an interpreter to feed it, and a context of some hundred MB on the card.
GPU_JOBS = 4
#: Arrays of at least this many bytes are mapped by all processes; smaller ones are sent to each.
SHARED_BYTES = 1 << 20


class Task(Protocol[Result]):
    """A training to run."""

    @property
    def architecture(self) -> Architecture: ...

    def __call__(self, bench: Workbench, on_evaluation: OnEvaluation | None) -> Result: ...


@dataclass(frozen=True)
class Training:
    """A training that scores validation rows; its costs are returned, its network only with `with_network`."""

    architecture: Architecture
    seed: int
    to_beat: float | None = None
    latency: bool = False
    share: float = 1.0
    with_network: bool = False

    def __call__(self, bench: Workbench, on_evaluation: OnEvaluation | None) -> Measurement:
        trained = bench.train(
            self.architecture,
            seed=self.seed,
            to_beat=self.to_beat,
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
    bench: Workbench, tasks: Sequence[Task[Result]], *, on_evaluation: OnEvaluation | None = None
) -> Iterator[tuple[int, Result]]:
    """Yield the number and the result of every task, as they finish, with `bench.jobs` of them at once.

    One of FAILURES ends the rest; see `try_each`. `on_evaluation` is called for every training, from a thread if there
    are several.

    Raises:
        ConfigError: The system ended a training's process, as it does when memory runs out.
    """
    for number, result in try_each(bench, tasks, on_evaluation=on_evaluation):
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
    features = bench.features(*(task.architecture for task in tasks))
    for task in tasks:
        bench.with_boosted(task.architecture, *features)
    # Mode "c" never writes to the file, yet gives torch a writable array.
    parallel = joblib.Parallel(
        n_jobs=jobs,
        backend="loky",
        return_as="generator_unordered",
        batch_size=1,
        pre_dispatch=jobs,
        max_nbytes=SHARED_BYTES,
        mmap_mode="c",
        temp_folder=scratch_folder(),
    )
    try:
        with heard(on_evaluation) as tell:
            yield from parallel(
                joblib.delayed(_numbered)(number, task, bench, tell) for number, task in begun
            )
    except BrokenProcessPool as error:
        raise ConfigError(
            f"The system ended the process of one of {jobs} trainings, as it does without memory; give fewer --jobs."
        ) from error


def at_once(bench: Workbench) -> int:
    """Return the number of trainings at once; one if rows are read from files by windows."""
    return 1 if bench.mapped else bench.jobs


def default_jobs(device: torch.device) -> int:
    """Return the default number of trainings at once: one on a processor, whose cores a single training uses."""
    return min(GPU_JOBS, os.cpu_count() or 1) if device.type == "cuda" else 1


def _numbered(
    number: int, task: Task[Result], bench: Workbench, tell: OnEvaluation | None
) -> tuple[int, Result | Exception]:
    return number, _attempt(task, bench, tell)


def _attempt(task: Task[Result], bench: Workbench, on_evaluation: OnEvaluation | None) -> Result | Exception:
    try:
        return task(bench, on_evaluation)
    except FAILURES as error:
        return error
