"""The proposal of forms and options: screen pairs, train a supernet over the rest, judge on held-out rows.

The space's `search.method` chooses one of three procedures:

- **paths** (default). A network without pairs is cross-fitted. A pair is opened if its cells or a low-rank product,
  whichever does better, explain the residuals on rows that neither was fitted on (`pair_screening`). A supernet over
  the open pairs and the forms of the fields is trained by random paths (`path_training`). Every option must then gain
  more than its own uncertainty on held-out rows (`greedy_selection`). From there a sampler continues over whole
  architectures (`explore`).
- **gumbel**. Choice weights by Gumbel-softmax, learned on rows that the network's weights do not train on
  (`differentiable`).
- **joint**. The published OptInter procedure: choice weights and network weights on the same rows (`differentiable`).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from autofi.core.progress import Progress
from autofi.core.time_budget import UNLIMITED, OutOfTime, TimeBudget
from autofi.data.dataset import EncodedDataset
from autofi.data.features import Pair
from autofi.model.build import build_network, encoded_shapes
from autofi.operators.base import Sizes
from autofi.operators.registry import choices_of
from autofi.space.architecture import Forms
from autofi.space.parameters import Choices
from autofi.space.resolve import applicable_forms, resolve
from autofi.space.search_space import SearchSpace
from autofi.space.training_config import TrainingSettings
from autofi.supernet.context import HEAD, ProposalContext, bias_of
from autofi.supernet.differentiable import train_by_gradient
from autofi.supernet.exploration import Exploration
from autofi.supernet.explore import explore, score_variants
from autofi.supernet.fold_supernets import train_path_supernets
from autofi.supernet.greedy_selection import Move, select
from autofi.supernet.inherited_evaluator import InheritedEvaluator
from autofi.supernet.pair_screening import PairScore
from autofi.supernet.proposal import Proposal
from autofi.supernet.slots import SearchSlots, asked_pairs, build_slots, streams_of
from autofi.supernet.supernet import Supernet
from autofi.supernet.variants import MOST_TARGET_ENCODED, TARGET_ENCODED, variant_options
from autofi.supernet.weight_entanglement import Entangled, learn_widths, width_choices
from autofi.training.place_rows import rows_for

CPU = torch.device("cpu")


def propose(
    dataset: EncodedDataset,
    space: SearchSpace,
    *,
    seed: int,
    progress: Progress,
    device: torch.device = CPU,
    budget: TimeBudget = UNLIMITED,
) -> Proposal:
    """Propose the forms of the fields and the options of the pairs from training and validation rows only.

    Steps that do not fit in `budget` are left out: see `Proposal.cut`.
    """
    run = ProposalContext(dataset, space, seed, progress, device, np.random.default_rng(seed), budget)
    try:
        offer = build_slots(run)
    except OutOfTime:
        return _unscreened(run)
    names, forms = tuple(dataset.encoder.schema.names), offer.forms
    if all(len(slot.options) == 1 for slot in offer.slots):
        options = space.pairs.options[0]
        pairs = [(names[left], names[right]) for left, right in offer.pairs]
        proposal = Proposal.of_one_option(forms, pairs, options)
    else:
        by = _by_paths if space.search.method == "paths" else _by_gradient
        try:
            if not offer.screened.whole:
                raise OutOfTime
            proposal = by(run, offer)
        except OutOfTime:
            proposal = _by_screen(run, offer)
        encoded = _target_encoded_pairs(space, names, offer.screened.ranked, proposal)
        proposal = dataclasses.replace(proposal, target_encoded_pairs=encoded)
    ranked = _by_memorizing(offer.screened.ranked) or offer.pairs
    proposal = dataclasses.replace(
        proposal,
        products=offer.screened.products,
        ranked_pairs=tuple((names[left], names[right]) for left, right in ranked),
    )
    if space.search.sizes == "entangled":
        try:
            sizes = _learned_sizes(run, offer, proposal)
        except OutOfTime:
            budget.leave_out("learned widths")
        else:
            proposal = dataclasses.replace(proposal, learned_sizes=sizes)
    return proposal


def _unscreened(run: ProposalContext) -> Proposal:
    """Return the proposal where not even the screen fits: all forms of all fields, and every pair naive."""
    run.budget.leave_out("the screen of pairs and the supernet")
    names = tuple(run.dataset.encoder.schema.names)
    forms = applicable_forms(run.space, encoded_shapes(run.dataset.encoder, min_count=2))
    options, asked = run.space.pairs.options[0], asked_pairs(run.dataset, run.space)
    known = {(names[left], names[right]): options for left, right in asked if options}
    found = Proposal(forms, forms, known, known, known, cut="screen")
    ranked = [PairScore(pair, 0.0, 0.0) for pair in asked]
    pairs = _target_encoded_pairs(run.space, names, ranked, found) if run.space.pairs.searched else known
    every = tuple((names[left], names[right]) for left, right in asked)
    return dataclasses.replace(found, target_encoded_pairs=pairs, ranked_pairs=every)


def _by_screen(run: ProposalContext, offer: SearchSlots) -> Proposal:
    """Return the proposal where the supernet does not fit: all forms, and what the screen says of the open pairs.

    A pair that is memorized gets all that the space offers for it, since nothing has compared that with less.
    """
    run.budget.leave_out("the supernet")
    scores = offer.screened.opened
    options = [
        len(slot.options) - 1
        if len(slot.column) == 1 or scores[(slot.column[0], slot.column[1])] is not None
        else 0
        for slot in offer.slots
    ]
    return dataclasses.replace(_proposal(offer, options, options, []), cut="supernet")


def _learned_sizes(run: ProposalContext, offer: SearchSlots, proposal: Proposal) -> dict[str, Any]:
    """Return sizes learned for the proposed fields and pairs; validation rows choose."""
    space, dataset = run.space, run.dataset
    offered = {key: value.choices for key, value in space.parameters().items() if isinstance(value, Choices)}
    architecture = resolve(space, fields=proposal.fields, pairs=proposal.pairs)
    choices = width_choices(offered, architecture)
    if choices is None:
        return {}
    settings = space.search
    run.progress.phase("learn widths", total=settings.epochs)
    dim, hidden, streams = choices.largest
    architecture = dataclasses.replace(
        architecture,
        sizes=dataclasses.replace(architecture.sizes, embedding_dim=dim),
        head=dataclasses.replace(architecture.head, hidden=hidden, ensemble=1),
        streams=streams,
        training=TrainingSettings(),
    )
    entangled = Entangled(build_network(architecture, offer.builder, seed=run.seed), choices).to(run.device)
    train, valid = dataset.parts["train"], dataset.parts["valid"]
    return learn_widths(
        entangled,
        rows_for(entangled.network, offer.features, dataset.labels),
        weight_index=torch.arange(train.start, train.stop),
        choice_index=torch.arange(valid.start, valid.stop),
        epochs=settings.epochs,
        learning_rate=settings.learning_rate,
        embedding_l2=settings.embedding_l2,
        batch_size=settings.batch_size,
        generator=run.draws(),
        on_epoch=run.on_epoch(settings.epochs),
    )


def _target_encoded_pairs(
    space: SearchSpace, names: tuple[str, ...], ranked: Sequence[PairScore], proposal: Proposal
) -> dict[tuple[str, str], Forms]:
    """Return target encodings of many pairs: the best by the screen's memorizing score, probable or not.

    A probable embedding of a cross stays beside its target encoding. A probable product does not: on sparse tables its
    factors overfit before the target encodings are learned (on Frappe two of them cost .003 AUC).
    """
    if TARGET_ENCODED not in space.pairs.options:
        return dict(proposal.probable_pairs)
    chosen = _by_memorizing(ranked)[:MOST_TARGET_ENCODED]
    found = {(names[left], names[right]): TARGET_ENCODED for left, right in chosen}
    for pair, forms in proposal.probable_pairs.items():
        if choices_of(forms) == {"memorize"}:
            found[pair] = tuple(sorted({*forms, *TARGET_ENCODED}))
    return found


def _by_memorizing(ranked: Sequence[PairScore]) -> list[Pair]:
    """Return the screened pairs by their score for memorizing, best first."""
    return [score.pair for score in sorted(ranked, key=lambda score: -score.memorize)]


def _by_paths(run: ProposalContext, offer: SearchSlots) -> Proposal:
    settings = run.space.search
    slots, shapes = offer.slots, offer.shapes
    streams = streams_of(run, offer)
    supernets = train_path_supernets(run, offer, streams)
    held_out = supernets.held_out()
    run.progress.phase("judge options on held-out rows")
    start = [len(slot.options) - 1 if len(slot.column) == 1 else 0 for slot in slots]
    options, moves = select(held_out, start, threshold=settings.threshold)
    probable, more = select(held_out, options, threshold=min(1.0, settings.threshold))
    proposal = _proposal(offer, options, probable, [*moves, *more])
    searched = any(len(slot.options) > 1 for slot in slots)
    if not streams and not (settings.explore and searched):
        return proposal
    run.progress.phase("judge streams" if streams else "judge architectures")
    judges = InheritedEvaluator(supernets, tuple(options), seed=run.seed)
    ranking = judges.rank_streams(tuple(options)) if streams else []
    proposal = dataclasses.replace(proposal, streams=tuple(streams[number] for number in ranking))
    if not settings.explore:
        return proposal
    run.progress.phase("explore by inherited weights", total=settings.explore)
    scored = explore(
        judges,
        [tuple(options), tuple(probable)],
        ranking[0] if ranking else None,
        count=settings.explore,
        sampler=settings.explorer,
        seed=run.seed,
        progress=run.progress,
        budget=run.budget,
    )
    named = tuple((tuple(shapes.names[field] for field in slot.column), slot.options) for slot in slots)
    exploration = Exploration(named, tuple(streams), scored)
    # Explored architectures are variants of their own.
    proposal = dataclasses.replace(proposal, exploration=exploration)
    if not run.budget.fits(0.0):
        return dataclasses.replace(proposal, cut="exploration")
    run.progress.phase("judge variants")
    made = variant_options(proposal, named, run.space.pairs.options)
    variants = score_variants(judges, made, ranking or [None], scored)
    return dataclasses.replace(proposal, exploration=dataclasses.replace(exploration, variants=variants))


def _by_gradient(run: ProposalContext, offer: SearchSlots) -> Proposal:
    settings, dataset = run.space.search, run.dataset
    slots, shapes = offer.slots, offer.shapes
    run.progress.phase(f"learn choice weights ({settings.method})", total=settings.epochs)
    bias = bias_of(shapes)
    # The forms of a pair are mixed into the same columns, as published.
    supernet = run.fresh(lambda: Supernet(slots, shapes, Sizes(), HEAD, shared=True, bias=bias))
    rows = rows_for(supernet, offer.features, dataset.labels)
    train, valid = dataset.parts["train"], dataset.parts["valid"]
    gumbel = settings.method == "gumbel"
    learned = train_by_gradient(
        supernet,
        rows,
        weight_index=torch.arange(train.stop),
        choice_index=torch.arange(valid.start, valid.stop) if gumbel else torch.arange(train.stop),
        epochs=settings.epochs,
        learning_rate=settings.learning_rate,
        embedding_l2=settings.embedding_l2,
        batch_size=settings.batch_size,
        method="gumbel" if gumbel else "joint",
        generator=run.draws(),
        on_epoch=run.on_epoch(settings.epochs),
    )
    options = list(learned.options)
    return _proposal(offer, options, options, [])


def _proposal(
    offer: SearchSlots, options: Sequence[int], likely: Sequence[int], moves: Sequence[Move]
) -> Proposal:
    slots, shapes = offer.slots, offer.shapes
    fields: dict[str, Forms] = {}
    sure: dict[tuple[str, str], Forms] = {}
    possible: dict[tuple[str, str], Forms] = {}
    for slot, option, other in zip(slots, options, likely, strict=True):
        if len(slot.column) == 1:
            fields[shapes.names[slot.column[0]]] = slot.options[option]
            continue
        names = (shapes.names[slot.column[0]], shapes.names[slot.column[1]])
        if slot.options[option]:
            sure[names] = slot.options[option]
        if slot.options[other]:
            possible[names] = slot.options[other]
    where = {slot.column: slot for slot in slots}
    evidence = tuple(
        {
            "slot": [shapes.names[f] for f in move.column],
            "forms": list(where[move.column].options[move.option]),
            "gain": move.gain,
            "standard_error": move.standard_error,
        }
        for move in moves
    )
    return Proposal(fields, offer.forms, sure, possible, {}, evidence)
