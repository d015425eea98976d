"""Screening of pairs: how well a cross, or a low-rank product, explains the residuals of a network without pairs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy.sparse
from scipy.sparse.linalg import svds

from autofi.data.cross_codes import DIRECT_CELLS
from autofi.data.features import Pair

#: The weight, in rows, of the prior in a cell's mean residual.
CELL_STRENGTH = 20.0
#: The weight, in rows, of the prior of a value in the factorization, and the number of factors.
VALUE_STRENGTH = 10.0
RANK = 4

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
#: (codes of both fields [N, 2], their numbers of values, residuals, rows to fit on, rows to explain) → one explained
#: residual per row to explain.
Explanation = Callable[[npt.NDArray[np.int32], tuple[int, int], Floats, Flags, Flags], Floats]


@dataclass(frozen=True)
class PairScore:
    """The strength of a pair's explanation of residuals, on rows that neither the network nor the pair's fit has seen.

    Attributes:
        memorize: The correlation of the cell's mean residual with the residual, in standard errors.
        factorize: The same correlation for a low-rank factorization of the residuals.
    """

    pair: Pair
    memorize: float
    factorize: float

    @property
    def best(self) -> float:
        return max(self.memorize, self.factorize)


def screen_pairs(
    ids: npt.NDArray[np.int32],
    cardinalities: Sequence[int],
    residuals: Floats,
    folds: npt.NDArray[np.int64],
    pairs: Sequence[Pair],
    *,
    threads: int = 2,
) -> list[PairScore]:
    """Return the scores of `pairs`, in their order.

    The factorization is a truncated SVD of the residuals summed per cell, rows and columns scaled by the root of their
    counts, so that a frequent value does not lead by its frequency alone. Per pair and fold it costs a few sorts of N
    codes and an SVD of a sparse matrix with N entries; no pair is trained.

    Args:
        ids: Codes of the training rows, int32 `[N, F]`.
        residuals: Label minus the probability of a network that did not see the row, `[N]`.
        folds: The fold of every row, `[N]`; a fold's cells are fitted on the residuals of the other folds.
    """

    def surely(kind: Explanation, pair: Pair) -> float:
        return _standard_errors(residuals * _explained(kind, pair, ids, cardinalities, residuals, folds))

    def score(pair: Pair) -> PairScore:
        return PairScore(pair, surely(_cell_means, pair), surely(_low_rank, pair))

    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(score, pairs))


def without_pairs(
    ids: npt.NDArray[np.int32],
    cardinalities: Sequence[int],
    residuals: Floats,
    folds: npt.NDArray[np.int64],
    scores: Sequence[PairScore],
) -> Floats:
    """Return what is left of the residuals after some pairs, one after the other, have explained what they can."""
    left = residuals
    for score in scores:
        kind = _low_rank if score.factorize > score.memorize else _cell_means
        explained = _explained(kind, score.pair, ids, cardinalities, left, folds)
        size = float(explained @ explained)
        if size > 0:
            # Least squares gives the scale: both kinds are shrunk, and the factorization has a scale of its own.
            left = left - explained * max(0.0, float(left @ explained) / size)
    return left


def _explained(
    kind: Explanation,
    pair: Pair,
    ids: npt.NDArray[np.int32],
    cardinalities: Sequence[int],
    residuals: Floats,
    folds: npt.NDArray[np.int64],
) -> Floats:
    """Return the residual that `kind`, fitted on the other folds, predicts for every row."""
    codes, shape = ids[:, list(pair)], (cardinalities[pair[0]], cardinalities[pair[1]])
    found: Floats = np.zeros_like(residuals)
    for fold in np.unique(folds):
        held = folds == fold
        found[held] = kind(codes, shape, residuals, ~held, held)
    return found


def _cell_means(
    codes: npt.NDArray[np.int32], shape: tuple[int, int], residuals: Floats, rest: Flags, held: Flags
) -> Floats:
    cell = codes[:, 0].astype(np.int64) * shape[1] + codes[:, 1]
    if shape[0] * shape[1] > DIRECT_CELLS:
        _, cell = np.unique(cell, return_inverse=True)
    cells = int(cell.max()) + 1
    sums = np.bincount(cell[rest], residuals[rest], cells)
    counts = np.bincount(cell[rest], minlength=cells)
    means = sums / (counts + CELL_STRENGTH)
    explained: Floats = means[cell[held]]
    return explained


def _low_rank(
    codes: npt.NDArray[np.int32], shape: tuple[int, int], residuals: Floats, rest: Flags, held: Flags
) -> Floats:
    left, right = codes[:, 0], codes[:, 1]
    rank = min(RANK, min(shape) - 1)
    if rank < 1:
        return np.zeros(int(held.sum()))
    matrix = scipy.sparse.csr_matrix((residuals[rest], (left[rest], right[rest])), shape=shape)
    rows = 1 / np.sqrt(np.bincount(left[rest], minlength=shape[0]) + VALUE_STRENGTH)
    columns = 1 / np.sqrt(np.bincount(right[rest], minlength=shape[1]) + VALUE_STRENGTH)
    scaled = scipy.sparse.diags(rows) @ matrix @ scipy.sparse.diags(columns)
    if not scaled.nnz or not np.any(scaled.data):
        return np.zeros(int(held.sum()))
    u, values, v = svds(scaled, k=rank, rng=np.random.default_rng(0))
    factors_left, factors_right = u * values * rows[:, None], v.T * columns[:, None]
    products: Floats = np.einsum("nk,nk->n", factors_left[left[held]], factors_right[right[held]])
    return products


def _standard_errors(products: Floats) -> float:
    # A product of two rows' residuals counts twice, once for each of them: with nothing there to explain, the
    # sum has twice the variance of as many independent terms.
    error = np.sqrt(2.0) * products.std() / np.sqrt(len(products))
    return float(products.mean() / error) if error > 0 else 0.0
