"""Batches to another device: all of them, in order, each sent before the one ahead of it is used."""

from __future__ import annotations

import pytest
import torch

from autofi.training.prefetch import GpuLane, on_device, one_ahead
from autofi.training.row_source import Rows

CPU = torch.device("cpu")


class Recorded:
    """A lane that leads nowhere and writes down what happens."""

    def __init__(self) -> None:
        self.happened: list[tuple[str, int]] = []

    def send(self, batch: Rows) -> Rows:
        self.happened.append(("sent", int(batch.labels[0])))
        return batch

    def arrive(self, sent: Rows) -> Rows:
        self.happened.append(("arrived", int(sent.labels[0])))
        return sent


def numbered(count: int) -> list[Rows]:
    return [Rows({"row": torch.tensor([n])}, torch.tensor([float(n)]), torch.ones(1)) for n in range(count)]


@pytest.mark.parametrize("count", [0, 1, 2, 5])
def test_each_is_sent_before_the_one_ahead_of_it_is_given_out(count: int) -> None:
    lane, batches = Recorded(), numbered(count)
    assert list(one_ahead(batches, lane)) == batches
    expected = [("sent", 0)] if count else []
    for number in range(1, count):
        expected += [("sent", number), ("arrived", number - 1)]
    assert lane.happened == expected + ([("arrived", count - 1)] if count else [])


def test_batches_that_are_there_are_passed_on_one_by_one() -> None:
    batches, given = numbered(3), []

    def one_by_one() -> object:
        for batch in batches:
            given.append(batch)
            yield batch

    for place, batch in enumerate(on_device(one_by_one(), CPU)):
        assert batch is batches[place]
        assert len(given) == place + 1
    assert list(on_device([], CPU)) == []


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_gets_the_same_batches() -> None:
    device = torch.device("cuda")
    batches = [Rows({"row": torch.randn(1000, 8)}, torch.rand(1000), torch.rand(1000)) for _ in range(20)]
    for batch, copy in zip(batches, one_ahead(batches, GpuLane(device)), strict=True):
        for here, there in zip(batch.tensors(), copy.tensors(), strict=True):
            assert there.device.type == "cuda"
            assert torch.equal(there.cpu(), here)
