"""What every stage of a proposal is given, and how each makes its networks."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch

from autofi.core.progress import Progress
from autofi.data.dataset import EncodedDataset
from autofi.model.network import Network
from autofi.operators.base import Shapes
from autofi.space.head_config import ReadoutSizes
from autofi.space.search_space import SearchSpace

Built = TypeVar("Built", bound=Network)

#: The read-out of a supernet: small, so that a path is trained soon and a change is scored soon.
HIDDEN = (128, 64)
READOUT = ReadoutSizes(hidden=HIDDEN)


@dataclass(frozen=True)
class Run:
    """One proposal in the making; `generator` deals folds and samples of rows."""

    dataset: EncodedDataset
    space: SearchSpace
    seed: int
    progress: Progress
    device: torch.device
    generator: np.random.Generator

    def fresh(self, make: Callable[[], Built], number: int = 0) -> Built:
        """A network with weights by the run's seed and a number of its own, whatever was drawn before."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed + number)
            return make().to(self.device)

    def draws(self, number: int = 0) -> torch.Generator:
        """Random numbers of a training by the run's seed and a number of its own."""
        return torch.Generator().manual_seed(self.seed + number)


def bias_of(shapes: Shapes) -> float:
    """The logit of the training rows' click rate: where a network begins."""
    return math.log(shapes.prior / (1 - shapes.prior))


def batch_for(rows: int) -> int:
    """A batch small enough for at least a hundred steps an epoch, in 256..1024."""
    return int(min(1024, max(256, 2 ** int(math.log2(max(rows / 100, 1))))))
