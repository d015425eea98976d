"""Which forms and options to propose: screen the pairs, train a supernet over what is left, judge on held-out rows.

Three procedures, chosen by the space's `search.method`:

- **paths** (default). A network without pairs is cross-fitted; a pair is opened when the rest it leaves is explained,
  on rows nobody fitted, by the pair's cells or by a low-rank product, whichever does so better (`screen`). A supernet
  over the open pairs and the forms of the fields is trained by random paths (`paths`). Every option must then earn its
  place on held-out rows by more than its own uncertainty (`selection`).
- **gumbel**. Choice weights by Gumbel-softmax, learned on rows the network weights do not train on (`gradient`).
- **joint**. The published OptInter procedure: choice weights and network weights on the same rows (`gradient`).
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import torch

from autofi.data.arrays import release
from autofi.data.dataset import EncodedDataset
from autofi.data.feature_builder import FeatureBuilder, build_features
from autofi.data.features import Features, Pair
from autofi.data.folds import deal_folds
from autofi.errors import AutoFIError
from autofi.model.build import build_network, encoded_shapes, shapes_of
from autofi.model.network import Network, Streams
from autofi.model.readout import ReadoutSizes
from autofi.operators.base import Shapes, Sizes
from autofi.operators.registry import choices_of, coded_operators
from autofi.progress import Progress
from autofi.space.architecture import Forms
from autofi.space.encoding import label
from autofi.space.resolve import applicable_forms, resolve
from autofi.space.search_space import Choices, SearchSettings, SearchSpace, StreamSets, subsets
from autofi.supernet.entangled import Entangled, learn_widths, width_choices
from autofi.supernet.gradient import train_by_gradient
from autofi.supernet.paths import train_by_paths
from autofi.supernet.products import screen_products
from autofi.supernet.proposal import Proposal
from autofi.supernet.screen import PairScore, screen_pairs, without_pairs
from autofi.supernet.selection import HeldOut, Move, select
from autofi.supernet.stream_ranking import Judged, rank_streams
from autofi.supernet.supernet import Slot, Supernet, chosen
from autofi.training.fit import fit, predict
from autofi.training.rows import RowSource
from autofi.training.settings import TrainingSettings
from autofi.training.source import rows_for

CPU = torch.device("cpu")
Built = TypeVar("Built", bound=Network)

#: The supernet's read-out: small, so that a path is trained soon and a change is scored soon.
HIDDEN = (128, 64)
#: Epochs of the network without pairs whose residuals the screen reads: enough for the fields' own effects.
BASE_EPOCHS = 2
#: With fewer held-out rows than this, differences are pooled over folds of the training rows instead.
ENOUGH_ROWS = 15_000
FOLDS = 3
#: The option of a pair's target statistics by themselves, and how many pairs get them together.
RATES: Forms = ("memorize_statistics",)
MOST_RATES = 60
#: Rows that judge at most: beyond, the standard error is small enough for any difference worth having. With many
#: candidates fewer rows judge, down to ENOUGH_ROWS, so that judging a wide table takes no longer than training it.
MOST_ROWS = 60_000
JUDGED = 6_000_000


def propose(
    dataset: EncodedDataset,
    space: SearchSpace,
    *,
    seed: int,
    progress: Progress,
    device: torch.device = CPU,
) -> Proposal:
    """Choose the forms of the fields and the options of the pairs, reading training and validation rows only."""
    names = tuple(dataset.encoder.schema.names)
    pairs = [(names.index(left), names.index(right)) for left, right in space.pair_names(names)]
    if dataset.apart and space.pairs.searched:
        # No validation row has a cell of such a pair that training has seen: there is nothing to memorize.
        pairs = [pair for pair in pairs if not set(dataset.apart) <= set(pair)]
    settings = space.search
    generator = np.random.default_rng(seed)
    opened: dict[Pair, PairScore | None] = {}
    ranked: list[PairScore] = []
    products: tuple[tuple[str, ...], ...] = ()
    searched = pairs if space.pairs.searched else []
    screened = bool(searched) and (settings.method == "paths" or isinstance(space.pairs.among, dict))
    if screened or space.products is not None:
        progress.phase("screen pairs and products" if space.products else "screen pairs", total=3)
        left = cross_fitted_residuals(
            dataset, space, generator=generator, seed=seed, progress=progress, device=device
        )
        # Products are of what pairs leave over, whether or not the space asks about pairs.
        ranked = _rank_pairs(dataset, pairs, *left)
        progress.advance()
        best = [score for score in ranked[: settings.open_pairs] if score.best > settings.screen]
        if space.products is not None:
            products = _products(dataset, space, best, *left, generator)
        release(dataset.ids)
        if isinstance(space.pairs.among, dict):
            ranked = ranked[: space.pairs.among["top"]]
        if screened:
            opened = {score.pair: score for score in best if score in ranked}
    if searched and not screened:
        opened = dict.fromkeys(pairs)
    builder, features = build_features(dataset, list(opened), seed=seed)
    cross_min_count = max(2, builder.crosses.min_count_within(space.cross_max_rows))
    shapes = shapes_of(builder, min_count=2, cross_min_count=cross_min_count)
    forms = applicable_forms(space, shapes)
    slots = _slots(space, forms, opened, shapes)
    if all(len(slot.options) == 1 for slot in slots):
        options = space.pairs.options[0]
        fixed = {(names[left], names[right]): options for left, right in pairs if options}
        proposal = Proposal(forms, forms, fixed, fixed, fixed)
    else:
        if settings.method == "paths":
            streams = _streams(space, shapes, slots, progress)
            proposal = _by_paths(
                dataset, features, shapes, slots, streams, settings, generator, seed, progress, device
            )
        else:
            proposal = _by_gradient(dataset, features, shapes, slots, settings, seed, progress, device)
        rates = _with_rates(space, names, ranked, proposal)
        proposal = dataclasses.replace(proposal, all_fields=forms, rates=rates)
    proposal = dataclasses.replace(proposal, products=products)
    if settings.sizes == "entangled":
        found = _widths(dataset, builder, features, space, proposal, seed, progress, device)
        proposal = dataclasses.replace(proposal, widths=found)
    return proposal


def _widths(
    dataset: EncodedDataset,
    builder: FeatureBuilder,
    features: Features,
    space: SearchSpace,
    proposal: Proposal,
    seed: int,
    progress: Progress,
    device: torch.device,
) -> dict[str, Any]:
    """Sizes learned for the proposed fields and pairs; validation rows choose."""
    offered = {key: value.choices for key, value in space.parameters().items() if isinstance(value, Choices)}
    architecture = resolve(space, fields=proposal.fields, pairs=proposal.pairs)
    choices = width_choices(offered, architecture)
    if choices is None:
        return {}
    settings = space.search
    progress.phase("learn widths", total=settings.epochs)
    dim, hidden, streams = choices.largest
    architecture = dataclasses.replace(
        architecture,
        sizes=dataclasses.replace(architecture.sizes, embedding_dim=dim),
        readout=dataclasses.replace(architecture.readout, hidden=hidden, members=1),
        streams=streams,
        training=TrainingSettings(),
    )
    entangled = Entangled(build_network(architecture, builder, seed=seed), choices).to(device)
    train, valid = dataset.parts["train"], dataset.parts["valid"]
    return learn_widths(
        entangled,
        rows_for(entangled.network, features, dataset.labels),
        weight_index=torch.arange(train.start, train.stop),
        choice_index=torch.arange(valid.start, valid.stop),
        epochs=settings.epochs,
        learning_rate=settings.learning_rate,
        embedding_l2=settings.embedding_l2,
        batch_size=settings.batch_size,
        generator=torch.Generator().manual_seed(seed),
        on_epoch=lambda epoch: progress.advance(epoch=epoch),
    )


def _with_rates(
    space: SearchSpace, names: tuple[str, ...], ranked: Sequence[PairScore], proposal: Proposal
) -> dict[tuple[str, str], Forms]:
    """Target statistics of many pairs: the best by the screen's memorizing score, whatever was likely of them.

    A likely embedding of a cross stays beside its statistics. A likely product does not: on sparse tables its factors
    overfit before the statistics are learned (on Frappe two of them cost .003 AUC).
    """
    if RATES not in space.pairs.options:
        return dict(proposal.likely)
    chosen = [score.pair for score in sorted(ranked, key=lambda score: -score.memorize)[:MOST_RATES]]
    found = {(names[left], names[right]): RATES for left, right in chosen}
    for pair, forms in proposal.likely.items():
        if choices_of(forms) == {"memorize"}:
            found[pair] = tuple(sorted({*forms, *RATES}))
    return found


def _rank_pairs(
    dataset: EncodedDataset,
    pairs: Sequence[Pair],
    residuals: npt.NDArray[np.float64],
    folds: npt.NDArray[np.int64],
) -> list[PairScore]:
    """The pairs by how much of the residuals they explain, best first."""
    ids = dataset.ids[dataset.parts["train"]]
    scores = screen_pairs(ids, dataset.encoder.cardinalities, residuals, folds, pairs)
    return sorted(scores, key=lambda score: -score.best)


def _products(
    dataset: EncodedDataset,
    space: SearchSpace,
    pairs: Sequence[PairScore],
    residuals: npt.NDArray[np.float64],
    folds: npt.NDArray[np.int64],
    generator: np.random.Generator,
) -> tuple[tuple[str, ...], ...]:
    """The products that explain what these pairs leave of the residuals, by the names of their fields."""
    ids, cardinalities = dataset.ids[dataset.parts["train"]], dataset.encoder.cardinalities
    settings = space.products
    assert settings is not None
    forms = applicable_forms(space, encoded_shapes(dataset.encoder, min_count=2))
    fields = [position for position, found in enumerate(forms.values()) if coded_operators() & set(found)]
    left = without_pairs(ids, cardinalities, residuals, folds, pairs)
    scores = screen_products(ids, cardinalities, left, folds, fields, settings.orders, generator=generator)
    names = dataset.encoder.schema.names
    chosen = [score for score in scores if score.score > settings.threshold]
    return tuple(tuple(names[field] for field in score.fields) for score in chosen[: settings.most])


def cross_fitted_residuals(
    dataset: EncodedDataset,
    space: SearchSpace,
    *,
    generator: np.random.Generator,
    seed: int,
    progress: Progress,
    device: torch.device,
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:
    """Label minus the probability of a network without pairs that did not see the row, and the row's fold."""
    builder, features = build_features(dataset, [], seed=seed)
    shapes = shapes_of(builder, min_count=2, cross_min_count=2)
    layout: dict[str, list[tuple[int, ...]]] = {}
    for position, forms in enumerate(applicable_forms(space, shapes).values()):
        for form in forms:
            layout.setdefault(form, []).append((position,))
    train = dataset.parts["train"]
    folds = deal_folds(train.stop, 2, generator, dataset.together())
    residuals = np.zeros(train.stop)
    rows: RowSource | None = None
    for fold in (0, 1):
        network = _fresh(
            lambda: Network(layout, shapes, Sizes(), ReadoutSizes(hidden=HIDDEN), bias=_bias(shapes)),
            seed + fold,
            device,
        )
        if rows is None:
            rows = rows_for(network, features.rows(train), dataset.labels[train])
        seen, unseen = (
            torch.from_numpy(np.flatnonzero(folds == fold) if held else np.flatnonzero(folds != fold))
            for held in (0, 1)
        )
        batch_size = batch_for(len(seen))
        training = TrainingSettings(
            learning_rate=2e-3, embedding_l2=1e-4, batch_size=batch_size, epochs=BASE_EPOCHS
        )
        fit(network, rows, None, training, generator=torch.Generator().manual_seed(seed), index=seen)
        residuals[unseen.numpy()] = dataset.labels[unseen.numpy()] - predict(network, rows, unseen)
        progress.advance()
    return residuals, folds


