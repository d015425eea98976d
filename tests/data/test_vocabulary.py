from __future__ import annotations

from collections import Counter

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, strategies as st

from autofi.data import vocabulary
from autofi.data.vocabulary import ValueCounter, Vocabulary

TEXTS = st.one_of(st.none(), st.sampled_from(["a", "b", "ä", "1", "null", "nan", " "]), st.text(min_size=1))


def count(batches: list[list[str | None]]) -> Vocabulary:
    counter = ValueCounter()
    for batch in batches:
        counter.add(pa.array(batch, pa.string()))
    return counter.vocabulary()


def slow_order(values: list[str | None]) -> list[str]:
    counts = Counter(value for value in values if value is not None)
    return sorted(counts, key=lambda value: (-counts[value], value.encode()))


@given(st.lists(st.lists(TEXTS, max_size=12), max_size=4), st.lists(TEXTS, max_size=12))
def test_codes_equal_a_dictionary(batches: list[list[str | None]], others: list[str | None]) -> None:
    every = [value for batch in batches for value in batch]
    learned = count(batches)
    order = slow_order(every)
    assert learned.values.to_pylist() == order
    assert learned.cardinality == len(order) + 2
    counts = Counter(every)
    assert learned.counts.tolist() == [counts[None], 0, *(counts[value] for value in order)]
    code = {value: place for place, value in enumerate(order, start=2)}
    expected = [0 if value is None else code.get(value, 1) for value in others]
    codes = learned.codes(pa.array(others, pa.string()))
    assert codes.dtype == np.int32
    assert codes.tolist() == expected


def test_values_seen_in_training_are_never_missing_or_out_of_vocabulary() -> None:
    values = ["x", None, "y", "x"]
    learned = count([values])
    assert learned.codes(pa.array(values, pa.string())).tolist() == [2, 0, 3, 2]


def test_a_small_batch_gets_the_codes_of_a_large_one() -> None:
    learned = count([[f"value {number % 5000}" for number in range(9000)], [None]])
    values = pa.array([None, "value 4999", "value 17", "unseen"], pa.string())
    assert len(values) < len(learned.values) * vocabulary._FEW_VALUES
    many = pa.concat_arrays([values] * 100)
    assert learned.codes(values).tolist() == learned.codes(many)[:4].tolist()


def test_merging_often_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    batches: list[list[str | None]] = [[str(n % 7), str(n % 3), None] for n in range(50)]
    at_once = count([[value for batch in batches for value in batch]])
    counter = ValueCounter()
    for batch in batches:
        counter.add(pa.array(batch, pa.string()))
        counter.vocabulary()
    counter.add_missing(3)
    step_by_step = counter.vocabulary()
    assert step_by_step.values == at_once.values
    assert step_by_step.counts[1:].tolist() == at_once.counts[1:].tolist()
    assert step_by_step.counts[0] == at_once.counts[0] + 3
