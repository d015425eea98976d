"""A unified embedding is rows of one table, found by a hash of field, chunk and value."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from autofi.errors import SearchSpaceError
from autofi.operators._lookup import UNKNOWN_SHARE
from autofi.operators.base import Sizes
from autofi.operators.unified_embedding import hashed_rows
from tests.operators.examples import KEPT, SIZES, build, random_features, shapes_for, slots_of

FEATURES = random_features(60)
SHAPES = shapes_for(FEATURES)


def mixed(number: int) -> int:
    """Splitmix64 in whole numbers without bounds."""
    whole = 2**64
    number = (number + 0x9E3779B97F4A7C15) % whole
    number = (number ^ (number >> 30)) * 0xBF58476D1CE4E5B9 % whole
    number = (number ^ (number >> 27)) * 0x94D049BB133111EB % whole
    return number ^ (number >> 31)


def row_of(field: int, chunk: int, code: int, rows: int) -> int:
    salt = mixed((mixed(field) + chunk) % 2**64)
    return mixed((code + salt) % 2**64) % rows


@pytest.mark.parametrize("chunks", [1, 2, 4])
def test_it_is_the_rows_of_the_chunks_end_to_end(chunks: int) -> None:
    slots = slots_of("unified_embedding", SHAPES)[::-1]
    operator = build("unified_embedding", slots, SHAPES, sizes=replace(SIZES, unified_chunks=chunks))
    table = operator.tables()[0].detach().numpy()
    assert table.shape == (SIZES.unified_rows, SIZES.embedding_dim // chunks)
    expected = []
    for ids in FEATURES.ids:
        row: list[float] = []
        for (field,) in slots:
            code = int(ids[field]) if ids[field] < KEPT[field] else 1
            for chunk in range(chunks):
                row.extend(table[row_of(field, chunk, code, SIZES.unified_rows)])
        expected.append(row)
    out = operator(operator.select(FEATURES)).detach().numpy()
    np.testing.assert_array_equal(out, np.array(expected, dtype=np.float32))


def test_the_hash_is_the_same_everywhere() -> None:
    # Splitmix64 from state 0 gives 0xE220A8397B1DCDAF first, on every machine.
    assert mixed(0) == 0xE220A8397B1DCDAF
    found = hashed_rows(3, 5, chunks=2, rows=1_000_003)
    assert found.tolist() == [[row_of(3, chunk, code, 1_000_003) for chunk in range(2)] for code in range(5)]


def test_values_spread_evenly_and_each_chunk_by_itself() -> None:
    first, second = hashed_rows(4, 20_000, chunks=2, rows=50).T
    pairs = np.bincount(50 * first + second, minlength=2500)
    for rows in (first, second, hashed_rows(5, 20_000, chunks=1, rows=50)[:, 0]):
        counts = np.bincount(rows, minlength=50)
        assert abs(counts - 400).max() < 100  # five deviations
    assert pairs.max() < 30  # 8 expected, deviation 3: chunks collide independently
    assert (hashed_rows(4, 200, chunks=1, rows=10**6) != hashed_rows(5, 200, chunks=1, rows=10**6)).any()


def test_fields_share_one_table_of_the_size_asked_for() -> None:
    sizes = Sizes(embedding_dim=6, unified_rows=11, unified_chunks=3)
    every = slots_of("unified_embedding", SHAPES)
    for slots in (every[2:3], every):
        operator = build("unified_embedding", slots, SHAPES, sizes=sizes)
        assert sum(parameter.numel() for parameter in operator.parameters()) == 11 * 2


def test_a_subset_keeps_the_whole_table() -> None:
    operator = build("unified_embedding", slots_of("unified_embedding", SHAPES), SHAPES)
    small = operator.subset([1])
    assert torch.equal(small.tables()[0], operator.tables()[0])


def test_where_no_value_is_rare_unseen_values_are_drawn_while_training() -> None:
    shapes = replace(SHAPES, kept=(SHAPES.cardinalities[0], *SHAPES.kept[1:]))
    operator = build("unified_embedding", [(0,), (3,)], shapes).train()
    known = torch.full((200_000, 2), 2, dtype=torch.int32)
    rows = operator(operator.drawn(known)).detach().view(len(known), 2, -1)
    unseen = operator.eval()(torch.ones(1, 2, dtype=torch.int32)).detach().view(2, -1)
    share = (rows[:, 0] == unseen[0]).all(1).double().mean().item()
    assert share == pytest.approx(UNKNOWN_SHARE, rel=0.3)  # 400 rows expected, deviation 20
    assert (rows[:, 1] == rows[0, 1]).all()


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        (Sizes(embedding_dim=10, unified_chunks=4), "unified_chunks 4 and embedding_dim 10, .*; change one"),
        (Sizes(embedding_dim=10, unified_chunks=0), "unified_chunks 0 and embedding_dim 10, .*; change one"),
        (Sizes(embedding_dim=10, unified_rows=0), "unified_rows 0; give its table at least 1 row"),
    ],
)
def test_sizes_that_do_not_fit_are_refused(sizes: Sizes, message: str) -> None:
    with pytest.raises(SearchSpaceError, match=message):
        build("unified_embedding", [(0,)], SHAPES, sizes=sizes)
