"""What a strategy is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Sequence
from typing import ClassVar

import torch

from autofi.core.progress import Progress
from autofi.data.dataset import EncodedDataset
from autofi.objectives.objectives import Direction
from autofi.space.search_space import SearchSpace
from autofi.strategies.candidates import Candidates
from autofi.supernet.proposal import Proposal


class Strategy(ABC):
    """What the leader of a search learns once, and the candidates that it and every worker make of that."""

    name: ClassVar[str]
    #: Other names that it may be given by; subclasses do not inherit them.
    aliases: ClassVar[tuple[str, ...]] = ()
    summary: ClassVar[str]
    source: ClassVar[str]

    @abstractmethod
    def propose(
        self,
        dataset: EncodedDataset,
        space: SearchSpace,
        *,
        seed: int,
        progress: Progress,
        device: torch.device,
    ) -> Proposal:
        """What is known before the first trial, from training and validation rows only."""

    @abstractmethod
    def candidates(
        self, space: SearchSpace, proposal: Proposal, *, sampler: str, directions: Sequence[Direction]
    ) -> Candidates:
        """The points that trials are made of; the same for the same proposal, whoever asks."""

    @abstractmethod
    def pairs(self, proposal: Proposal) -> Collection[tuple[str, str]]:
        """Every pair that a candidate may read."""
