"""The strategy without a supernet: the sampler chooses among all architectures, and each trial trains new weights."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import torch

from autofi.core.progress import Progress
from autofi.core.time_budget import UNLIMITED, TimeBudget
from autofi.data.dataset import EncodedDataset
from autofi.objectives.objectives import Direction
from autofi.space.search_space import SearchSpace
from autofi.strategies.base import Strategy
from autofi.strategies.candidates import Candidates
from autofi.strategies.full_space import FreeCandidates
from autofi.strategies.registry import register
from autofi.supernet.proposal import Proposal
from autofi.supernet.propose_without_supernet import survey


@register
class Scratch(Strategy):
    """The reference for every other strategy; pairs are screened only if there are too many to ask one by one."""

    name = "scratch"
    summary = "no supernet: the sampler sets every field and pair, and each trial trains its own weights"
    source = "https://proceedings.neurips.cc/paper/2011/hash/86e8f7ab32cfd12577bc2619bc635690-Abstract.html"

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
        return survey(dataset, space, seed=seed, progress=progress, device=device, budget=budget)

    def candidates(
        self, space: SearchSpace, proposal: Proposal, *, sampler: str, directions: Sequence[Direction]
    ) -> Candidates:
        return FreeCandidates(space, proposal, sampler=sampler, directions=directions)

    def pairs(self, proposal: Proposal) -> Collection[tuple[str, str]]:
        return {**proposal.pairs, **dict.fromkeys(proposal.screening_scores, ())}
