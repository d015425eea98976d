"""Drawn rows are those of the encoder: as frequent as in training, with some that are missing or new in every field."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from autofi.data.encoder import FieldEncoder
from autofi.data.schema import FieldKind
from autofi.data.vocabulary import FIRST_VALUE, MISSING, OUT_OF_VOCABULARY
from autofi.export.random_rows import MISSING_SHARE, UNSEEN_SHARE, probe_rows
from tests.export.models import Model

ROWS = 20_000


@pytest.fixture(scope="module")
def drawn(model: Model) -> pa.RecordBatch:
    return probe_rows(model.builder.encoder.fields, ROWS)


@pytest.fixture(scope="module")
def codes(model: Model, drawn: pa.RecordBatch) -> np.ndarray:
    return model.builder.encoder.transform_batch(drawn).ids


def of_kind(model: Model, *kinds: FieldKind) -> list[tuple[int, FieldEncoder]]:
    return [
        (place, field)
        for place, field in enumerate(model.builder.encoder.fields)
        if field.field.kind in kinds
    ]


def test_the_same_rows_are_drawn_every_time(model: Model, drawn: pa.RecordBatch) -> None:
    fields = model.builder.encoder.fields
    assert probe_rows(fields, ROWS).equals(drawn)
    assert not probe_rows(fields, ROWS, seed=1).equals(drawn)
    assert drawn.schema.names == list(model.builder.encoder.schema.names)


def test_values_are_as_frequent_as_in_training_but_for_the_missing_and_the_new(
    model: Model, codes: np.ndarray
) -> None:
    for place, field in of_kind(model, FieldKind.CATEGORICAL, FieldKind.MULTI_VALUED):
        shares = np.bincount(codes[:, place], minlength=field.cardinality) / ROWS
        assert shares[MISSING] == pytest.approx(MISSING_SHARE, abs=0.01)
        assert shares[OUT_OF_VOCABULARY] == pytest.approx(UNSEEN_SHARE, abs=0.01)
        known = field.counts[FIRST_VALUE:] / field.counts[FIRST_VALUE:].sum()
        expected = (1 - MISSING_SHARE - UNSEEN_SHARE) * known
        np.testing.assert_allclose(shares[FIRST_VALUE:], expected, rtol=0, atol=0.015)


def test_numbers_lie_between_all_borders_and_some_beyond_either_end(
    model: Model, drawn: pa.RecordBatch
) -> None:
    ((_, field),) = of_kind(model, FieldKind.NUMERIC)
    assert field.positions is not None
    borders = field.positions.borders
    values = drawn.column(field.field.name).to_numpy(zero_copy_only=False)
    known = values[~np.isnan(values)]
    assert np.isnan(values).mean() == pytest.approx(MISSING_SHARE, abs=0.01)
    for beyond in (known < borders[0], known > borders[-1]):
        assert beyond.sum() / ROWS == pytest.approx(UNSEEN_SHARE / 2, abs=0.01)
    between = np.histogram(known, borders)[0] / ROWS
    assert between.min() > 0.5 / (len(borders) - 1)


def test_a_field_that_was_always_missing_is_new_or_missing(model: Model) -> None:
    for place, field in of_kind(model, FieldKind.CATEGORICAL)[:1]:
        empty = FieldEncoder(
            field.field, type(field.codes)(field.codes.values[:0], field.counts[:2]), field.counts[:2]
        )
        column = probe_rows([empty], 200).column(place)
        assert len(set(column.to_pylist())) == 2
