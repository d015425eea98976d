"""Drawn rows: disjoint blocks, shuffled within, and features as if the raw table had been shuffled."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from autofi.data.encoded_rows import EncodedRows
from autofi.errors import ConfigError, DataError
from autofi.importance.model_reliance import interaction, logits_of, reliances
from autofi.importance.permuted_rows import Shuffles, draw_rows
from autofi.readers import open_table
from tests.export.models import Model, make_model, make_unseen


def numbered(rows: int) -> EncodedRows:
    ids = np.arange(rows, dtype=np.int32)[:, None]
    return EncodedRows(ids, np.empty((rows, 0), np.float32), labels=(ids[:, 0] % 2).astype(np.float32))


def test_blocks_share_no_row_while_there_are_enough() -> None:
    draw = draw_rows(numbered(100), size=30, repeats=3, seed=0)
    assert len(set(draw.rows.ids[:, 0].tolist())) == 90
    assert draw.order.reshape(3, 30).min(1).tolist() == [0, 30, 60]
    assert sorted(draw.order.tolist()) == list(range(90))


def test_a_block_has_no_row_twice_where_they_run_out() -> None:
    draw = draw_rows(numbered(20), size=50, repeats=4, seed=0)
    assert len(draw) == 80
    for block in draw.rows.ids.reshape(4, 20):
        assert sorted(block.tolist()) == list(range(20))


def test_means_are_weighed_as_in_training() -> None:
    rows = replace(numbered(10), weights=np.arange(1, 11, dtype=np.float32))
    draw = draw_rows(rows, size=5, repeats=2, seed=0)
    values = np.random.default_rng(0).random(10)
    expected = [
        np.average(values[block], weights=draw.rows.weights[block]) for block in (slice(0, 5), slice(5, 10))
    ]
    assert draw.mean(values) == pytest.approx(expected)


def test_rows_that_weigh_nothing_are_not_drawn() -> None:
    weights = (np.arange(100) < 25).astype(np.float32)
    draw = draw_rows(replace(numbered(100), weights=weights), size=30, repeats=2, seed=0)
    assert sorted(draw.rows.ids[:, 0].tolist()) == sorted([*range(25)] * 2)


def test_rows_that_cannot_be_shuffled_or_judged_are_refused() -> None:
    with pytest.raises(ConfigError, match="rows is 10 and repeats is 1; .* 2 repeats or more"):
        draw_rows(numbered(20), size=10, repeats=1, seed=0)
    with pytest.raises(DataError, match="both classes"):
        draw_rows(replace(numbered(20), labels=np.ones(20, np.float32)), size=10, repeats=2, seed=0)


@pytest.fixture(scope="module")
def model() -> Model:
    """Every operator, streams with tables of their own, and boosted trees."""
    return make_model()


def test_a_group_is_shuffled_as_in_the_raw_table(model: Model) -> None:
    table = make_unseen(120)
    labels = np.random.default_rng(1).integers(0, 2, 120).astype(np.float32)
    (encoded,) = model.builder.encoder.transform(open_table(table))
    draw = draw_rows(replace(encoded, labels=labels), size=40, repeats=3, seed=2)
    # Which raw row every drawn one is, from a second draw of their numbers.
    index = draw_rows(replace(numbered(120), labels=labels), size=40, repeats=3, seed=2).rows.ids[:, 0]
    shuffles = Shuffles(draw, model.builder)
    names = model.builder.encoder.schema.names
    groups = [
        (0,),
        (3,),
        (names.index("tags"),),
        (names.index("price"),),
        (0, 3),
        (0, 3, names.index("tags")),
    ]
    groups += [(1,), (0, 1), (names.index("price"), names.index("tags"))]
    (phi,) = reliances([model.network], model.network, shuffles, groups)

    taken = table.take(pa.array(index))
    clicked = labels[index] > 0

    def loss(rows: pa.Table) -> np.ndarray:
        p = model.probabilities(rows)
        return -np.log(np.where(clicked, p, 1 - p)).reshape(3, 40).mean(1)

    still = loss(taken)
    for group in groups:
        shuffled = taken
        for place in group:  # every column of the group, all by one order
            column = taken.column(names[place]).take(pa.array(draw.order))
            shuffled = shuffled.set_column(shuffled.column_names.index(names[place]), names[place], column)
        assert phi[group] == pytest.approx(loss(shuffled) - still, abs=1e-6), group
    assert np.abs(phi[(0, 3)]).min() > 1e-4
    assert interaction(phi, (0, 3)) == pytest.approx(phi[(0, 3)] - phi[(0,)] - phi[(3,)])


def test_what_is_not_shuffled_is_scored_as_it_is(model: Model) -> None:
    table = make_unseen(50)
    (encoded,) = model.builder.encoder.transform(open_table(table))
    labels = (np.arange(50) % 2).astype(np.float32)
    draw = draw_rows(replace(encoded, labels=labels), size=50, repeats=2, seed=0)
    features = Shuffles(draw, model.builder).features()
    logits = logits_of(model.network, model.network.select(features), len(draw))
    expected = model.network(model.network.select(model.builder.of_rows(draw.rows)))
    assert np.array_equal(logits, expected.detach().numpy().astype(np.float64))
