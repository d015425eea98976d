"""Prefetching to a GPU: each batch is copied during the computation on the one before it."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from typing import Generic, Protocol, TypeVar

import torch

from autofi.training.row_source import Rows

Sent = TypeVar("Sent")


class Lane(Protocol, Generic[Sent]):
    """A channel to another device whose copies do not wait for the computation there."""

    def send(self, batch: Rows) -> Sent:
        """Begin to copy a batch."""

    def arrive(self, sent: Sent) -> Rows:
        """Return the copy; later computation on the device waits for it, this process does not."""


class GpuLane:
    """Copies from pinned memory on a CUDA stream of their own."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.stream = torch.cuda.Stream(device)

    def send(self, batch: Rows) -> tuple[Rows, torch.cuda.Event]:
        # Torch keeps pinned blocks and reuses each when the copy from it is complete.
        pinned = batch.each(lambda tensor: tensor.pin_memory())
        with torch.cuda.stream(self.stream):
            there = pinned.each(lambda tensor: tensor.to(self.device, non_blocking=True))
            return there, self.stream.record_event()

    def arrive(self, sent: tuple[Rows, torch.cuda.Event]) -> Rows:
        there, copied = sent
        computing = torch.cuda.current_stream(self.device)
        computing.wait_event(copied)
        for tensor in there.tensors():
            # It was made on another stream: its memory must not be reused while this one reads it.
            tensor.record_stream(computing)
        return there


def on_device(batches: Iterable[Rows], device: torch.device) -> Iterator[Rows]:
    """Yield the batches on `device`; those already there are passed on unchanged."""
    waiting = iter(batches)
    first = next(waiting, None)
    if first is None:
        return
    if first.labels.device.type == device.type:
        yield first
        yield from waiting
        return
    yield from one_ahead(itertools.chain([first], waiting), GpuLane(device))


def one_ahead(batches: Iterable[Rows], lane: Lane[Sent]) -> Iterator[Rows]:
    """Yield every batch through `lane`, with the next one sent before the present one is yielded."""
    coming: list[Sent] = []
    for batch in batches:
        coming.append(lane.send(batch))
        if len(coming) > 1:
            yield lane.arrive(coming.pop(0))
    yield from map(lane.arrive, coming)
