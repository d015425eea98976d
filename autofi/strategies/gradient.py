"""The strategy of choices learned by gradient, with no variants around them."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from autofi.core.progress import Progress
from autofi.core.time_budget import UNLIMITED, TimeBudget
from autofi.data.dataset import EncodedDataset
from autofi.objectives.objectives import Direction
from autofi.space.search_space import SearchSpace
from autofi.strategies.around_proposal import ProposedCandidates
from autofi.strategies.candidates import Candidates
from autofi.strategies.registry import register
from autofi.strategies.staged import Staged
from autofi.supernet.proposal import Proposal


@register
class Gradient(Staged):
    """Choice weights learned by gradient, by the published procedure ("joint") unless the space names another.

    Every trial has the architecture of the largest choice weights; only the parameters of the space differ.
    """

    name = "gradient"
    summary = "choice weights by gradient as OptInter publishes; trials differ in sizes and training only"
    source = "https://arxiv.org/abs/2105.10484"

    def unselected(self, dataset: EncodedDataset, space: SearchSpace) -> Proposal | None:
        """Return None: trials have what the gradient chose."""
        return None

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
        if space.search.method == "paths":
            space = space.model_copy(update={"search": space.search.model_copy(update={"method": "joint"})})
        return super().propose(dataset, space, seed=seed, progress=progress, device=device, budget=budget)

    def candidates(
        self, space: SearchSpace, proposal: Proposal, *, sampler: str, directions: Sequence[Direction]
    ) -> Candidates:
        fixed = space.model_copy(update={"starts": ()})
        return ProposedCandidates(fixed, proposal, sampler=sampler, directions=directions, around=False)
