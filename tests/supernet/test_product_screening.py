"""The screen sees products that no pair of their fields tells of, and little in noise."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from autofi.supernet.product_screening import ProductScore, screen_products
from autofi.supernet.product_screening_numba import products_of, regress

CARDINALITIES = (12, 15, 9, 20, 14)
FIELDS = tuple(range(len(CARDINALITIES)))


def table(rows: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    ids = np.column_stack([rng.integers(0, c, rows) for c in CARDINALITIES]).astype(np.int32)
    return ids, rng.integers(0, 2, rows)


def planted(ids: np.ndarray, fields: tuple[int, ...], seed: int) -> np.ndarray:
    """A number per value of these fields, each of mean 0 over its values, multiplied."""
    rng = np.random.default_rng(seed)
    found = np.ones(len(ids))
    for field in fields:
        effect = rng.normal(0, 1, CARDINALITIES[field])
        found *= (effect - effect.mean())[ids[:, field]]
    return found


def residuals_of(logits: np.ndarray, seed: int) -> np.ndarray:
    probabilities = 1 / (1 + np.exp(-logits))
    return (np.random.default_rng(seed).random(len(logits)) < probabilities) - probabilities


def screened(ids: np.ndarray, folds: np.ndarray, residuals: np.ndarray, *orders: int) -> list[ProductScore]:
    generator = np.random.default_rng(0)
    return screen_products(
        ids, CARDINALITIES, residuals, folds, FIELDS, orders, generator=generator, threads=1
    )


@pytest.mark.parametrize("fields", [(0, 2, 4), (0, 1, 2, 4)])
def test_a_planted_product_stands_out(fields: tuple[int, ...]) -> None:
    ids, folds = table(20_000, 0)
    clicks = np.random.default_rng(2).random(len(ids)) < 1 / (1 + np.exp(-planted(ids, fields, 1)))
    found = screened(ids, folds, clicks - clicks.mean(), len(fields))
    assert found[0].fields == fields
    assert found[0].score > 15
    assert max(score.score for score in found[1:]) < 5


def test_effects_of_fewer_fields_are_none_of_its_business() -> None:
    ids, folds = table(20_000, 3)
    rng = np.random.default_rng(4)
    cells = rng.normal(0, 1, (CARDINALITIES[0], CARDINALITIES[1]))
    logits = rng.normal(0, 1, CARDINALITIES[2])[ids[:, 2]] + cells[ids[:, 0], ids[:, 1]]
    clicks = rng.random(len(ids)) < 1 / (1 + np.exp(-logits))
    assert max(score.score for score in screened(ids, folds, clicks - clicks.mean(), 3, 4)) < 5


def test_noise_scores_no_more_than_chance() -> None:
    ids, folds = table(4000, 5)
    for seed in range(5):
        found = screened(ids, folds, residuals_of(np.full(len(ids), -1.0), seed), 3)
        assert max(score.score for score in found) < 4.5


def test_its_scores_do_not_depend_on_threads() -> None:
    ids, folds = table(2000, 6)
    residuals = residuals_of(planted(ids, (0, 2, 4), 7), 8)
    once, twice = (
        screen_products(
            ids, CARDINALITIES, residuals, folds, FIELDS, (3,), generator=np.random.default_rng(0), threads=n
        )
        for n in (1, 3)
    )
    assert once == twice


def test_only_the_given_fields_are_multiplied() -> None:
    ids, folds = table(2500, 9)
    found = screen_products(
        ids,
        CARDINALITIES,
        residuals_of(np.zeros(2500), 1),
        folds,
        (0, 1, 3, 4),
        (3,),
        generator=np.random.default_rng(0),
    )
    assert {score.fields for score in found} == set(combinations((0, 1, 3, 4), 3))


def test_the_compiled_loops_are_sums_over_rows() -> None:
    ids, _ = table(200, 10)
    rng = np.random.default_rng(11)
    fields, rows = np.array([0, 2, 3]), rng.permutation(200)[:150]
    values = [CARDINALITIES[field] for field in fields]
    starts = np.cumsum([0, *values[:-1]])
    factors = rng.normal(size=(sum(values), 4)).astype(np.float32)
    targets = rng.normal(size=200).astype(np.float32)
    for own in range(3):
        sums, squares = np.zeros((values[own], 4)), np.zeros((values[own], 4))
        for row in rows:
            others = [factors[starts[place] + ids[row, fields[place]]] for place in range(3) if place != own]
            product = others[0].astype(np.float64) * others[1]
            sums[ids[row, fields[own]]] += targets[row] * product
            squares[ids[row, fields[own]]] += product**2
        found = regress(ids, targets, rows, fields, starts, own, factors)
        np.testing.assert_allclose(found[0], sums, rtol=1e-4, atol=1e-4)
        np.testing.assert_allclose(found[1], squares, rtol=1e-4, atol=1e-4)
    expected = [
        np.prod([factors[starts[place] + ids[row, fields[place]]] for place in range(3)], axis=0)
        for row in rows
    ]
    np.testing.assert_allclose(
        products_of(ids, rows, fields, starts, factors), expected, rtol=1e-4, atol=1e-5
    )


def test_fields_with_too_many_values_for_the_rows_are_left_out() -> None:
    ids, folds = table(100 * CARDINALITIES[1], 12)
    found = screened(ids, folds, residuals_of(np.zeros(len(ids)), 1), 3)
    assert {score.fields for score in found} == {(0, 2, 4), (0, 1, 2), (0, 1, 4), (1, 2, 4)}
