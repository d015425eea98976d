"""The quick strategy: no supernet and no screen, trials of what is known to do well on most tables."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import torch

from autofi.core.progress import Progress
from autofi.core.time_budget import UNLIMITED, TimeBudget
from autofi.data.dataset import EncodedDataset
from autofi.evaluation.single_point import every_form
from autofi.objectives.objectives import Direction
from autofi.space.architecture import Architecture
from autofi.space.search_space import SearchSpace
from autofi.strategies._unselected import encodable_pairs, unselected_architecture
from autofi.strategies.around_proposal import ProposedCandidates
from autofi.strategies.base import Strategy
from autofi.strategies.candidates import Candidates
from autofi.strategies.registry import register
from autofi.supernet.proposal import Proposal
from autofi.supernet.variants import TARGET_ENCODED


@register
class Quick(Strategy):
    """Trials with all pairs target-encoded, or none, and all forms of fields or some; nothing is asked before them."""

    name = "quick"
    summary = "no supernet: target encodings of all pairs or of none, then the starting points of the space"
    source = "https://doi.org/10.1145/507533.507538"

    def first(self, dataset: EncodedDataset, space: SearchSpace) -> Architecture | None:
        """Return all forms of all fields with target encodings of all pairs."""
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
        forms = every_form(space, dataset)
        names = tuple(dataset.encoder.schema.names)
        if not space.pairs.searched:
            options, every = space.pairs.options[0], space.pair_names(names)
            fixed = dict.fromkeys(every, options) if options else {}
            return Proposal(forms, forms, fixed, fixed, fixed, ranked_pairs=tuple(every))
        pairs = encodable_pairs(dataset, space)
        encoded = dict.fromkeys(pairs, TARGET_ENCODED) if TARGET_ENCODED in space.pairs.options else {}
        return Proposal(forms, forms, {}, {}, encoded, ranked_pairs=tuple(pairs))

    def candidates(
        self, space: SearchSpace, proposal: Proposal, *, sampler: str, directions: Sequence[Direction]
    ) -> Candidates:
        return ProposedCandidates(space, proposal, sampler=sampler, directions=directions)

    def pairs(self, proposal: Proposal) -> Collection[tuple[str, str]]:
        return {**proposal.pairs, **proposal.target_encoded_pairs}
