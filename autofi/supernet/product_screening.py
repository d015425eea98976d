"""Screening of products of three or more fields: how well one number per value, multiplied, explains residuals."""

from __future__ import annotations

import math
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import numpy.typing as npt

#: Products that are fitted side by side from random starts: most starts never find the effect.
STARTS = 16
#: Rounds over the fields of a product: in the first pass over all products, and for the leading ones.
ROUNDS, MORE_ROUNDS = 5, 8
#: The share of the products, and their least number, that are screened again with all rows.
AHEAD, LEAST_AHEAD = 0.05, 12
#: The rows per value that a field must have on average to be multiplied: fewer rows say too little.
ROWS_PER_VALUE = 100
#: The most products of one order: with more fields, those with the fewest values are combined, since too few rows
#: tell of each of many values. Then the rows of the first pass, at least and times products.
MOST_PRODUCTS = 2_000
FIRST_ROWS, FIRST_WORK = 20_000, 10_000_000
#: The weight, in rows, of the prior of a value's factor.
STRENGTH = 10.0

Floats = npt.NDArray[np.float64]
Folds = npt.NDArray[np.int64]


@dataclass(frozen=True)
class ProductScore:
    """The strength, in standard errors, of a product's explanation of residuals that it was not fitted on."""

    fields: tuple[int, ...]
    score: float


def screen_products(
    ids: npt.NDArray[np.int32],
    cardinalities: Sequence[int],
    residuals: Floats,
    folds: Folds,
    fields: Sequence[int],
    orders: Sequence[int],
    *,
    generator: np.random.Generator,
    threads: int = 2,
) -> list[ProductScore]:
    """Return the products of the given orders that came through to the second pass, best first.

    A product is fitted by alternating least squares, one factor after the other. Every factor's mean over the rows is
    subtracted, so that over independent fields no product can stand for an effect of fewer fields. A product of fields
    with hundreds of values each is not found: no random start is close enough to it for the rows to tell. Fields with
    less than `ROWS_PER_VALUE` rows per value are not tried. The cost is fifteen passes over `FIRST_ROWS` rows per
    product of three fields, and about a hundred over all rows for each leading one, at 40 ns per row and pass.

    Args:
        ids: Codes of the training rows, int32 `[N, F]`.
        residuals: The residuals to explain, `[N]`; see `pair_screening.screen_pairs`.
        folds: The fold of every row, `[N]`; a product is fitted on the other folds.
        fields: The fields that may be multiplied.
        orders: The numbers of fields of a product.
    """
    every = np.arange(len(residuals))
    shuffled, every_fold = generator.permutation(every), np.unique(folds)
    targets = residuals.astype(np.float32)

    def look(
        product: tuple[int, ...], rows: npt.NDArray[np.int64], rounds: int, judges: Folds
    ) -> ProductScore:
        # The seed is made of the fields alone, so that a score does not depend on the other products or on the order.
        starts = np.random.default_rng(product)
        parts = []
        for fold in judges:
            held = folds[rows] == fold
            fitted = _fitted(ids, cardinalities, targets, rows[~held], rows[held], product, rounds, starts)
            parts.append(targets[rows[held]] * fitted)
        gains = np.concatenate(parts)
        error = gains.std() / math.sqrt(len(gains))
        return ProductScore(product, float(gains.mean() / error) if error > 0 else 0.0)

    with ThreadPoolExecutor(threads) as pool:

        def scored(
            products: Sequence[tuple[int, ...]], rows: npt.NDArray[np.int64], rounds: int, judges: Folds
        ) -> list[ProductScore]:
            found = pool.map(lambda product: look(product, rows, rounds, judges), products)
            return sorted(found, key=lambda score: (-score.score, score.fields))

        found: list[ProductScore] = []
        for order in orders:
            products = _candidates(fields, cardinalities, order, len(every) // ROWS_PER_VALUE)
            few = shuffled[: max(FIRST_ROWS, FIRST_WORK // max(len(products), 1))]
            # One fold is enough for the first pass.
            first = scored(products, few, ROUNDS, every_fold[:1])
            ahead = [score.fields for score in first[: max(LEAST_AHEAD, math.ceil(AHEAD * len(first)))]]
            found += scored(ahead, every, MORE_ROUNDS, every_fold)
    return sorted(found, key=lambda score: (-score.score, score.fields))


def _candidates(
    fields: Sequence[int], cardinalities: Sequence[int], order: int, most_values: int
) -> list[tuple[int, ...]]:
    """Return sets of `order` fields to screen; where there are too many, of the fields with the fewest values."""
    # A field with one value, besides those for missing and unknown, has nothing to multiply.
    chosen = [field for field in fields if 3 < cardinalities[field] <= most_values]
    chosen.sort(key=cardinalities.__getitem__)
    while math.comb(len(chosen), order) > MOST_PRODUCTS:
        chosen.pop()
    return list(combinations(sorted(chosen), order))


def _fitted(
    ids: npt.NDArray[np.int32],
    cardinalities: Sequence[int],
    targets: npt.NDArray[np.float32],
    rows: npt.NDArray[np.int64],
    held: npt.NDArray[np.int64],
    fields: tuple[int, ...],
    rounds: int,
    generator: np.random.Generator,
) -> npt.NDArray[np.float32]:
    """Return what the best of several products, fitted on `rows`, predicts for the rows `held`."""
    from autofi.supernet.product_screening_numba import products_of, regress

    places = np.array(fields)
    values = [cardinalities[field] for field in fields]
    starts = np.cumsum([0, *values[:-1]])
    factors = generator.standard_normal((sum(values), STARTS)).astype(np.float32)
    shares = [
        (np.bincount(ids[rows, field], minlength=count) / len(rows)).astype(np.float32)[:, None]
        for field, count in zip(fields, values, strict=True)
    ]
    strengths = np.zeros(STARTS, dtype=np.float32)
    for _ in range(rounds):
        for own, share in enumerate(shares):
            sums, squares = regress(ids, targets, rows, places, starts, own, factors)
            fitted = sums / (squares + STRENGTH * squares.sum(0) / len(rows) + 1e-12)
            fitted -= (share * fitted).sum(0)
            strengths = np.sqrt((share * fitted**2).sum(0))
            factors[starts[own] : starts[own] + len(fitted)] = fitted / (strengths + 1e-12)
    best = int(strengths.argmax())
    leading = np.ascontiguousarray(factors[:, best : best + 1])
    found: npt.NDArray[np.float32] = products_of(ids, held, places, starts, leading)[:, 0] * strengths[best]
    return found
