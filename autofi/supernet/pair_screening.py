"""Screening pairs: does a cross, or a low-rank product, explain what a network without pairs leaves?"""

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

#: Rows of prior a cell's mean residual is mixed with.
CELL_STRENGTH = 20.0
#: Rows of prior a value's weight in the factorization is mixed with, and factors kept.
VALUE_STRENGTH = 10.0
RANK = 4

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
#: Codes of both fields [N, 2], their numbers of values, residuals, rows to fit on, rows to explain → of each of these.
Explanation = Callable[[npt.NDArray[np.int32], tuple[int, int], Floats, Flags, Flags], Floats]


@dataclass(frozen=True)
class PairScore:
    """How surely a pair explains residuals of rows that neither the network nor the pair's own fit has seen.

    memorize    standard errors by which the mean residual of the cell correlates with the residual
    factorize   the same for a low-rank factorization of the residuals
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
    """Scores of `pairs`, in their order.

    ids         int32 [N, F] codes of training rows
    residuals   [N] label minus a probability from a network that did not see the row
    folds       [N] which rows were held out together: a fold's cells are fitted on the other folds' residuals

    The factorization is a truncated SVD of the residuals summed per cell, rows and columns scaled by the root
    of their counts, so that a frequent value does not lead by its frequency alone. Cost: a few sorts of N
    codes and an SVD of a sparse N-entry matrix per pair and fold; no pair is trained.
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
    """What the residuals leave once some pairs, one after the other, have explained what they can."""
    left = residuals
    for score in scores:
        kind = _low_rank if score.factorize > score.memorize else _cell_means
        explained = _explained(kind, score.pair, ids, cardinalities, left, folds)
        size = float(explained @ explained)
        if size > 0:
            # By least squares: both kinds are shrunken, and the factorization has a scale of its own.
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
    """What `kind`, fitted on the other folds, says of every row."""
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
