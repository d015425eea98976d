"""An architecture is canonical: what does not matter does not change its identity."""

from __future__ import annotations

import dataclasses
import json

import pytest

from autofi.data.boosted_trees import Boosting
from autofi.errors import InvalidArchitectureError
from autofi.operators.base import Sizes
from autofi.space.architecture import Architecture
from autofi.space.head_config import HeadSizes
from autofi.space.training_config import TrainingSettings

PLAIN = Architecture(
    fields={"ad": ("statistics", "embedding"), "site": ("embedding",)},
    pairs={("ad", "site"): ("memorize_embedding",), ("ad", "hour"): ()},
)


def test_json_round_trip() -> None:
    again = Architecture.from_json(json.loads(json.dumps(PLAIN.to_json())))
    assert again == PLAIN
    assert again.id == PLAIN.id


def test_order_and_naive_pairs_do_not_change_the_id() -> None:
    other = Architecture(
        fields={"site": ("embedding",), "ad": ("embedding", "statistics"), "hour": ()},
        pairs={("ad", "site"): ("memorize_embedding",)},
    )
    assert other.id == PLAIN.id


@pytest.mark.parametrize(
    "changes",
    [
        {"sizes": Sizes(factor_dim=99)},  # nothing is factorized
        {"sizes": Sizes(unified_rows=99, unified_chunks=4)},
        {"field_sum": False},
        {"streams": {}},
        {"boosting": Boosting(leaves=0, learning_rate=0.9)},  # no trees
    ],
)
def test_unused_choices_do_not_change_the_id(changes: dict[str, object]) -> None:
    assert dataclasses.replace(PLAIN, **changes).id == PLAIN.id


@pytest.mark.parametrize(
    "changes",
    [
        {"sizes": Sizes(cross_dim=99)},
        {"min_count": 5},
        {"cross_min_count": 5},
        {"head": HeadSizes(hidden=(7,))},
        {"streams": {"fm": {}}},
        {"boosting": Boosting(leaves=9)},
        {"pairs": {("ad", "site"): ("memorize_statistics",)}},
    ],
)
def test_used_choices_do(changes: dict[str, object]) -> None:
    assert dataclasses.replace(PLAIN, **changes).id != PLAIN.id


def test_the_size_of_a_unified_table_matters_where_there_is_one() -> None:
    unified = dataclasses.replace(PLAIN, fields={"ad": ("unified_embedding",)})
    for sizes in (Sizes(unified_rows=99), Sizes(unified_chunks=4), Sizes(embedding_dim=16)):
        changed = dataclasses.replace(unified, sizes=sizes)
        assert changed.id != unified.id
        assert changed.sizes == sizes


def test_settings_of_streams_are_all_told() -> None:
    short = dataclasses.replace(PLAIN, streams={"fm": {}, "two_streams": {"first": [8, 4]}})
    full = dataclasses.replace(PLAIN, streams={"two_streams": {"heads": 1, "first": (8, 4)}, "fm": {}})
    assert short.id == full.id
    assert short.to_json()["streams"]["two_streams"]["second"] == [400]
    assert Architecture.from_json(json.loads(json.dumps(short.to_json()))) == short
    assert short.describe().endswith("fm, two_streams")


def test_settings_of_later_versions_leave_ids_as_they_were() -> None:
    attention = dataclasses.replace(PLAIN, streams={"self_attention": {"residual": "map"}})
    listed = attention.to_json()["streams"]["self_attention"]
    assert set(listed) == {"layers", "width", "heads", "scaled", "dropout", "relu", "layer_norm"}
    assert Architecture.from_json(json.loads(json.dumps(attention.to_json()))) == attention
    changed = dataclasses.replace(PLAIN, streams={"self_attention": {"residual": "field"}})
    assert changed.to_json()["streams"]["self_attention"] == {**listed, "residual": "field"}
    assert changed.id != attention.id
    assert Architecture.from_json(json.loads(json.dumps(changed.to_json()))) == changed


