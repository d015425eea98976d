"""Crosses are chosen that decide together, and no triple by chance."""

from __future__ import annotations

import numpy as np
import pytest

from autofi.data import boosted_crosses
from autofi.data.boosted_crosses import choose_crosses
from autofi.data.encoded_rows import EncodedRows
from autofi.data.number_bins import with_bin_cardinalities

FIELDS, CODES = 5, 8


def draw(cross: tuple[int, ...], *, rows: int = 6000) -> EncodedRows:
    """Clicks by the cell of some fields, .15 or .85; no field alone tells of them."""
    generator = np.random.default_rng(len(cross))
    ids = generator.integers(2, CODES, (rows, FIELDS)).astype(np.int32)
    cells = np.random.default_rng(3).random((CODES,) * len(cross)) < 0.5
    rate = np.where(cells[tuple(ids[:, list(cross)].T)], 0.85, 0.15) if cross else np.full(rows, 0.3)
    labels = (generator.random(rows) < rate).astype(np.float32)
    return EncodedRows(ids, np.empty((rows, 0), dtype=np.float32), labels=labels)


@pytest.mark.parametrize("cross", [(1, 3), (0, 2, 4)])
def test_the_cross_that_decides_is_chosen_first(cross: tuple[int, ...]) -> None:
    rows = draw(cross)
    found = choose_crosses(rows, (CODES,) * FIELDS, [], pairs=1, triples=1)
    assert cross in found
    assert found == choose_crosses(rows, (CODES,) * FIELDS, [], pairs=1, triples=1)


def test_where_clicks_are_chance_no_triple_is_chosen() -> None:
    found = choose_crosses(draw(()), (CODES,) * FIELDS, [], pairs=3, triples=3)
    assert all(len(cross) == 2 for cross in found)
    assert choose_crosses(draw(()), (CODES,) * FIELDS, [], pairs=0, triples=0) == []


def test_a_part_of_a_number_is_crossed_where_its_codes_are_many() -> None:
    generator = np.random.default_rng(0)
    numbers = 4 * generator.random((6000, 1), dtype=np.float32)
    ids = np.stack([generator.integers(2, 8, 6000), np.argsort(np.argsort(numbers[:, 0])) % 900 + 2], axis=1)
    high = np.random.default_rng(7).random(8) < 0.5
    rate = np.where(high[ids[:, 0]] == (numbers[:, 0] < 1.62), 0.85, 0.15)
    labels = (generator.random(6000) < rate).astype(np.float32)
    rows = EncodedRows(ids.astype(np.int32), numbers, labels=labels)
    cardinalities = with_bin_cardinalities([8, 902], [4])
    assert (0, 2) in choose_crosses(rows, cardinalities, [1], pairs=1, triples=0)
    # A number is never crossed with its own bins.
    assert (1, 2) not in choose_crosses(rows, cardinalities, [1], pairs=9, triples=9)


def test_of_many_fields_those_that_say_most_are_crossed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(boosted_crosses, "MOST_CROSSED", 3)
    found = choose_crosses(draw((1, 3)), (CODES,) * FIELDS, [], pairs=9, triples=0)
    assert len({place for cross in found for place in cross}) <= 3


def test_rows_of_one_class_have_none() -> None:
    rows = draw(())
    assert rows.labels is not None
    rows.labels[:] = 0
    assert choose_crosses(rows, (CODES,) * FIELDS, [], pairs=3, triples=3) == []
