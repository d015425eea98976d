"""The staged strategy: a supernet, whole architectures scored by its weights, then trials around the best."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import torch

from autofi.core.progress import Progress
from autofi.core.time_budget import UNLIMITED, TimeBudget
from autofi.data.dataset import EncodedDataset
from autofi.objectives.objectives import Direction
from autofi.space.architecture import Architecture
from autofi.space.search_space import SearchSpace
from autofi.strategies._unselected import unselected_architecture
from autofi.strategies.around_proposal import ProposedCandidates
from autofi.strategies.base import Strategy
from autofi.strategies.candidates import Candidates
from autofi.strategies.registry import register
from autofi.supernet.proposal import Proposal
from autofi.supernet.propose import propose


@register
class Staged(Strategy):
    """Hundreds of architectures compared by the weights of one supernet, and a few by their own weights."""

    name = "staged"
    summary = "a supernet, architectures explored by its weights, trials around the best, seeds for finalists"
    source = "https://arxiv.org/abs/1904.00420"

    def first(self, dataset: EncodedDataset, space: SearchSpace) -> Architecture | None:
        """Return all forms of all fields with target encodings of all pairs, or no pairs if there are too many."""
        return unselected_architecture(dataset, space)

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
        return propose(dataset, space, seed=seed, progress=progress, device=device, budget=budget)

    def candidates(
        self, space: SearchSpace, proposal: Proposal, *, sampler: str, directions: Sequence[Direction]
    ) -> Candidates:
        return ProposedCandidates(space, proposal, sampler=sampler, directions=directions)

    def pairs(self, proposal: Proposal) -> Collection[tuple[str, str]]:
        explored = (proposal.exploration.pairs(one) for one in proposal.exploration.best)
        return {
            **proposal.probable_pairs,
            **proposal.pairs,
            **proposal.target_encoded_pairs,
            **{pair: () for found in explored for pair in found},
        }