def test_settings_of_training_of_later_versions_leave_ids_as_they_were() -> None:
    assert "gradient_norm" not in PLAIN.to_json()["training"]
    changed = dataclasses.replace(PLAIN, training=TrainingSettings(gradient_norm=10.0))
    assert changed.to_json()["training"] == {**PLAIN.to_json()["training"], "gradient_norm": 10.0}
    assert changed.id != PLAIN.id
    assert Architecture.from_json(json.loads(json.dumps(changed.to_json()))) == changed


def test_without_embeddings_there_is_nothing_for_streams_to_read() -> None:
    codes = Architecture(fields={"ad": ("statistics",)}, streams={"fm": {}})
    assert codes.id == Architecture(fields={"ad": ("statistics",)}).id


def test_hidden_layers_matter_only_to_an_mlp() -> None:
    linear = [dataclasses.replace(PLAIN, head=HeadSizes("linear", hidden=(width,))) for width in (8, 16)]
    assert linear[0].id == linear[1].id


def test_a_choice_is_told_in_either_order() -> None:
    assert PLAIN.choice("site", "ad") == ("memorize", "embedding")
    assert PLAIN.choice("ad", "hour") == ("naive", "")
    both = dataclasses.replace(PLAIN, pairs={("ad", "site"): ("memorize_statistics", "memorize_embedding")})
    assert both.choice("ad", "site") == ("memorize", "embedding+statistics")


def test_layout_names_the_slots_of_each_operator() -> None:
    assert PLAIN.layout(("site", "hour", "ad")) == {
        "embedding": [(0,), (2,)],
        "memorize_embedding": [(0, 2)],
        "statistics": [(2,)],
    }


def test_boosted_trees_alone_depend_on_their_settings_only() -> None:
    trees = Boosting(leaves=16)
    other = Architecture(
        fields={"ad": ("embedding",)}, min_count=7, training=TrainingSettings(epochs=3), boosting=trees
    )
    alone = dataclasses.replace(PLAIN, boosting=trees).without_network()
    assert alone.trees_alone
    assert alone == other.without_network() == dataclasses.replace(other, fields={})
    assert alone != dataclasses.replace(PLAIN, boosting=Boosting(leaves=8)).without_network()
    assert Architecture.from_json(alone.to_json()) == alone
    assert alone.layout(("site", "hour", "ad")) == {}
    assert alone.describe() == "boosted trees alone"
    assert not other.trees_alone


def test_what_cannot_be_built_is_refused() -> None:
    with pytest.raises(InvalidArchitectureError, match="no field and no pair"):
        Architecture(fields={})
    with pytest.raises(InvalidArchitectureError, match="'memorize_embedding' at ad"):
        Architecture(fields={"ad": ("memorize_embedding",)})
    with pytest.raises(InvalidArchitectureError, match="did you mean 'sites'"):
        PLAIN.layout(("ad", "sites"))
    with pytest.raises(InvalidArchitectureError, match="restore the file"):
        Architecture.from_json({"fields": {}})


def test_branches_go_with_their_losses() -> None:
    fields = {"ad": ("embedding",), "site": ("embedding",)}
    crosses = {"fused_crosses": {}}
    tri = TrainingSettings(loss="tri_bce")
    assert Architecture(fields=fields, streams=crosses, training=tri).training.loss == "tri_bce"
    with pytest.raises(InvalidArchitectureError, match="no stream with branches and head.ensemble 1"):
        Architecture(fields=fields, streams={"fm": {}}, training=tri)
    with pytest.raises(InvalidArchitectureError, match="has fused_crosses and head.ensemble 4"):
        Architecture(fields=fields, streams=crosses, head=HeadSizes(ensemble=4), training=tri)
    with pytest.raises(InvalidArchitectureError, match="has factorized_blocks, fused_crosses and"):
        Architecture(fields=fields, streams={**crosses, "factorized_blocks": {}}, training=tri)
    assert Architecture(fields=fields, streams=crosses, head=HeadSizes(ensemble=4)).head.ensemble == 4
