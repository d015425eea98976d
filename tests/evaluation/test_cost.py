"""Costs are those of hand arithmetic, the same after a bundle was written and read, and leave the network alone."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

import autofi
from autofi.bundle.bundle import load_bundle, write_bundle
from autofi.data.boosted_trees import Boosting
from autofi.data.load import open_data
from autofi.evaluation.cost import measure_costs
from autofi.evaluation.cost_breakdown import break_down
from autofi.evaluation.single_point import baseline
from autofi.evaluation.workbench import Workbench
from autofi.model.build import build_network, used_builder
from autofi.operators._gated_table import GatedTable
from autofi.operators.base import Sizes
from autofi.space.architecture import Architecture
from autofi.space.load import load_space
from autofi.space.resolve import resolve
from autofi.store.search_settings import SearchSettings
from tests.visits import visits

FIELDS, DIM, HIDDEN = 2, 10, 400


@pytest.fixture(scope="module")
def bench() -> Workbench:
    table = visits(2000).drop(columns=["hour", "weight", "visit"])
    data = open_data(table, SearchSettings(None, "click"))
    return Workbench(data, device=torch.device("cpu"), seed=0)


def test_a_dnn_costs_what_its_matrices_and_tables_do(bench: Workbench) -> None:
    architecture = baseline("dnn", bench)
    assert architecture.sizes.embedding_dim == DIM
    assert architecture.head.hidden == (HIDDEN,) * 3
    builder, _ = bench.features(architecture)
    network = build_network(architecture, builder, seed=0)
    costs = measure_costs(network, used_builder(architecture, builder, network))
    products = FIELDS * DIM * HIDDEN + 2 * HIDDEN * HIDDEN + HIDDEN
    assert costs.flops == 2 * products
    rows = network.table_rows()
    assert costs.table_bytes - costs.fitted_bytes == 4 * rows * DIM
    # What a field adds beside its vectors: the vocabulary.
    assert costs.fitted_bytes == builder.encoder.vocabulary_bytes > 0
    # Beside its tables: weights, biases, that of the click rate, and two numbers a column of every batch normalisation.
    assert costs.parameters == rows * DIM + products + 3 * HIDDEN + 2 + 3 * 2 * HIDDEN
    assert costs.latency is None
    assert "latency" not in costs.figures()


def test_sums_and_squares_are_no_matrix_products(bench: Workbench) -> None:
    architecture = baseline("fm", bench)
    builder, _ = bench.features(architecture)
    network = build_network(architecture, builder, seed=0)
    costs = measure_costs(network, builder)
    assert costs.flops == 0
    # A vector and a weight per value.
    assert costs.table_bytes - costs.fitted_bytes == 4 * network.table_rows() // 2 * (DIM + 1)


def test_latency_is_measured_with_everything_put_back(bench: Workbench) -> None:
    architecture = baseline("dnn", bench)
    builder, features = bench.features(architecture)
    network = build_network(architecture, builder, seed=0)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        costs = measure_costs(network, builder, latency=True)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(threads)
    assert costs.latency is not None
    # No processor multiplies 400 x 400 matrices in a tenth of a microsecond; a second would be another unit.
    assert 0.1 < costs.latency < 1e6
    assert network.training
    after = network.state_dict()
    assert all(torch.equal(value, after[name]) for name, value in before.items())
    assert network(network.select(features.rows(slice(0, 2)))).requires_grad


def test_a_bundle_costs_what_the_network_did(bench: Workbench, tmp_path: Path) -> None:
    architecture = baseline("all-memorize", bench)
    builder, _ = bench.features(architecture)
    network = build_network(architecture, builder, seed=0)
    costs = measure_costs(network, used_builder(architecture, builder, network))
    write_bundle(
        tmp_path / "model",
        architecture=architecture,
        builder=builder,
        network=network,
        metrics={},
        origin={},
    )
    bundle = load_bundle(tmp_path / "model")
    assert measure_costs(bundle.network, bundle.builder) == costs
    found = autofi.load(tmp_path / "model").costs()
    assert found.pop("latency") > 0
    assert found == costs.figures()


def bundle_bytes(folder: Path) -> int:
    return sum(
        path.stat().st_size
        for path in (folder / "weights.safetensors", *(folder / "preprocessing").rglob("*"))
    )


#: Bytes of the figures of a bundle that are JSON, headers of arrays and line breaks within trees, at most.
AROUND, SHARE = 3_000, 0.03


@pytest.mark.parametrize(
    "changes",
    [
        {"pairs": {("user", "item"): ("memorize_embedding",)}},
        {"pairs": {("user", "item"): ("memorize_statistics",)}},
        {"pairs": {("user", "item"): ("memorize_embedding", "memorize_statistics")}},
        {"pairs": {("user", "item"): ("factorize_inner",)}},
        {"fields": {"user": ("embedding", "statistics"), "item": ("embedding",)}},
        {"fields": {"user": ("embedding",), "item": ("embedding", "shrunk_embedding")}},
        {"fields": {"user": ("embedding", "gated_embedding"), "item": ("embedding",)}},
        {"streams": {"linear": {}}},
        {"boosting": Boosting(leaves=4)},
    ],
    ids=str,
)
def test_bytes_are_what_a_choice_adds_to_the_bundle(tmp_path: Path, changes: dict[str, Any]) -> None:
    generator = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "user": [f"user {number}" for number in generator.zipf(1.3, 20_000) % 3_000],
            "item": [f"item {number}" for number in generator.integers(0, 200, 20_000)],
            "click": generator.integers(0, 2, 20_000),
        }
    )
    bench = Workbench(open_data(frame, SearchSettings(None, "click")), device=torch.device("cpu"), seed=0)
    plain = Architecture(
        fields={"user": ("embedding",), "item": ("embedding",)}, min_count=1, cross_min_count=1
    )
    found = {}
    for name, architecture in (("plain", plain), ("more", dataclasses.replace(plain, **changes))):
        builder, _ = bench.with_boosted(architecture, *bench.features(architecture))
        network = build_network(architecture, builder, seed=0)
        for operator in network.operators.values():
            if isinstance(operator, GatedTable):
                operator.close(torch.arange(len(operator.table)) % 2 == 0)
        if network.boosted_weights is not None:
            network.boosted_weights.copy_(torch.tensor([0.5, 0.5, 0.2]))
        write_bundle(
            tmp_path / name,
            architecture=architecture,
            builder=builder,
            network=network,
            metrics={},
            origin={},
        )
        used = used_builder(architecture, builder, network)
        dense = sum(part.bytes for part in break_down(network, used).weights)
        found[name] = measure_costs(network, used).table_bytes, bundle_bytes(tmp_path / name) - dense
    told, real = (found["more"][place] - found["plain"][place] for place in (0, 1))
    assert told > 0
    assert abs(told - real) <= AROUND + SHARE * real
    # As a whole, but for what says how fields are read.
    assert abs(found["more"][0] - found["more"][1]) <= 3 * AROUND + SHARE * found["more"][1]


def test_places_in_a_table_that_fields_share_are_counted(bench: Workbench) -> None:
    sizes = Sizes(embedding_dim=8, unified_rows=50, unified_chunks=2)
    architecture = Architecture(
        fields=dict.fromkeys(bench.names, ("unified_embedding",)), min_count=1, sizes=sizes
    )
    builder, _ = bench.features(architecture)
    network = build_network(architecture, builder, seed=0)
    costs = measure_costs(network, used_builder(architecture, builder, network))
    values = sum(builder.encoder.cardinalities)
    assert costs.table_bytes == 4 * 50 * 4 + 4 * 2 * values + builder.encoder.vocabulary_bytes


def test_boosted_trees_count_where_they_have_a_weight() -> None:
    generator = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "site": generator.integers(0, 9, 800).astype(str),
            "price": generator.random(800),
            "click": generator.integers(0, 2, 800),
        }
    )
    bench = Workbench(open_data(frame, SearchSettings(None, "click")), device=torch.device("cpu"), seed=0)
    space = load_space(Path(__file__).parents[1] / "spaces" / "boosted.yaml")
    architecture = resolve(space, fields={"site": ("embedding",), "price": ("embedding",)}, pairs={})
    builder, _ = bench.with_boosted(architecture, *bench.features(architecture))
    network = build_network(architecture, builder, seed=0)
    assert builder.boosted is not None
    assert network.boosted_weights is not None
    alone = measure_costs(network, used_builder(architecture, builder, network))
    assert alone.table_bytes == network.table_bytes() + alone.fitted_bytes
    network.boosted_weights.copy_(torch.tensor([0.5, 0.5, 0.2]))
    beside = measure_costs(network, used_builder(architecture, builder, network), latency=True)
    # The trees, and the statistics of every field that they read.
    assert beside.table_bytes == network.table_bytes() + builder.boosted.nbytes + beside.fitted_bytes
    assert (beside.parameters, beside.flops) == (alone.parameters, alone.flops)


def test_lists_and_numbers_have_a_row_too() -> None:
    generator = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "tags": ["a|b|c", "b", "c|a", ""] * 100,
            "price": generator.random(400),
            "click": generator.integers(0, 2, 400),
        }
    )
    settings = SearchSettings(None, "click", overrides={"multi_valued": {"tags": "|"}})
    bench = Workbench(open_data(frame, settings), device=torch.device("cpu"), seed=0)
    architecture = baseline("dnn", bench)
    builder, _ = bench.features(architecture)
    network = build_network(architecture, builder, seed=0)
    costs = measure_costs(network, builder)
    assert costs.flops == 2 * (2 * DIM * HIDDEN + 2 * HIDDEN * HIDDEN + HIDDEN)
