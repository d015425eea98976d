"""The survey for a search without a supernet: the forms that fields can have, and the pairs to ask about."""

from __future__ import annotations

import numpy as np
import torch

from autofi.core.memmap import release
from autofi.core.progress import Progress
from autofi.core.time_budget import UNLIMITED, OutOfTime, TimeBudget
from autofi.data.dataset import EncodedDataset
from autofi.data.features import Pair
from autofi.model.build import encoded_shapes
from autofi.space.resolve import applicable_forms
from autofi.space.search_space import SearchSpace
from autofi.supernet.context import ProposalContext
from autofi.supernet.pair_screening import PairScore
from autofi.supernet.proposal import Proposal
from autofi.supernet.screening import score_pairs
from autofi.supernet.slots import asked_pairs

#: Up to this number, every pair is a parameter of the study without a screen. Above it pairs are screened, and the
#: space's `open_pairs` best of either kind are asked about. If these are too many as well, shares of the screen's
#: rankings are the parameters, so that a study of a wide table stays quick to propose for and readable.
OWN_PARAMETERS = 64


def survey(
    dataset: EncodedDataset,
    space: SearchSpace,
    *,
    seed: int,
    progress: Progress,
    device: torch.device,
    budget: TimeBudget = UNLIMITED,
) -> Proposal:
    """Return a neutral proposal: all forms of all fields, every pair naive, and the pairs that may be more.

    If the screen that many pairs need does not fit in `budget`, they all stay naive.
    """
    run = ProposalContext(dataset, space, seed, progress, device, np.random.default_rng(seed), budget)
    names = tuple(dataset.encoder.schema.names)
    forms = applicable_forms(space, encoded_shapes(dataset.encoder, min_count=2))
    pairs = asked_pairs(dataset, space)
    every = tuple((names[left], names[right]) for left, right in pairs)
    if not space.pairs.searched:
        return Proposal.of_one_option(forms, every, space.pairs.options[0])
    try:
        asked = _worth_asking(run, pairs)
    except OutOfTime:
        budget.leave_out("the screen of pairs")
        return Proposal(forms, forms, {}, {}, {}, ranked_pairs=every, cut="screen")
    found = {
        (names[left], names[right]): (score.memorize, score.factorize)
        for score in asked
        for left, right in [score.pair]
    }
    ranked = sorted(found, key=lambda pair: -found[pair][0])
    return Proposal(forms, forms, {}, {}, {}, screening_scores=found, ranked_pairs=tuple(ranked))


def _worth_asking(run: ProposalContext, pairs: list[Pair]) -> list[PairScore]:
    """Return the pairs in their order; if there are many, those that lead one of the two rankings."""
    if len(pairs) <= OWN_PARAMETERS:
        return [PairScore(pair, 0.0, 0.0) for pair in pairs]
    run.progress.phase("screen pairs", total=3)
    scores, _ = score_pairs(run, pairs)
    release(run.dataset.ids)
    leading = {
        score.pair
        for ranked in (
            sorted(scores, key=lambda score: -score.memorize),
            sorted(scores, key=lambda score: -score.factorize),
        )
        for score in ranked[: run.space.search.open_pairs]
    }
    return [score for score in scores if score.pair in leading]
