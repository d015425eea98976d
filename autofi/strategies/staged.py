"""The staged strategy: a supernet, whole architectures scored by its weights, then trials around the best."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import torch

from autofi.core.progress import Progress
from autofi.data.dataset import EncodedDataset
from autofi.evaluation.single_point import every_form
from autofi.objectives.objectives import Direction
from autofi.space.architecture import Architecture
from autofi.space.resolve import resolve
from autofi.space.search_space import SearchSpace
from autofi.strategies.around_proposal import ProposedCandidates
from autofi.strategies.base import Strategy
from autofi.strategies.candidates import Candidates
from autofi.strategies.registry import register
from autofi.supernet.proposal import Proposal
from autofi.supernet.propose import propose
from autofi.supernet.variants import MOST_TARGET_ENCODED, TARGET_ENCODED


@register
class Staged(Strategy):
    """Hundreds of architectures compared by the weights of one supernet, and a few by their own weights."""

    name = "staged"
    summary = "a supernet, architectures explored by its weights, trials around the best, seeds for finalists"
    source = "https://arxiv.org/abs/1904.00420"

    def first(self, dataset: EncodedDataset, space: SearchSpace) -> Architecture | None:
        """Return all forms of all fields with target encodings of all pairs, or no pairs if there are too many."""
        if not (space.fields.search or space.pairs.searched) or TARGET_ENCODED not in space.pairs.options:
            return None
        names = space.pair_names(tuple(dataset.encoder.schema.names))
        pairs = names if len(names) <= MOST_TARGET_ENCODED else []
        return resolve(
            space,
            fields=every_form(space, dataset),
            pairs=dict.fromkeys(pairs, TARGET_ENCODED),
            ranked_pairs=pairs,
        )

    def propose(
        self,
        dataset: EncodedDataset,
        space: SearchSpace,
        *,
        seed: int,
        progress: Progress,
        device: torch.device,
    ) -> Proposal:
        return propose(dataset, space, seed=seed, progress=progress, device=device)

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
