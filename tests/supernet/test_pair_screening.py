"""The screen sees the pairs that explain residuals, and little in noise."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from autofi.supernet.pair_screening import CELL_STRENGTH, PairScore, screen_pairs, without_pairs

PAIRS = list(combinations(range(6), 2))
SMALL, LARGE = 12, 250


def table(rows: int, seed: int) -> tuple[np.ndarray, np.ndarray, tuple[int, ...]]:
    """Fields 0..3 have few codes, 4 and 5 so many that most of their cells are seen once."""
    rng = np.random.default_rng(seed)
    cardinalities = (SMALL,) * 4 + (LARGE,) * 2
    ids = np.column_stack([rng.integers(0, c, rows) for c in cardinalities]).astype(np.int32)
    return ids, rng.integers(0, 3, rows), cardinalities


def residuals_of(logits: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    probabilities = 1 / (1 + np.exp(-logits))
    return (rng.random(len(logits)) < probabilities) - probabilities.mean()


def scores(ids: np.ndarray, folds: np.ndarray, cardinalities: tuple[int, ...], residuals: np.ndarray):
    return {
        score.pair: score for score in screen_pairs(ids, cardinalities, residuals, folds, PAIRS, threads=1)
    }


def test_a_memorized_pair_stands_out() -> None:
    ids, folds, cardinalities = table(20_000, 0)
    rng = np.random.default_rng(1)
    cells = rng.normal(0, 0.5, (SMALL, SMALL))
    found = scores(ids, folds, cardinalities, residuals_of(cells[ids[:, 0], ids[:, 2]], rng))
    assert found[(0, 2)].memorize > 10
    others = [score.memorize for pair, score in found.items() if not {0, 2} & set(pair)]
    assert max(others) < 4


def test_a_low_rank_pair_stands_out_as_a_product_where_cells_are_too_rare() -> None:
    ids, folds, cardinalities = table(30_000, 2)
    rng = np.random.default_rng(3)
    left, right = rng.normal(0, 1, LARGE), rng.normal(0, 1, LARGE)
    found = scores(ids, folds, cardinalities, residuals_of(left[ids[:, 4]] * right[ids[:, 5]], rng))
    assert found[(4, 5)].factorize > 10
    assert found[(4, 5)].factorize > 1.5 * found[(4, 5)].memorize
    assert max(score.best for pair, score in found.items() if not {4, 5} & set(pair)) < 4


def test_noise_scores_look_standard_normal_at_most() -> None:
    values = []
    for seed in range(10):
        ids, folds, cardinalities = table(3000, 10 + seed)
        noise = residuals_of(np.full(len(ids), -1.0), np.random.default_rng(seed))
        values += [
            (score.memorize, score.factorize) for score in scores(ids, folds, cardinalities, noise).values()
        ]
    for column in np.array(values).T:
        assert abs(column.mean()) < 4 / np.sqrt(len(column))
        assert 0.8 < column.std() < 1.15
        assert column.max() < 4


def test_memorize_is_the_correlation_with_cell_means_of_other_folds() -> None:
    ids, folds, cardinalities = table(300, 4)
    residuals = np.random.default_rng(0).normal(0, 0.5, len(ids))
    found = scores(ids, folds, cardinalities, residuals)
    for left, right in PAIRS[:3]:
        products = []
        for row in range(len(ids)):
            others = [
                residuals[other]
                for other in range(len(ids))
                if folds[other] != folds[row]
                and ids[other, left] == ids[row, left]
                and ids[other, right] == ids[row, right]
            ]
            products.append(residuals[row] * sum(others) / (len(others) + CELL_STRENGTH))
        expected = np.mean(products) / (np.std(products) * np.sqrt(2 / len(products)))
        assert found[(left, right)].memorize == pytest.approx(expected)


def test_a_rows_own_residual_does_not_vouch_for_it() -> None:
    """Every cell is seen once: nothing of other folds can explain it."""
    ids = np.stack([np.arange(400), np.arange(400)], axis=1).astype(np.int32)
    residuals = np.random.default_rng(0).choice([-0.3, 0.7], 400)
    (score,) = screen_pairs(ids, (400, 400), residuals, np.arange(400) % 2, [(0, 1)])
    assert score.memorize == 0.0
    assert abs(score.factorize) < 3


def test_a_field_of_one_code_scores_nothing_as_a_product() -> None:
    ids, folds, _ = table(500, 0)
    ids[:, 0] = 0
    residuals = np.random.default_rng(0).normal(size=len(ids))
    (score,) = screen_pairs(ids, (1, SMALL), residuals, folds, [(0, 1)])
    assert score.factorize == 0.0
    (nothing,) = screen_pairs(ids, (2, SMALL), np.zeros(len(ids)), folds, [(0, 1)])
    assert (nothing.memorize, nothing.factorize) == (0.0, 0.0)


def test_scores_keep_the_order_of_the_pairs_and_do_not_depend_on_threads() -> None:
    ids, folds, cardinalities = table(2000, 5)
    residuals = np.random.default_rng(0).normal(size=len(ids))
    one = screen_pairs(ids, cardinalities, residuals, folds, PAIRS[::-1], threads=1)
    two = screen_pairs(ids, cardinalities, residuals, folds, PAIRS[::-1], threads=3)
    assert one == two
    assert [score.pair for score in one] == PAIRS[::-1]


def test_best_is_the_larger_of_both() -> None:
    assert PairScore((0, 1), 1.0, 2.5).best == 2.5
    assert PairScore((0, 1), 3.0, 2.5).best == 3.0


def test_what_pairs_explain_is_taken_out() -> None:
    ids, folds, cardinalities = table(20_000, 4)
    rng = np.random.default_rng(5)
    cells, left, right = rng.normal(0, 1, (SMALL, SMALL)), rng.normal(0, 1, LARGE), rng.normal(0, 1, LARGE)
    residuals = residuals_of(cells[ids[:, 0], ids[:, 2]] + left[ids[:, 4]] * right[ids[:, 5]], rng)
    before = scores(ids, folds, cardinalities, residuals)
    rest = without_pairs(ids, cardinalities, residuals, folds, [before[0, 2], before[4, 5]])
    after = scores(ids, folds, cardinalities, rest)
    for pair in ((0, 2), (4, 5)):
        assert after[pair].best < before[pair].best / 4
    assert without_pairs(ids, cardinalities, residuals, folds, []) is residuals
