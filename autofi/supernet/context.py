"""The context that every stage of a proposal shares, and how networks are made from it."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from typing import TypeVar

import numpy as np
import torch

from autofi.core.progress import Progress
from autofi.core.time_budget import UNLIMITED, TimeBudget
from autofi.data.dataset import EncodedDataset
from autofi.model.network import Network
from autofi.operators.base import Shapes
from autofi.space.head_config import HeadSizes
from autofi.space.search_space import SearchSpace

Built = TypeVar("Built", bound=Network)

#: The head of a supernet: small, so that paths train fast and changes are scored fast.
HIDDEN = (128, 64)
HEAD = HeadSizes(hidden=HIDDEN)


@dataclass(frozen=True)
class ProposalContext:
    """One proposal in the making; `generator` draws folds and samples of rows, `budget` is the time for all of it."""

    dataset: EncodedDataset
    space: SearchSpace
    seed: int
    progress: Progress
    device: torch.device
    generator: np.random.Generator
    budget: TimeBudget = UNLIMITED

    def fresh(self, make: Callable[[], Built], number: int = 0) -> Built:
        """Return a network whose initial weights depend on the run's seed and `number` only."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed + number)
            return make().to(self.device)

    def on_epoch(self, total: int, after: float = 1.0) -> Callable[[int], None]:
        """Return a function that shows the end of every epoch of a training of `total` epochs in all.

        It raises OutOfTime if the rest of the training, times `after` for what comes after it, does not fit.
        """
        begun, ended = time.monotonic(), count(1)

        def show(epoch: int) -> None:
            self.progress.advance(epoch=epoch)
            done = next(ended)
            self.budget.check((time.monotonic() - begun) * ((total / done) * after - 1.0))

        return show

    def draws(self, number: int = 0) -> torch.Generator:
        """Return a random generator for a training, seeded by the run's seed and `number`."""
        return torch.Generator().manual_seed(self.seed + number)


def bias_of(shapes: Shapes) -> float:
    """Return the logit of the training rows' click rate, the initial bias of a network."""
    return math.log(shapes.prior / (1 - shapes.prior))


def batch_for(rows: int) -> int:
    """Return a batch size in 256..1024 that gives at least a hundred steps per epoch where it can."""
    return int(min(1024, max(256, 2 ** int(math.log2(max(rows / 100, 1))))))
