"""Lists cost what their values do, and what a model does not read of them changes nothing."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

import autofi
from autofi.bundle.padded_lists import even_rows, padded, values_told_apart
from tests.export.models import make_unseen

UNSEEN = make_unseen(60)


def with_tags(tags: list[list[str] | None], *, separated: bool = False) -> pa.Table:
    rows = UNSEEN.slice(0, len(tags))
    column = pa.array(["|".join(one) if one is not None else None for one in tags] if separated else tags)
    return rows.set_column(rows.schema.get_field_index("tags"), "tags", column)


def test_lists_of_any_length_get_the_same_in_every_runtime(released: Path) -> None:
    generator = np.random.default_rng(3)
    tags: list[list[str] | None] = [
        generator.choice(["a", "b", "c", "never", "a|b", ""], size).tolist()
        for size in [*range(12), 40, 100, 1000, 3, 0, 5000, 2]
    ]
    tags += [None, ["a", "b"], ["a", "b"] + [""] * 900]
    by_torch = autofi.load(released, runtime="torch").predict_proba(with_tags(tags))
    by_onnx = autofi.load(released, runtime="onnx").predict_proba(with_tags(tags))
    np.testing.assert_allclose(by_onnx, by_torch, rtol=0, atol=1e-6)
    separated = autofi.load(released, runtime="onnx").predict_proba(with_tags(tags, separated=True))
    np.testing.assert_allclose(separated, by_torch, rtol=0, atol=1e-6)
    assert len(set(np.round(by_torch, 6))) > 10


def test_what_stands_behind_the_values_that_are_read_changes_nothing(released: Path) -> None:
    from autofi.bundle.schema import read_schema

    (most,) = (given.most_values for given in read_schema(released)[1] if given.name == "tags")
    assert most is not None and 4 <= most <= 8
    first = ["a"] * most
    tables = [with_tags([[*first, *more]] * 2) for more in ([], ["b"], ["never"] * 500)]
    for runtime in ("onnx", "torch"):
        found = [autofi.load(released, runtime=runtime).predict_proba(table) for table in tables]  # type: ignore[arg-type]
        np.testing.assert_array_equal(found[0], found[1])
        np.testing.assert_array_equal(found[0], found[2])


def test_a_text_with_more_values_than_any_is_none_of_them() -> None:
    known = pa.array(["a", "a|b|c", "x||y", "d"])
    assert values_told_apart(known) == 4
    assert values_told_apart(pa.array([], pa.string())) == 2
    for length in range(4, 9):
        assert "|".join(["a"] * min(length, 4)) not in known.to_pylist()


def test_only_what_is_read_is_padded() -> None:
    lists = pa.array([["a"] * 100_000, [], ["b", "c", "d"]])
    assert padded(lists, 2).tolist() == [["a", "a"], ["", ""], ["b", "c"]]
    assert padded(lists, None).shape == (3, 100_000)


@pytest.mark.parametrize("seed", range(5))
def test_runs_of_rows_hold_all_rows_once_and_little_padding(seed: int) -> None:
    generator = np.random.default_rng(seed)
    lengths = generator.geometric(0.2, 8192).astype(np.int64)
    lengths[generator.integers(0, 8192, seed)] = 10_000
    runs = list(even_rows(lengths))
    assert [row for run in runs for row in range(run.start, run.stop)] == list(range(8192))
    cells = sum((run.stop - run.start) * lengths[run].max() for run in runs)
    assert cells <= 4 * lengths.sum() + len(runs) * (1 << 16)
    assert len(runs) <= 2 * seed + 3


def test_one_long_list_among_many_rows_costs_no_more_than_itself(released: Path) -> None:
    """8,192 rows, one with 10,000 values: padded to it they would be 82 million texts."""
    predictor = autofi.load(released, runtime="onnx")
    table = pa.concat_tables([UNSEEN] * 137).slice(0, 8192)
    place = table.schema.get_field_index("tags")
    short: list[list[str]] = [["a", "b"]] * 8192
    long = [*short[:4000], ["a", "b", *["never"] * 9998], *short[4001:]]
    seconds = []
    for tags in (short, short, long):
        rows = table.set_column(place, "tags", pa.array(tags))
        begun = time.process_time()
        predictor.predict_proba(rows)
        seconds.append(time.process_time() - begun)
    assert seconds[2] < 3 * seconds[1] + 0.5
