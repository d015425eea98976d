"""Importances by permutation, against a model that is scored anew on rows shuffled by hand."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest

from autofi.data.encode import encode
from autofi.data.encoded_rows import EncodedRows
from autofi.data.feature_builder import FeatureBuilder, build_features
from autofi.data.schema_inference import infer_schema
from autofi.errors import DataError, StoreError
from autofi.importance import permutation_importance as module
from autofi.importance.model_reliance import logits_of
from autofi.importance.permutation_importance import PermutationImportance, permutation_importance
from autofi.importance.permuted_rows import draw_rows
from autofi.model.network import Network
from autofi.readers import open_table
from autofi.space.architecture import Architecture
from tests.rashomon.networks import NAMES, additive, clicks, interacting, random_network


def opened(architecture: Architecture) -> tuple[Network, FeatureBuilder, EncodedRows]:
    table = open_table(clicks())
    dataset = encode(table, infer_schema(table, target="click").schema)
    builder, _ = build_features(dataset, list(combinations(range(len(NAMES)), 2)))
    return random_network(architecture, builder), builder, dataset.rows("valid")


def everything() -> Architecture:
    """Embeddings and statistics of fields, a memorized cross, statistics of a cross, a product."""
    fields = dict.fromkeys(NAMES, ("embedding", "statistics"))
    pairs = {
        ("a", "b"): ("memorize_embedding",),
        ("b", "c"): ("memorize_statistics",),
        ("c", "d"): ("factorize_hadamard",),
    }
    return replace(additive(), fields=fields, pairs=pairs)


@pytest.mark.parametrize("weighted", [False, True])
def test_a_rise_is_that_of_rows_whose_codes_were_shuffled_by_hand(weighted: bool) -> None:
    network, builder, rows = opened(everything())
    if weighted:
        rows = replace(rows, weights=np.random.default_rng(1).random(len(rows)).astype(np.float32))
    repeats, size = 3, 90
    found = permutation_importance(network, builder, rows, rows_per_repeat=size, repeats=repeats, seed=4)
    draw = draw_rows(rows, size=size, repeats=repeats, seed=4)
    labels = draw.labels
    weights = np.ones(len(draw)) if draw.rows.weights is None else draw.rows.weights.astype(float)

    def loss(*shuffled: str) -> np.ndarray:
        """Mean logloss by repeat: raw codes moved, every feature built anew from them."""
        ids = draw.rows.ids.copy()
        for name in shuffled:
            ids[:, NAMES.index(name)] = ids[draw.order, NAMES.index(name)]
        features = builder.of_rows(replace(draw.rows, ids=ids))
        logits = logits_of(network, network.select(features), len(draw))
        each = -np.log(1 / (1 + np.exp(-np.where(labels == 1, logits, -logits))))
        return np.array(
            [
                np.average(each[block], weights=weights[block])
                for block in np.split(np.arange(len(draw)), repeats)
            ]
        )

    still = loss()
    assert found.loss.mean == pytest.approx(still.mean(), rel=1e-5)
    for name in NAMES:
        assert found.fields[name].mean == pytest.approx((loss(name) - still).mean(), rel=1e-4, abs=1e-6)
        assert found.fields[name].low <= found.fields[name].mean <= found.fields[name].high
    for left, right in combinations(NAMES, 2):
        together = loss(left, right) - loss(left) - loss(right) + still
        assert found.pairs[left, right].mean == pytest.approx(together.mean(), rel=1e-3, abs=1e-6)


def test_a_field_that_the_model_does_not_read_has_none() -> None:
    network, builder, rows = opened(additive(("a", "b", "c")))
    found = permutation_importance(network, builder, rows)
    assert found.fields["d"].mean == 0.0
    assert all(found.fields[name].mean != 0.0 for name in ("a", "b", "c"))
    sizes = [value.mean for value in found.fields.values()]
    assert sizes == sorted(sizes, reverse=True)
    assert found.by_field() == {name: value.mean for name, value in found.fields.items()}


def test_no_row_is_in_two_repeats_where_there_are_few() -> None:
    network, builder, rows = opened(additive())
    found = permutation_importance(network, builder, rows)
    assert found.rows == len(rows) // found.repeats
    assert found.clicks <= np.asarray(rows.labels).sum()


def test_named_pairs_come_first_then_those_of_important_fields(monkeypatch: pytest.MonkeyPatch) -> None:
    network, builder, rows = opened(interacting())
    monkeypatch.setattr(module, "TOP_FIELDS", 2)
    found = permutation_importance(network, builder, rows, pairs=[("d", "c")])
    top = sorted(list(found.fields)[:2], key=NAMES.index)
    assert set(found.pairs) == {("c", "d"), tuple(top)}
    assert found.chosen == (("c", "d"),)
    every = list(combinations(NAMES, 2))
    few = permutation_importance(network, builder, rows, pairs=every, most_pairs=4)
    assert (len(few.pairs), few.unmeasured) == (4, 2)
    rise = few.by_field()
    assert set(few.pairs) == set(sorted(every, key=lambda pair: -sum(rise[name] for name in pair))[:4])


def test_large_models_are_given_fewer_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    network, builder, rows = opened(
        replace(additive(), head=replace(additive().head, name="mlp", hidden=(8,)))
    )
    monkeypatch.setattr(module, "FEWEST_ROWS", 10)
    monkeypatch.setattr(module, "BUDGET", 1.0)
    assert permutation_importance(network, builder, rows).rows == 10


def test_it_is_kept_as_json() -> None:
    network, builder, rows = opened(interacting())
    found = permutation_importance(network, builder, rows, pairs=[("c", "d")], seen=True)
    kept = json.loads(json.dumps(found.to_json()))
    again = PermutationImportance.from_json(kept)
    assert again.to_json() == kept
    assert again.seen
    assert list(again.fields) == list(found.fields)
    with pytest.raises(StoreError, match="format 7, not 1; compute them again"):
        PermutationImportance.from_json(kept | {"format": 7})


def test_rows_that_say_nothing_are_refused() -> None:
    network, builder, rows = opened(additive())
    with pytest.raises(DataError, match="have no labels"):
        permutation_importance(network, builder, replace(rows, labels=None))
    with pytest.raises(DataError, match="both classes"):
        permutation_importance(network, builder, replace(rows, labels=np.ones(len(rows), dtype=np.float32)))
    with pytest.raises(DataError, match="'e', which is no field"):
        permutation_importance(network, builder, rows, pairs=[("a", "e")])
