"""Screening products of three fields and more: does a number per value, multiplied, explain what is left over?"""

from __future__ import annotations

import math
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import numpy.typing as npt

#: Products that are fitted side by side from random starts: most starts never find what is there.
STARTS = 16
#: Rounds over the fields of a product: in the first pass over all of them, and for those that come out ahead.
ROUNDS, MORE_ROUNDS = 5, 8
#: Share of the products, and how many at least, that are looked at again, with all rows.
AHEAD, LEAST_AHEAD = 0.05, 12
#: Rows that a field has for each of its values, on average, to be multiplied: with fewer there is no telling.
ROWS_PER_VALUE = 100
#: Products of one order at most: with more fields, those with the fewest values are combined, since what many values
#: share too few rows tell. And the rows of the first pass over them, at least and times products.
MOST_PRODUCTS = 2_000
FIRST_ROWS, FIRST_WORK = 20_000, 10_000_000
#: Rows of prior that a value's factor is mixed with.
STRENGTH = 10.0

Floats = npt.NDArray[np.float64]
Folds = npt.NDArray[np.int64]


@dataclass(frozen=True)
class ProductScore:
    """By how many standard errors a product explains residuals of rows that it was not fitted on."""

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
    """Products of as many of `fields` as `orders` says, best first: only those that a second, closer look was taken at.

    ids         int32 [N, F] codes of training rows
    residuals   [N] what is left to explain: see `screen.screen_pairs`
    folds       [N] which rows were held out together: a product is fitted on the other folds

    A product is fitted by alternating least squares, one factor after the other. Every factor's mean over the rows is
    taken out, so that over independent fields no product can stand for an effect of fewer fields. A product of fields
    with hundreds of values each is not found: no random start is close enough to it for the rows to tell. Fields
    with less than `ROWS_PER_VALUE` rows a value are not tried. Cost: fifteen passes over `FIRST_ROWS` rows per product
    of three fields, and over all rows a hundred for those that come out ahead; 40 ns a row and pass.
    """
    every = np.arange(len(residuals))
    shuffled, every_fold = generator.permutation(every), np.unique(folds)
    targets = residuals.astype(np.float32)

    def look(
        product: tuple[int, ...], rows: npt.NDArray[np.int64], rounds: int, judges: Folds
    ) -> ProductScore:
        # By the fields alone, so that a product's score does not depend on what else is looked at, or when.
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
            # One fold says enough for that.
            first = scored(products, few, ROUNDS, every_fold[:1])
            ahead = [score.fields for score in first[: max(LEAST_AHEAD, math.ceil(AHEAD * len(first)))]]
            found += scored(ahead, every, MORE_ROUNDS, every_fold)
    return sorted(found, key=lambda score: (-score.score, score.fields))


def _candidates(
    fields: Sequence[int], cardinalities: Sequence[int], order: int, most_values: int
) -> list[tuple[int, ...]]:
    """Sets of `order` fields that are worth a look, of those with the fewest values where there are too many."""
    # A field with one value, beside those for what is missing or unknown, has nothing to multiply.
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
    """What the best of some products, fitted on `rows`, gives the rows `held`."""
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
