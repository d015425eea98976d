"""The contract of a strategy."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Sequence
from typing import ClassVar

import torch

from autofi.core.progress import Progress
from autofi.core.time_budget import UNLIMITED, TimeBudget
from autofi.data.dataset import EncodedDataset
from autofi.objectives.objectives import Direction
from autofi.space.search_space import SearchSpace
from autofi.strategies.candidates import Candidates
from autofi.supernet.proposal import Proposal


class Strategy(ABC):
    """A method of the leader to learn something once, and of all workers to make candidates from it."""

    name: ClassVar[str]
    #: Other names that it may be given by; subclasses do not inherit them.
    aliases: ClassVar[tuple[str, ...]] = ()
    summary: ClassVar[str]
    source: ClassVar[str]

    def unselected(self, dataset: EncodedDataset, space: SearchSpace) -> Proposal | None:
        """Return the proposal that selects nothing and takes no time; None if there is none.

        Its starts come before the proposal, and it stands in for that where there is no time for it.
        """
        return None

    def seconds(self, dataset: EncodedDataset, space: SearchSpace, *, epoch: float) -> float:
        """Return about how long the proposal takes.

        Args:
            epoch: The seconds of a trial's network for the training rows, once.
        """
        return 0.0

    @abstractmethod
    def propose(
        self,
        dataset: EncodedDataset,
        space: SearchSpace,
        *,
        seed: int,
        progress: Progress,
        device: torch.device,
        budget: TimeBudget = UNLIMITED,
    ) -> Proposal:
        """Return the proposal before the first trial, from training and validation rows only."""

    @abstractmethod
    def candidates(
        self, space: SearchSpace, proposal: Proposal, *, sampler: str, directions: Sequence[Direction]
    ) -> Candidates:
        """Return the points that trials are made of; equal proposals give equal candidates in every process."""

    @abstractmethod
    def pairs(self, proposal: Proposal) -> Collection[tuple[str, str]]:
        """Return every pair that a candidate may read."""
