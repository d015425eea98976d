"""The parts of a network's costs add up to it exactly, whatever it is made of."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from autofi.core.json import to_text
from autofi.data.boosted_trees import BoostedTrees, Boosting
from autofi.data.feature_builder import FeatureBuilder, build_features
from autofi.data.load import open_data
from autofi.data.schema_overrides import SchemaOverrides
from autofi.evaluation.cost import measure_costs
from autofi.evaluation.cost_breakdown import HEAD, CostBreakdown, break_down
from autofi.model.build import build_network, used_builder
from autofi.model.network import Network
from autofi.operators._gated_table import GatedTable
from autofi.operators.base import Sizes
from autofi.operators.registry import operators, streams
from autofi.space.architecture import Architecture
from autofi.store.search_settings import SearchSettings

ROWS = 1500
FIELDS = ("user", "item", "hour", "tags")


@pytest.fixture(scope="module")
def builder() -> FeatureBuilder:
    generator = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "user": [f"u{number}" for number in generator.integers(0, 60, ROWS)],
            "item": [f"i{number}" for number in generator.zipf(1.5, ROWS) % 400],
            "hour": generator.random(ROWS) * 24,
            "tags": [" ".join(generator.choice(list("abcdef"), 2)) for _ in range(ROWS)],
            "click": generator.integers(0, 2, ROWS),
        }
    )
    overrides = SchemaOverrides(multi_valued={"tags": " "}).model_dump(mode="json", exclude_defaults=True)
    dataset = open_data(frame, SearchSettings(None, "click", overrides=overrides))
    assert tuple(dataset.encoder.schema.names) == FIELDS
    return build_features(dataset, [(0, 1), (0, 2), (1, 2)])[0]


def checked(architecture: Architecture, builder: FeatureBuilder) -> tuple[Network, CostBreakdown]:
    network = build_network(architecture, builder, seed=0)
    return network, agreed(network, used_builder(architecture, builder, network))


def agreed(network: Network, used: FeatureBuilder) -> CostBreakdown:
    found, costs = break_down(network, used), measure_costs(network, used)
    assert (found.table_bytes, found.parameters) == (costs.table_bytes, costs.parameters)
    assert sum(table.rows for table in found.tables) == network.table_rows()
    assert CostBreakdown.from_json(json.loads(to_text(found.to_json()))) == found
    return found


def test_every_operator_at_once(builder: FeatureBuilder) -> None:
    by_arity = {
        arity: [name for name, operator in operators().items() if operator.arity == arity] for arity in (1, 2)
    }
    applies = {
        "bag": ("tags",),
        "autodis": ("hour",),
        "embedding_by_number": ("hour",),
        "periodic": ("hour",),
        "piecewise_linear": ("hour",),
    }
    fields = {
        name: tuple(form for form in by_arity[1] if name in applies.get(form, FIELDS)) for name in FIELDS
    }
    pairs = {("user", "item"): tuple(by_arity[2]), ("item", "hour"): tuple(by_arity[2])}
    network, found = checked(Architecture(fields=fields, pairs=pairs, min_count=2), builder)
    assert set(network.operators) == set(operators())
    names = {table.operator for table in found.tables} | {part.operator for part in found.weights}
    # The one without anything to train.
    assert names == {*operators(), HEAD} - {"piecewise_linear"}
    # A memorized cross under both names, a factor under each field's own, a shared table under all that share it.
    whose = {table.fields for table in found.tables if table.operator == "memorize_embedding"}
    assert whose == {("user", "item"), ("item", "hour")}
    whose = {table.fields for table in found.tables if table.operator == "factorize_inner"}
    assert whose == {("user",), ("item",), ("hour",)}
    assert [table.fields for table in found.tables if table.operator == "unified_embedding"] == [FIELDS]
    for table in found.tables:
        if table.operator == "embedding":
            field = builder.encoder.fields[FIELDS.index(table.fields[0])]
            frequent = int((field.counts[2:] >= (0 if table.fields == ("hour",) else 2)).sum())
            assert table.rows == table.full_rows == 2 + frequent


@pytest.mark.parametrize(
    ("name", "settings"),
    [(name, dict(settings)) for name, kind in streams().items() for settings in ({}, *kind.examples)],
)
def test_every_stream(builder: FeatureBuilder, name: str, settings: dict[str, object]) -> None:
    fields = dict.fromkeys(FIELDS[:3], ("embedding",)) | {"tags": ("bag",)}
    # A width that all examples divide.
    sizes = Sizes(embedding_dim=12)
    architecture = Architecture(fields=fields, min_count=1, sizes=sizes, streams={name: settings})
    _, found = checked(architecture, builder)
    own = [table for table in found.tables if table.operator == name]
    assert {field for table in own for field in table.fields} <= set(FIELDS[:3])


@pytest.mark.parametrize("form", ["gated_embedding", "gated_field"])
def test_kept_and_full_rows_of_every_field_behind_gates(builder: FeatureBuilder, form: str) -> None:
    architecture = Architecture(fields=dict.fromkeys(FIELDS, (form,)), min_count=1)
    network, before = checked(architecture, builder)
    assert before.gated == ()
    operator = network.operators[form]
    assert isinstance(operator, GatedTable) and operator.gates is not None
    with torch.no_grad():
        operator.gates.copy_(torch.linspace(-1, 1, len(operator.gates)).unsqueeze(1))
    opened = operator.opened()
    operator.close(opened)
    found = agreed(network, used_builder(architecture, builder, network))
    assert found.gated
    expected = [int(part.sum()) for part in opened.split(list(operator.slot_rows))]
    assert [table.rows for table in found.tables] == expected
    assert [table.full_rows for table in found.tables] == [table.rows for table in before.tables]


def test_trees_with_a_weight_are_of_the_tables_bytes(builder: FeatureBuilder) -> None:
    fields = range(len(builder.encoder.fields))
    read = builder.statistics.subset([(place,) for place in fields])
    grown = replace(
        builder, boosted=BoostedTrees(Boosting(leaves=4), read, len(read.cardinalities), ("tree" * 100,))
    )
    architecture = Architecture(fields={"user": ("embedding",)}, boosting=Boosting(leaves=4))
    network = build_network(architecture, grown, seed=0)
    assert network.boosted_weights is not None
    assert break_down(network, grown).trees_bytes == 0
    network.boosted_weights.copy_(torch.tensor([0.5, 0.5, 0.2]))
    found = break_down(network, grown)
    assert found.trees_bytes == 400
    assert found.trained_bytes == network.table_bytes() + 400
    assert found.table_bytes == found.trained_bytes + sum(part.bytes for part in found.fitted)


def test_a_field_of_several_tables_is_added_up(builder: FeatureBuilder) -> None:
    architecture = Architecture(
        fields={"user": ("embedding",), "item": ("embedding",)}, streams={"linear": {}}, min_count=1
    )
    network, found = checked(architecture, builder)
    whole = found.by_fields()
    assert sum(table.bytes for table in whole.values()) == network.table_bytes()
    user = [table for table in found.tables if table.fields == ("user",)]
    assert [table.operator for table in user] == ["embedding", "linear"]
    assert whole[("user",)].operator == "embedding, linear"
    assert whole[("user",)].bytes == sum(table.bytes for table in user)


def test_what_is_fitted_is_told_apart(builder: FeatureBuilder) -> None:
    pairs = {("user", "item"): ("memorize_embedding", "memorize_statistics")}
    _, found = checked(Architecture(fields={"user": ("embedding",)}, pairs=pairs), builder)
    kinds = {(fitted.kind, fitted.fields) for fitted in found.fitted}
    assert {("cross", ("user", "item")), ("statistics", ("user", "item"))} < kinds
    assert ("vocabulary", ("user",)) in kinds and ("vocabulary", ("hour",)) not in kinds
    cells = builder.statistics.subset([(0, 1)]).cells[0]
    (statistics,) = [fitted for fitted in found.fitted if fitted.kind == "statistics"]
    assert (statistics.rows, statistics.bytes) == (len(cells.codes), 24 * len(cells.codes) + 16)
    own = [fitted.bytes for fitted in found.fitted if fitted.kind == "vocabulary"]
    assert sum(own) == builder.encoder.vocabulary_bytes
