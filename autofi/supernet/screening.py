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


@dataclass(frozen=True, eq=False)
class Unexplained:
    """The training rows that are screened, with what a network without pairs, which did not see them, leaves over.

    Attributes:
        ids: Codes, int32 `[N, F]`.
        residuals: Label minus probability, `[N]`.
        folds: The fold of every row, `[N]`; what is fitted on one is judged on the other.
        whole: False if they are only half of the training rows, for want of time.
    """

    ids: npt.NDArray[np.int32]
    residuals: npt.NDArray[np.float64]
    folds: npt.NDArray[np.int64]
    whole: bool = True


@dataclass(frozen=True)
class Screened:
    """The pairs and products that explain residuals.

    Attributes:
        ranked: Pairs by how much they explain, best first; of a wide table only the space's top.
        opened: The pairs that a supernet is built over; without a score where the screen says nothing of the pair.
        products: Names of the fields of the products that explain what pairs leave over.
        whole: False if the screen read only half of the training rows, for want of time.
    """

    ranked: tuple[PairScore, ...] = ()
    opened: Mapping[Pair, PairScore | None] = field(default_factory=dict)
    products: tuple[tuple[str, ...], ...] = ()
    whole: bool = True


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
    scores, unexplained = score_pairs(run, pairs)
    taken = time.monotonic() - begun
    ranked = sorted(scores, key=lambda score: -score.best)
    sure = [score for score in ranked[: settings.open_pairs] if score.best > settings.screen]
    products: tuple[tuple[str, ...], ...] = ()
    if space.products is not None and not run.budget.fits(PRODUCTS_COST * taken):
        run.budget.leave_out("products of fields")
    elif space.products is not None:
        products = _products(run, unexplained, sure)
    release(dataset.ids)
    if not by_pairs:
        return Screened(tuple(ranked), dict.fromkeys(searched), products, unexplained.whole)
    if isinstance(space.pairs.among, dict):
        ranked = ranked[: space.pairs.among["top"]]
    opened = {score.pair: score for score in sure if score in ranked}
    return Screened(tuple(ranked), opened, products, unexplained.whole)


def score_pairs(run: ProposalContext, pairs: Sequence[Pair]) -> tuple[list[PairScore], Unexplained]:
    """Return every pair's score on the residuals of a network without pairs, with these.

    It takes three steps of progress.
    """
    found = cross_fitted_residuals(run)
    scores = screen_pairs(found.ids, run.dataset.encoder.cardinalities, found.residuals, found.folds, pairs)
    run.progress.advance()
    return scores, found


def _products(
    run: ProposalContext, unexplained: Unexplained, sure: Sequence[PairScore]
) -> tuple[tuple[str, ...], ...]:
    """Return the products that explain what the sure pairs leave over."""
    dataset, settings = run.dataset, run.space.products
    assert settings is not None
    ids, folds = unexplained.ids, unexplained.folds
    left = without_pairs(ids, dataset.encoder.cardinalities, unexplained.residuals, folds, sure)
    forms = applicable_forms(run.space, encoded_shapes(dataset.encoder, min_count=2))
    fields = [position for position, found in enumerate(forms.values()) if coded_operators() & set(found)]
    scores = screen_products(
        ids,
        dataset.encoder.cardinalities,
        left,
        folds,
        fields,
        settings.orders,
        generator=run.generator,
    )
    names = dataset.encoder.schema.names
    chosen = [score for score in scores if score.score > settings.threshold]
    return tuple(tuple(names[position] for position in score.fields) for score in chosen[: settings.most])


def cross_fitted_residuals(run: ProposalContext) -> Unexplained:
    """Return what two networks without pairs, each trained on the rows of one fold, leave over of the other fold.

    If the second one does not fit in the time of the proposal, it is only the rows that the first one did not see, in
    folds of their own.

    Raises:
        OutOfTime: The time is up already.
    """
    run.budget.check(0.0)
    dataset = run.dataset
    builder, features = build_features(dataset, [], seed=run.seed)
    shapes = shapes_of(builder, min_count=2, cross_min_count=2)
    layout: dict[str, list[tuple[int, ...]]] = {}
    for position, forms in enumerate(applicable_forms(run.space, shapes).values()):
        for form in forms:
            layout.setdefault(form, []).append((position,))
    train = dataset.parts["train"]
    folds = deal_folds(train.stop, 2, run.generator, dataset.together())
    ids, residuals = dataset.ids[train], np.zeros(train.stop)
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
        if fold == 0 and not run.budget.fits(time.monotonic() - begun):
            run.budget.cut_short("the screen of pairs, on half of the training rows")
            return _of_one_network(run, unseen.numpy(), residuals[unseen.numpy()])
    return Unexplained(ids, residuals, folds)


def _of_one_network(
    run: ProposalContext, rows: npt.NDArray[np.int64], residuals: npt.NDArray[np.float64]
) -> Unexplained:
    """Return the residuals of the rows that one network did not see, in folds of their own.

    What single values explain is taken out: one network errs alike in both folds, and pairs would explain that.
    """
    dataset, together = run.dataset, run.dataset.together()
    ids = dataset.ids[dataset.parts["train"]][rows]
    folds = deal_folds(len(rows), 2, run.generator, None if together is None else together[rows])
    # The cells of a field with itself are its values.
    values = [PairScore((field, field), memorize=1.0, factorize=0.0) for field in range(ids.shape[1])]
    left = without_pairs(ids, dataset.encoder.cardinalities, residuals, folds, values)
    return Unexplained(ids, left, folds, whole=False)