def batch_for(rows: int) -> int:
    """A batch small enough for at least a hundred steps an epoch, in 256..1024."""
    return int(min(1024, max(256, 2 ** int(math.log2(max(rows / 100, 1))))))


def _bias(shapes: Shapes) -> float:
    return math.log(shapes.prior / (1 - shapes.prior))


def _fresh(make: Callable[[], Built], seed: int, device: torch.device) -> Built:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return make().to(device)


def _supernet(
    slots: Sequence[Slot],
    shapes: Shapes,
    seed: int,
    device: torch.device,
    *,
    streams: Sequence[Streams] = (),
    shared: bool = False,
) -> Supernet:
    readout, bias = ReadoutSizes(hidden=HIDDEN), _bias(shapes)
    return _fresh(
        lambda: Supernet(slots, shapes, Sizes(), readout, streams=streams, shared=shared, bias=bias),
        seed,
        device,
    )


def _slots(
    space: SearchSpace, forms: Mapping[str, Forms], opened: Mapping[Pair, PairScore | None], shapes: Shapes
) -> list[Slot]:
    slots = [
        Slot((position,), subsets(chosen) if space.fields.search else (chosen,))
        for position, chosen in enumerate(forms.values())
    ]
    for pair, score in opened.items():
        slots.append(Slot(pair, tuple(option for option in space.pairs.options if _offered(option, score))))
    return slots


