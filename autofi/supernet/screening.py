"""Screening of pairs and larger products by the residuals of a network without any of them."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import torch

from autofi.core.memmap import release
from autofi.data.feature_builder import build_features
from autofi.data.features import Pair
from autofi.data.folds import deal_folds
from autofi.model.build import encoded_shapes, shapes_of
from autofi.model.network import Network
from autofi.operators.base import Sizes
from autofi.operators.registry import coded_operators
from autofi.space.resolve import applicable_forms
from autofi.space.training_config import TrainingSettings
from autofi.supernet.context import HEAD, ProposalContext, batch_for, bias_of
from autofi.supernet.pair_screening import PairScore, screen_pairs, without_pairs
from autofi.supernet.product_screening import screen_products
from autofi.training.fit import fit
from autofi.training.place_rows import rows_for
from autofi.training.predict import predict
from autofi.training.row_source import RowSource

#: The time to screen products, in those that pairs take with the networks before; measured with eight fields.
PRODUCTS_COST = 2.0
#: Epochs of the network whose residuals are explained: enough for the effects of single fields.
BASE_EPOCHS = 2

Residuals = npt.NDArray[np.float64]
Folds = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Screened:
    """The pairs and products that explain residuals.

    Attributes:
        ranked: Pairs by how much they explain, best first; of a wide table only the space's top.
        opened: The pairs that a supernet is built over; without a score where the screen says nothing of the pair.
        products: Names of the fields of the products that explain what pairs leave over.
    """

    ranked: tuple[PairScore, ...] = ()
    opened: Mapping[Pair, PairScore | None] = field(default_factory=dict)
    products: tuple[tuple[str, ...], ...] = ()


def screen(run: ProposalContext, pairs: Sequence[Pair]) -> Screened:
    """Screen as the space asks: pairs for a search by paths or among the top, products where it offers any."""
    space, settings, dataset = run.space, run.space.search, run.dataset
    searched = pairs if space.pairs.searched else ()
    by_pairs = bool(searched) and (settings.method == "paths" or isinstance(space.pairs.among, dict))
    if not by_pairs and space.products is None:
        return Screened(opened=dict.fromkeys(searched))
    run.progress.phase("screen pairs and products" if space.products else "screen pairs", total=3)
    begun = time.monotonic()
    # Products explain what pairs leave over, even where the space does not ask about pairs.
    scores, residuals, folds = score_pairs(run, pairs)
    taken = time.monotonic() - begun
    ranked = sorted(scores, key=lambda score: -score.best)
    sure = [score for score in ranked[: settings.open_pairs] if score.best > settings.screen]
    products: tuple[tuple[str, ...], ...] = ()
    if space.products is not None and not run.budget.fits(PRODUCTS_COST * taken):
        run.budget.leave_out("products of fields")
    elif space.products is not None:
        ids = dataset.ids[dataset.parts["train"]]
        left = without_pairs(ids, dataset.encoder.cardinalities, residuals, folds, sure)
        products = _products(run, left, folds)
    release(dataset.ids)
    if not by_pairs:
        return Screened(tuple(ranked), dict.fromkeys(searched), products)
    if isinstance(space.pairs.among, dict):
        ranked = ranked[: space.pairs.among["top"]]
    return Screened(tuple(ranked), {score.pair: score for score in sure if score in ranked}, products)


def score_pairs(run: ProposalContext, pairs: Sequence[Pair]) -> tuple[list[PairScore], Residuals, Folds]:
    """Return every pair's score on the residuals of a network without pairs, with the residuals and their folds.

    It takes three steps of progress.
    """
    dataset = run.dataset
    residuals, folds = cross_fitted_residuals(run)
    ids = dataset.ids[dataset.parts["train"]]
    scores = screen_pairs(ids, dataset.encoder.cardinalities, residuals, folds, pairs)
    run.progress.advance()
    return scores, residuals, folds


def _products(run: ProposalContext, residuals: Residuals, folds: Folds) -> tuple[tuple[str, ...], ...]:
    dataset, settings = run.dataset, run.space.products
    assert settings is not None
    forms = applicable_forms(run.space, encoded_shapes(dataset.encoder, min_count=2))
    fields = [position for position, found in enumerate(forms.values()) if coded_operators() & set(found)]
    scores = screen_products(
        dataset.ids[dataset.parts["train"]],
        dataset.encoder.cardinalities,
        residuals,
        folds,
        fields,
        settings.orders,
        generator=run.generator,
    )
    names = dataset.encoder.schema.names
    chosen = [score for score in scores if score.score > settings.threshold]
    return tuple(tuple(names[position] for position in score.fields) for score in chosen[: settings.most])


def cross_fitted_residuals(run: ProposalContext) -> tuple[Residuals, Folds]:
    """Return label minus the probability of a network without pairs that did not see the row, and the row's fold.

    Raises:
        OutOfTime: Only the first of its two networks fits in the time of the proposal.
    """
    dataset = run.dataset
    builder, features = build_features(dataset, [], seed=run.seed)
    shapes = shapes_of(builder, min_count=2, cross_min_count=2)
    layout: dict[str, list[tuple[int, ...]]] = {}
    for position, forms in enumerate(applicable_forms(run.space, shapes).values()):
        for form in forms:
            layout.setdefault(form, []).append((position,))
    train = dataset.parts["train"]
    folds = deal_folds(train.stop, 2, run.generator, dataset.together())
    residuals = np.zeros(train.stop)
    bias = bias_of(shapes)
    rows: RowSource | None = None
    begun = time.monotonic()
    for fold in (0, 1):
        network = run.fresh(lambda: Network(layout, shapes, Sizes(), HEAD, bias=bias), fold)
        if rows is None:
            rows = rows_for(network, features.rows(train), dataset.labels[train])
        seen, unseen = (
            torch.from_numpy(np.flatnonzero(folds == fold) if held else np.flatnonzero(folds != fold))
            for held in (0, 1)
        )
        training = TrainingSettings(
            learning_rate=2e-3, embedding_l2=1e-4, batch_size=batch_for(len(seen)), epochs=BASE_EPOCHS
        )
        fit(network, rows, None, training, generator=run.draws(), index=seen)
        residuals[unseen.numpy()] = dataset.labels[unseen.numpy()] - predict(network, rows, unseen)
        run.progress.advance()
        if fold == 0:
            run.budget.check(time.monotonic() - begun)
    return residuals, folds
