"""Costs are those of hand arithmetic, the same after a bundle was written and read, and leave the network alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

import autofi
from autofi.baselines import baseline
from autofi.evaluation.cost import measure_costs
from autofi.evaluation.from_scratch import Workbench
from autofi.export.bundle import load_bundle, write_bundle
from autofi.model.build import build_network, used_builder
from autofi.opening import open_data
from autofi.settings import SearchSettings
from autofi.space.loading import load_space
from autofi.space.resolve import resolve
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
    assert architecture.readout.hidden == (HIDDEN,) * 3
    builder, _ = bench.features(architecture)
    network = build_network(architecture, builder, seed=0)
    costs = measure_costs(network, used_builder(architecture, builder, network))
    products = FIELDS * DIM * HIDDEN + 2 * HIDDEN * HIDDEN + HIDDEN
    assert costs.flops == 2 * products
    rows = network.table_rows()
    assert costs.table_bytes == 4 * rows * DIM
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
    assert costs.table_bytes == 4 * network.table_rows() // 2 * (DIM + 1)


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
    builder, _ = bench.with_boosted(architecture.boosting, *bench.features(architecture))
    network = build_network(architecture, builder, seed=0)
    assert builder.boosted is not None
    assert network.boosted_weights is not None
    alone = measure_costs(network, used_builder(architecture, builder, network))
    assert alone.table_bytes == network.table_bytes()
    network.boosted_weights.copy_(torch.tensor([0.5, 0.5]))
    beside = measure_costs(network, used_builder(architecture, builder, network), latency=True)
    assert beside.table_bytes == network.table_bytes() + builder.boosted.nbytes
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
