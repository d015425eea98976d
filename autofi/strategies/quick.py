"""The quick strategy: no supernet and no screen, trials of what is known to do well on most tables."""

from __future__ import annotations

import torch

from autofi.core.progress import Progress
from autofi.core.time_budget import UNLIMITED, TimeBudget
from autofi.data.dataset import EncodedDataset
from autofi.evaluation.single_point import every_form
from autofi.space.search_space import SearchSpace
from autofi.strategies._unselected import encodable_pairs
from autofi.strategies.registry import register
from autofi.strategies.staged import Staged
from autofi.supernet.proposal import Proposal
from autofi.supernet.variants import TARGET_ENCODED


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
        forms = every_form(space, dataset)
        names = tuple(dataset.encoder.schema.names)
        if not space.pairs.searched:
            return Proposal.of_one_option(forms, space.pair_names(names), space.pairs.options[0])
        pairs = encodable_pairs(dataset, space)
        encoded = dict.fromkeys(pairs, TARGET_ENCODED) if TARGET_ENCODED in space.pairs.options else {}
        return Proposal(forms, forms, {}, {}, encoded, ranked_pairs=tuple(pairs))