def _offered(option: Forms, score: PairScore | None) -> bool:
    """Whether the screen leaves an option in: it says which kind explains the pair better, and only that is trained."""
    if score is None or not option:
        return True
    kinds = choices_of(option)
    return kinds == {"factorize" if score.factorize > score.memorize else "memorize"}


def _folds(
    dataset: EncodedDataset, candidates: int, generator: np.random.Generator
) -> list[tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]]:
    """(rows that train, rows that judge), disjoint: validation when it is large, else folds of training rows too."""
    train, valid = dataset.parts["train"], dataset.parts["valid"]
    judges = np.arange(valid.start, valid.stop)
    most = min(MOST_ROWS, max(ENOUGH_ROWS, JUDGED // max(candidates, 1)))
    if len(judges) >= ENOUGH_ROWS:
        return [(np.arange(train.stop), generator.permutation(judges)[:most])]
    fold = deal_folds(train.stop, FOLDS, generator, dataset.together())
    unseen = [np.concatenate([np.flatnonzero(fold == k), judges[k::FOLDS]]) for k in range(FOLDS)]
    return [
        (np.flatnonzero(fold != k), generator.permutation(unseen[k])[: most // FOLDS]) for k in range(FOLDS)
    ]


def _by_paths(
    dataset: EncodedDataset,
    features: Features,
    shapes: Shapes,
    slots: Sequence[Slot],
    streams: Sequence[Streams],
    settings: SearchSettings,
    generator: np.random.Generator,
    seed: int,
    progress: Progress,
    device: torch.device,
) -> Proposal:
    folds = _folds(dataset, sum(len(slot.options) for slot in slots), generator)
    progress.phase("train supernet by paths", total=settings.epochs * len(folds))
    held_out, judged = [], []
    rows: RowSource | None = None
    for number, (training, judging) in enumerate(folds):
        supernet = _supernet(slots, shapes, seed + number, device, streams=streams)
        if rows is None:
            rows = rows_for(supernet, features, dataset.labels)
        train_by_paths(
            supernet,
            rows,
            index=torch.from_numpy(training),
            epochs=settings.epochs,
            learning_rate=settings.learning_rate,
            embedding_l2=settings.embedding_l2,
            batch_size=min(settings.batch_size, batch_for(len(training))),
            generator=torch.Generator().manual_seed(seed + number),
            sampling=settings.sampling,
            on_epoch=lambda epoch: progress.advance(epoch=epoch),
        )
        judged.append(Judged(supernet, torch.from_numpy(training), torch.from_numpy(judging)))
        held_out.append(HeldOut(supernet, rows.take(torch.from_numpy(judging)).to(device)))
    progress.phase("judge options on held-out rows")
    start = [len(slot.options) - 1 if len(slot.column) == 1 else 0 for slot in slots]
    options, moves = select(held_out, start, threshold=settings.threshold)
    likely, more = select(held_out, options, threshold=min(1.0, settings.threshold))
    proposal = _proposal(slots, shapes, options, likely, [*moves, *more])
    if not streams:
        return proposal
    assert rows is not None
    progress.phase("judge streams on held-out rows")
    ranking = rank_streams(judged, rows, dataset.labels, chosen(slots, options))
    return dataclasses.replace(proposal, streams=tuple(streams[number] for number in ranking))


def _streams(
    space: SearchSpace, shapes: Shapes, slots: Sequence[Slot], progress: Progress
) -> tuple[Streams, ...]:
    """The sets of streams that the space offers and that these fields allow; () where there is no choice."""
    if not isinstance(space.streams, StreamSets):
        return ()
    found = []
    probe = _supernet(slots, shapes, 0, CPU)
    for streams in space.streams.choices:
        try:
            probe.add_streams(streams, shapes)
        except AutoFIError as error:
            progress.note(f"Without {label(streams)} in the supernet: {error}")
        else:
            found.append(streams)
    return tuple(found) if len(found) > 1 else ()


def _by_gradient(
    dataset: EncodedDataset,
    features: Features,
    shapes: Shapes,
    slots: Sequence[Slot],
    settings: SearchSettings,
    seed: int,
    progress: Progress,
    device: torch.device,
) -> Proposal:
    progress.phase(f"learn choice weights ({settings.method})", total=settings.epochs)
    # As published, the forms of a pair are mixed into the same columns.
    supernet = _supernet(slots, shapes, seed, device, shared=True)
    rows = rows_for(supernet, features, dataset.labels)
    train, valid = dataset.parts["train"], dataset.parts["valid"]
    learned = train_by_gradient(
        supernet,
        rows,
        weight_index=torch.arange(train.stop),
        choice_index=torch.arange(valid.start, valid.stop)
        if settings.method == "gumbel"
        else torch.arange(train.stop),
        epochs=settings.epochs,
        learning_rate=settings.learning_rate,
        embedding_l2=settings.embedding_l2,
        batch_size=settings.batch_size,
        method="gumbel" if settings.method == "gumbel" else "joint",
        generator=torch.Generator().manual_seed(seed),
        on_epoch=lambda epoch: progress.advance(epoch=epoch),
    )
    options = list(learned.options)
    return _proposal(slots, shapes, options, options, [])


def _proposal(
    slots: Sequence[Slot],
    shapes: Shapes,
    options: Sequence[int],
    likely: Sequence[int],
    moves: Sequence[Move],
) -> Proposal:
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
    return Proposal(fields, fields, sure, possible, {}, evidence)
