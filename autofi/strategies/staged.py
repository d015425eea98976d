"""The staged strategy: a supernet, whole architectures scored by its weights, then trials around the best."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import torch

from autofi.core.progress import Progress
from autofi.core.time_budget import UNLIMITED, TimeBudget
from autofi.data.dataset import EncodedDataset
from autofi.objectives.objectives import Direction
from autofi.space.search_space import SearchSpace
from autofi.strategies.around_proposal import ProposedCandidates
from autofi.strategies.base import Strategy
from autofi.strategies.candidates import Candidates
from autofi.strategies.registry import register
from autofi.strategies.unselected import unselected_proposal, with_dense_pairs
from autofi.supernet.proposal import Proposal
from autofi.supernet.proposal_seconds import proposal_seconds
from autofi.supernet.propose import propose


@register
class Staged(Strategy):
    """Hundreds of architectures compared by the weights of one supernet, and a few by their own weights."""

    name = "staged"
    summary = "a supernet, architectures explored by its weights, trials around the best, seeds for finalists"
    source = "https://arxiv.org/abs/1904.00420"

    def unselected(self, dataset: EncodedDataset, space: SearchSpace) -> Proposal | None:
        """Return the proposal with all forms of all fields, and all pairs alike or none."""
        return unselected_proposal(dataset, space)

    def seconds(self, dataset: EncodedDataset, space: SearchSpace, *, epoch: float) -> float:
        return proposal_seconds(dataset, space, epoch=epoch)

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
        found = propose(dataset, space, seed=seed, progress=progress, device=device, budget=budget)
        return with_dense_pairs(found, dataset, space)

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
            **dict.fromkeys(proposal.dense_pairs or (), ()),
            **{pair: () for found in explored for pair in found},
        }
