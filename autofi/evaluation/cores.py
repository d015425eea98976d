"""Cores of the processor: a thread for each of several trainings on small tables, all for one on large tables."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import joblib
import torch

from autofi.core.memmap import machine_memory
from autofi.data.dataset import EncodedDataset

#: Trainings at once on a GPU: each has an interpreter to feed it, and a context of some hundred MB on the card.
GPU_JOBS = 4
#: The most trainings at once on a processor: beyond that, memory is the limit.
CPU_JOBS = 8
#: Bytes of memory that a training at once needs at least: an interpreter with torch takes .4 GB, and a network more.
BYTES_A_JOB = 1 << 30
#: Training rows below which a training is over before another process has imported torch.
FEW_ROWS = 5_000
#: Values in training rows (rows times fields) from which on two threads train much faster than one: 39 fields of
#: 100,000 rows. With 8 fields of 20,000 rows they take as long as one.
MANY_VALUES = 4_000_000


def usable_cores() -> int:
    """Return the cores that this process may use: by its affinity, its container, and OMP_NUM_THREADS."""
    cores: int = joblib.cpu_count()
    return max(1, min(cores, torch.get_num_threads()))


def has_small_steps(dataset: EncodedDataset) -> bool:
    """Return True if a training step is too little work for two threads, by the size of the table alone."""
    train = dataset.parts["train"]
    values: int = (train.stop - train.start) * len(dataset.encoder.schema.names)
    return values < MANY_VALUES


def default_jobs(device: torch.device, dataset: EncodedDataset, *, workers: int = 1) -> int:
    """Return the default number of trainings at once.

    On a processor it is one per core where steps are small, so that each has a thread of its own; a large table is
    trained on by all cores, and a tiny one is not worth a process.

    Args:
        workers: Workers of a search that share the cores.
    """
    if device.type == "cuda":
        return min(GPU_JOBS, os.cpu_count() or 1)
    train = dataset.parts["train"]
    if train.stop - train.start < FEW_ROWS or not has_small_steps(dataset):
        return 1
    room = machine_memory() // BYTES_A_JOB
    return max(1, min(usable_cores(), CPU_JOBS, room) // workers)


@contextmanager
def at_most(threads: int) -> Iterator[None]:
    """Let torch use at most so many threads until the block ends."""
    before = torch.get_num_threads()
    torch.set_num_threads(min(before, threads))
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def threads_for(dataset: EncodedDataset, device: torch.device) -> Iterator[None]:
    """Let torch use one thread until the block ends where steps are small.

    Sums of several threads differ in their last digits, so the number follows from the table and not from the cores:
    a small table comes to the same results on any number of them.
    """
    with at_most(1 if device.type == "cpu" and has_small_steps(dataset) else torch.get_num_threads()):
        yield
