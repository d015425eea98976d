"""A pair whose crosses have one class is found by itself, and no other."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.stats import chi2

from autofi.checks.leaky_crosses import LEAST_COUNTS, MOST_SHARE, OneClass, check_pairs, chosen_pairs
from autofi.checks.run import check_data
from autofi.checks.sample import SMOOTHING, SampledRows
from autofi.checks.warning import ONE_CLASS, DataWarning
from autofi.data.dataset import EncodedDataset
from autofi.data.load import open_data
from autofi.data.planted import PlantedSpec, generate
from autofi.data.schema_overrides import SchemaOverrides
from autofi.store.search_settings import SearchSettings
from tests.checks.tables import opened, used_apps

ROWS = 24_000


@pytest.fixture(scope="module")
def sampled() -> EncodedDataset:
    return opened(used_apps(ROWS, sampled=True))


def one_class(dataset: EncodedDataset) -> list[DataWarning]:
    return [warning for warning in check_data(dataset).warnings if warning.kind == ONE_CLASS]


def test_negatives_drawn_among_crosses_without_a_click_are_told(sampled: EncodedDataset) -> None:
    found = one_class(sampled)
    assert [warning.fields for warning in found] == [("user", "item"), ("item", "cost")]
    assert "user × item gives the class away" in found[0].sentence
    assert "none are" in found[0].sentence
    # What memorizing gains is what the warning is about.
    assert found[0].figures["auc_cross"] > found[0].figures["auc_fields"] + 0.02


def test_nothing_is_told_where_any_item_may_be_passed_over() -> None:
    assert not one_class(opened(used_apps(ROWS, sampled=False)))


def test_fields_of_one_rate_and_fields_that_say_the_same_change_nothing(sampled: EncodedDataset) -> None:
    frame = used_apps(ROWS, sampled=True).assign(app=lambda rows: "a" + rows["item"], kind="app")
    found = one_class(opened(frame))
    assert [warning.fields for warning in one_class(sampled)] == [
        warning.fields for warning in found if not {"app", "kind"} & set(warning.fields)
    ]
    told = {frozenset(warning.fields) for warning in found}
    assert frozenset(("user", "app")) in told
    assert not {pair for pair in told if "kind" in pair or pair == {"item", "app"}}


def slowly(dataset: EncodedDataset, pair: tuple[int, int], label: int) -> OneClass | None:
    """Row by row, with a logistic regression of its own."""
    train, valid = dataset.rows("train"), dataset.rows("valid")
    assert train.labels is not None and valid.labels is not None
    prior = train.labels.mean()
    classes: list[dict[int, list[float]]] = [{}, {}]
    crosses: dict[tuple[int, int], list[float]] = {}
    for ids, clicked in zip(train.ids, train.labels, strict=True):
        cross = (int(ids[pair[0]]), int(ids[pair[1]]))
        crosses.setdefault(cross, []).append(float(clicked))
        for known, value in zip(classes, cross, strict=True):
            known.setdefault(value, []).append(float(clicked))

    def log_odds(seen: list[float]) -> float:
        rate = (sum(seen) + SMOOTHING * prior) / (len(seen) + SMOOTHING)
        return float(np.log(rate / (1 - rate)))

    mixed = [{value: len({*seen}) == 2 for value, seen in known.items()} for known in classes]
    odds = [{value: log_odds(seen) for value, seen in known.items()} for known in classes]
    rates = np.array(
        [
            [known.get(int(ids[field]), log_odds([])) for known, field in zip(odds, pair, strict=True)]
            for ids in valid.ids
        ]
    )
    labels = np.asarray(valid.labels)

    def loss(weights: np.ndarray) -> float:
        logits = weights[0] + rates @ weights[1:]
        return float((np.logaddexp(0, logits) - labels * logits).sum())

    weights = minimize(loss, np.array([0.0, 1.0, 1.0]), tol=1e-10).x
    clicks = 1 / (1 + np.exp(-(weights[0] + rates @ weights[1:])))
    for least in LEAST_COUNTS:
        rows = others = 0
        expected = 0.0
        for ids, clicked, probability in zip(valid.ids, labels, clicks, strict=True):
            values = [int(ids[field]) for field in pair]
            seen = crosses.get((values[0], values[1]), [])
            both = all(known.get(value, False) for known, value in zip(mixed, values, strict=True))
            if len(seen) < least or set(seen) != {float(label)} or not both:
                continue
            rows += 1
            others += clicked != label
            expected += probability if label == 0 else 1 - probability
        if chi2.ppf(0.95, 2 * (others + 1)) / 2 <= MOST_SHARE * expected:
            return OneClass(rows, others, expected, least)
    return None


@pytest.mark.parametrize("pair", [("user", "item"), ("item", "cost")])
def test_its_figures_are_those_of_rows_counted_one_by_one(
    sampled: EncodedDataset, pair: tuple[str, str]
) -> None:
    (warning,) = [warning for warning in one_class(sampled) if warning.fields == pair]
    names = sampled.encoder.schema.names
    for name, label in (("always", 1), ("never", 0)):
        expected = slowly(sampled, (names.index(pair[0]), names.index(pair[1])), label)
        found = warning.figures[name]
        assert (found is None) == (expected is None)
        if expected is not None:
            assert (found["rows"], found["others"], found["least"]) == (
                expected.rows,
                expected.others,
                expected.least,
            )
            assert found["expected"] == pytest.approx(expected.expected, rel=1e-3)


@pytest.mark.parametrize("seed", range(3))
def test_real_interactions_are_not_taken_for_it(seed: int) -> None:
    """Strong effects of crosses: memorizing them is right."""
    planted = generate(PlantedSpec.random(seed, rows=40_000, memorize=2.0))
    assert not check_data(open_data(planted.table, SearchSettings(None))).warnings


def test_a_pair_that_the_split_keeps_apart_cannot_be_memorized() -> None:
    frame = used_apps(ROWS, sampled=True)
    cells = frame.groupby(["user", "item"]).ngroup()
    parts = np.random.default_rng(0).choice(["train", "valid", "test"], len(frame), p=[0.7, 0.2, 0.1])
    overrides = SchemaOverrides(split_column="part").model_dump(mode="json", exclude_defaults=True)
    dataset = opened(frame.assign(part=parts[cells]), overrides=overrides)
    assert dataset.apart_names == ["user", "item"]
    assert ("user", "item") not in [warning.fields for warning in one_class(dataset)]


def test_the_pairs_with_the_most_cells_are_looked_at(
    sampled: EncodedDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    sample = SampledRows.of(sampled, seed=0)
    monkeypatch.setattr("autofi.checks.leaky_crosses.MOST_PAIRS", 2)
    names = [tuple(sample.names[field] for field in pair) for pair in chosen_pairs(sample)]
    assert names == [("user", "item"), ("user", "hour")]
    assert check_data(sampled).pairs_read == 2
    assert check_data(sampled).pairs == 6
    assert all("user" not in pair for pair in (chosen_pairs(sample, ["user"])))


def test_more_threads_find_the_same(sampled: EncodedDataset) -> None:
    sample = SampledRows.of(sampled, seed=0)
    pairs = chosen_pairs(sample)
    assert check_pairs(sample, pairs, threads=1) == check_pairs(sample, pairs, threads=4)


@pytest.mark.parametrize(
    ("folder", "target", "split", "ignored", "pairs"),
    [
        (
            "frappe_x1",
            "label",
            "split",
            ["split_by_pair", "item_redrawn"],
            [("user", "item"), ("item", "cost")],
        ),
        ("frappe_x1", "label", "split_by_pair", ["split", "item_redrawn"], [("item", "cost")]),
        ("click_prediction_small", "label", "split", [], []),
        ("ml-1m", "label", "split", ["year"], []),
        ("adult", "label", "split", [], []),
        ("diabetes130", "label", "split", ["raw_row", "raw_row_ambiguous"], []),
    ],
)
def test_of_real_tables_the_known_traps_are_told_and_nothing_else(
    real_data: Path, folder: str, target: str, split: str, ignored: list[str], pairs: list[tuple[str, str]]
) -> None:
    overrides = SchemaOverrides(split_column=split, ignore=tuple(ignored))
    settings = SearchSettings(
        None, target, overrides=overrides.model_dump(mode="json", exclude_defaults=True)
    )
    found = check_data(open_data(real_data / folder / "data.parquet", settings))
    assert [warning.fields for warning in found.warnings] == pairs
    assert all(warning.kind == ONE_CLASS for warning in found.warnings)
