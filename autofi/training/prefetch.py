"""Batches on their way to a GPU: each is copied while the one before it is computed on."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from typing import Generic, Protocol, TypeVar

import torch

from autofi.training.row_source import Rows

Sent = TypeVar("Sent")


class Lane(Protocol, Generic[Sent]):
    """A way to another device on which copies do not wait for what is computed there."""

    def send(self, batch: Rows) -> Sent:
        """Begin to copy a batch."""

    def arrive(self, sent: Sent) -> Rows:
        """The copy; what is computed from here on waits for it, this process does not."""


class GpuLane:
    """Copies from pinned memory on a stream of their own."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.stream = torch.cuda.Stream(device)

    def send(self, batch: Rows) -> tuple[Rows, torch.cuda.Event]:
        # Pinned blocks are kept and given out again by torch, each once the copy out of it is over.
        pinned = batch.each(lambda tensor: tensor.pin_memory())
        with torch.cuda.stream(self.stream):
            there = pinned.each(lambda tensor: tensor.to(self.device, non_blocking=True))
            return there, self.stream.record_event()

    def arrive(self, sent: tuple[Rows, torch.cuda.Event]) -> Rows:
        there, copied = sent
        computing = torch.cuda.current_stream(self.device)
        computing.wait_event(copied)
        for tensor in there.tensors():
            # Made on another stream: its memory must not be given out again while this one reads it.
            tensor.record_stream(computing)
        return there


def on_device(batches: Iterable[Rows], device: torch.device) -> Iterator[Rows]:
    """The batches on `device`; those that lie there already are passed on as they are."""
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
    """Every batch through `lane`, the next one sent before the present one is given out."""
    coming: list[Sent] = []
    for batch in batches:
        coming.append(lane.send(batch))
        if len(coming) > 1:
            yield lane.arrive(coming.pop(0))
    yield from map(lane.arrive, coming)
