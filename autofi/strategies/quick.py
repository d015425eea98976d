"""The quick strategy: no supernet and no screen, trials of what is known to do well on most tables."""

from __future__ import annotations

import torch

from autofi.core.progress import Progress
from autofi.core.time_budget import UNLIMITED, TimeBudget
from autofi.data.dataset import EncodedDataset
from autofi.space.search_space import SearchSpace
from autofi.strategies.registry import register
from autofi.strategies.staged import Staged
from autofi.strategies.unselected import unselected_proposal
from autofi.supernet.proposal import Proposal


@register
class Quick(Staged):
    """Trials with all pairs target-encoded, or none, and all forms of fields or some; nothing is asked before them."""

    name = "quick"
    summary = "no supernet: target encodings of all pairs or of none, then the starting points of the space"
    source = "https://doi.org/10.1145/507533.507538"

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
        return unselected_proposal(dataset, space)

    def seconds(self, dataset: EncodedDataset, space: SearchSpace, *, epoch: float) -> float:
        return 0.0
