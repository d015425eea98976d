"""Generated tables hold what their truth says."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pyarrow as pa
import pytest

from autofi.data.planted import (
    TARGET,
    PlantedSpec,
    PlantedTable,
    _cell_effect,
    _low_rank_effect,
    _shares,
    generate,
    planted_from_name,
)
from autofi.errors import DataError

SMALL = PlantedSpec(rows=20_000, seed=4)


@pytest.fixture(scope="module")
def planted() -> PlantedTable:
    return generate(SMALL)


def test_columns_are_strings_with_nulls_and_a_binary_target(planted: PlantedTable) -> None:
    assert planted.table.column_names == [*SMALL.names, TARGET]
    assert planted.table.num_rows == SMALL.rows
    for name in SMALL.names:
        column = planted.table[name]
        assert column.type == pa.string()
        assert column.null_count / SMALL.rows == pytest.approx(SMALL.missing_share, abs=0.004)
    assert planted.table[TARGET].type == pa.int8()
    assert set(planted.table[TARGET].to_pylist()) == {0, 1}
    assert {int(value) for value in planted.table["hour"].drop_null().unique().to_pylist()} == set(range(24))


def test_clicks_follow_the_probabilities(planted: PlantedTable) -> None:
    clicks = planted.table[TARGET].to_numpy()
    assert planted.probabilities.mean() == pytest.approx(SMALL.base_rate, abs=1e-9)
    decile = np.argsort(planted.probabilities).reshape(10, -1)
    np.testing.assert_allclose(
        clicks[decile].mean(axis=1), planted.probabilities[decile].mean(axis=1), atol=0.04
    )


def test_bayes_auc_is_that_of_the_probabilities(planted: PlantedTable) -> None:
    clicks = planted.table[TARGET].to_numpy() == 1
    above = planted.probabilities[clicks][:500, None]
    below = planted.probabilities[~clicks][None, :4000]
    assert planted.bayes_auc == pytest.approx((above > below).mean(), abs=0.03)
    assert planted.bayes_auc > 0.85


def test_truth_covers_every_pair_once() -> None:
    truth = SMALL.truth
    assert list(truth) == list(combinations(SMALL.names, 2))
    assert [pair for pair, kind in truth.items() if kind == "memorize"] == [
        ("hour", "city"),
        ("device", "category"),
    ]
    assert [pair for pair, kind in truth.items() if kind == "factorize"] == [("site", "ad"), ("site", "app")]


def test_memorized_cells_are_seen_often_and_factorized_ones_hardly() -> None:
    table = generate(PlantedSpec(seed=0)).table.slice(0, 140_000).to_pandas()
    for left, right in (("hour", "city"), ("device", "category")):
        cells = table.groupby([left, right]).size()
        sides = table[left].nunique() * table[right].nunique()
        assert len(cells) == sides
        assert cells.min() >= 10
    for left, right in (("site", "ad"), ("site", "app")):
        cells = table.groupby([left, right]).size()
        unseen = table[left].nunique() * table[right].nunique() - len(cells)
        assert (unseen + (cells <= 1).sum()) / (unseen + len(cells)) > 0.6


def test_effects_are_centred_at_the_frequencies_and_as_strong_as_asked() -> None:
    generator = np.random.default_rng(0)
    left, right = (_shares(size, skew=0.7, missing_share=0.05) for size in (7, 9))
    u, v = _low_rank_effect(left, right, 3, 1.5, generator)
    for effect, strength in ((_cell_effect(left, right, 0.8, generator), 0.8), (u @ v.T, 1.5)):
        np.testing.assert_allclose(left @ effect, 0.0, atol=1e-12)
        np.testing.assert_allclose(effect @ right, 0.0, atol=1e-12)
        variance = sum(left[i] * right[j] * effect[i, j] ** 2 for i in range(8) for j in range(10))
        assert np.sqrt(variance) == pytest.approx(strength)
    assert np.linalg.matrix_rank(u @ v.T) == 3


def test_equal_specs_give_equal_tables_and_other_seeds_redraw() -> None:
    spec = PlantedSpec(rows=500, seed=1)
    assert generate(spec).table.equals(generate(spec).table)
    assert not generate(spec).table.equals(generate(PlantedSpec(rows=500, seed=2)).table)


def test_random_specs_draw_suitable_pairs() -> None:
    seen = set()
    for seed in range(20):
        spec = PlantedSpec.random(seed)
        sizes = spec.cardinalities
        assert len(spec.memorize_pairs) == len(spec.factorize_pairs) == 2
        for i, j in spec.memorize_pairs:
            assert min(sizes[i], sizes[j]) >= 20
            assert sizes[i] * sizes[j] <= 200_000 / 30
        assert all(sizes[i] * sizes[j] >= 66_000 for i, j in spec.factorize_pairs)
        assert spec == PlantedSpec.random(seed)
        seen.add(spec.memorize_pairs + spec.factorize_pairs)
    assert len(seen) > 5


def test_no_effects_leave_only_chance() -> None:
    planted = generate(PlantedSpec(rows=300, main=0.0, memorize=0.0, factorize=0.0, missing_share=0.0))
    np.testing.assert_allclose(planted.probabilities, 0.3, atol=1e-9)


def test_named_source_reads_its_options() -> None:
    named = planted_from_name("planted:seed=3, rows=400, skew=0.2")
    assert named.spec == PlantedSpec(seed=3, rows=400, skew=0.2)
    assert named.table.equals(generate(PlantedSpec(seed=3, rows=400, skew=0.2)).table)
    random = planted_from_name("planted:pairs=random,seed=7,rows=50000")
    assert random.spec == PlantedSpec.random(7, rows=50_000)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("planted:sed=3", "did you mean 'seed'"),
        ("planted:rows=many", "'rows' is 'many' in .*; write a number .int."),
        ("planted:rows=0", "'rows' of planted data is 0; it must be at least 1"),
        ("planted:seed=1,seed=2", "option 'seed' is given twice"),
        ("planted:pairs=some", "'pairs' is 'some' in .*'default', 'random' or 'none'"),
        ("planted:base_rate=nan", "'base_rate' of planted data is nan; it must be in"),
        ("plantd", "'plantd' is not a generated source"),
        ("planted:pairs=random,rows=100", "Only 0 of the 2 pairs"),
    ],
)
def test_wrong_names_say_what_is_right(text: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        planted_from_name(text)


@pytest.mark.parametrize(
    "changes",
    [
        {"memorize_pairs": ((1, 0),)},
        {"memorize_pairs": ((0, 8),)},
        {"memorize_pairs": ((4, 5),)},
        {"names": ("a", "b")},
        {"cardinalities": (1,) * 8},
        {"names": (*SMALL.names[:7], TARGET)},
    ],
)
def test_impossible_specs_are_refused(changes: dict[str, tuple[object, ...]]) -> None:
    with pytest.raises(DataError):
        PlantedSpec(**changes)  # type: ignore[arg-type]


def test_a_product_is_told_by_all_its_fields_and_by_no_two() -> None:
    spec = PlantedSpec(
        rows=40_000, cardinalities=(6, 6, 6, 6), names=tuple("abcd"), memorize_pairs=(), factorize_pairs=(),
        products=((0, 1, 2),), main=0.0, product=2.0, missing_share=0.0, seed=3,
    )  # fmt: skip
    found = generate(spec)
    frame = found.table.select([*"abcd"]).to_pandas()
    frame["logit"] = np.log(found.probabilities / (1 - found.probabilities))
    whole = frame.logit.std()
    assert whole == pytest.approx(2.0, rel=0.1)

    def explained(names: list[str]) -> float:
        return float(frame.groupby(names).logit.transform("mean").std() / whole)

    assert explained(["a", "b", "c"]) == pytest.approx(1.0)
    for pair in (["a", "b"], ["a", "c"], ["b", "c"], ["a", "d"]):
        assert explained(pair) < 0.15
    assert set(found.truth.values()) == {"naive"}


def test_products_are_planted_by_name() -> None:
    named = planted_from_name("planted:rows=500,pairs=none,products=0-1-2+4-5-6-7").spec
    assert named == PlantedSpec(
        rows=500, memorize_pairs=(), factorize_pairs=(), products=((0, 1, 2), (4, 5, 6, 7))
    )
    with pytest.raises(DataError, match="like 0-1-2"):
        planted_from_name("planted:products=0-a")
    for fields in ("0-1", "2-1-0", "0-1-99"):
        with pytest.raises(DataError, match="three or more field positions"):
            planted_from_name(f"planted:products={fields}")
