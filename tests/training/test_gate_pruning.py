"""Gates close where values save nothing on rows held out, and the tables shrink by as much."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from autofi.bundle.bundle import load_bundle, write_bundle
from autofi.data.load import open_data
from autofi.evaluation.workbench import TrainedModel, Workbench
from autofi.model.network import Network
from autofi.operators._gated_table import GatedTable
from autofi.operators.base import Sizes
from autofi.space.architecture import Architecture
from autofi.space.head_config import HeadSizes
from autofi.space.training_config import TrainingSettings
from autofi.store.search_settings import SearchSettings
from autofi.training.gate_pruning import _pooled, _savings, close_gates, gated_tables
from autofi.training.row_source import Rows
from tests.supernet.tables import FIELDS, cell_table

SETTINGS = TrainingSettings(learning_rate=5e-3, batch_size=500, epochs=8, embedding_l2=1e-5)


def clicks(rows: int = 12_000) -> pd.DataFrame:
    """Clicks that follow `speaks` (half of whose values say nothing) and `many`, and neither field of noise."""
    generator = np.random.default_rng(0)
    sizes = {"speaks": 40, "many": 300, "noise": 40, "more_noise": 300}
    columns = {name: generator.integers(0, size, rows) for name, size in sizes.items()}
    effects = generator.normal(size=40) * 2
    effects[20:] = 0
    logits = effects[columns["speaks"]] + generator.normal(size=300)[columns["many"]]
    found = {name: [f"{name}{value}" for value in values] for name, values in columns.items()}
    return pd.DataFrame({**found, "click": (generator.random(rows) < 1 / (1 + np.exp(-logits))).astype(int)})


@pytest.fixture(scope="module")
def bench() -> Workbench:
    return Workbench(open_data(clicks(), SearchSettings(None, "click")), device=torch.device("cpu"), seed=0)


def train(bench: Workbench, form: str, **changes: object) -> TrainedModel:
    architecture = Architecture(
        fields=dict.fromkeys(bench.names, (form,)),
        head=HeadSizes(hidden=(16,)),
        training=replace(SETTINGS, **changes),
    )
    return bench.train(architecture, seed=0, parts=("valid", "test"))


def open_share(trained: TrainedModel) -> dict[str, float]:
    """Of every field's values, the share that is left."""
    (operator,) = trained.network.operators.values()
    assert isinstance(operator, GatedTable) and operator.row_of is not None
    parts = operator.row_of.split(list(operator.slot_rows))
    names = [operator.shapes.names[slot[0]] for slot in operator.slots]
    return {name: float((part[2:] >= 0).float().mean()) for name, part in zip(names, parts, strict=True)}


def test_fields_of_noise_close_and_the_model_is_no_worse(bench: Workbench) -> None:
    gated, plain = train(bench, "gated_field"), train(bench, "embedding")
    assert open_share(gated) == {"speaks": 1.0, "many": 1.0, "noise": 0.0, "more_noise": 0.0}
    assert gated.report.auc > plain.report.auc - 0.005
    assert gated.table_rows < 0.6 * plain.table_rows
    assert gated.network.table_bytes() == gated.table_rows * 8 * 4
    # Closed gates take rows, and leave a place per value.
    assert gated.costs.table_bytes < plain.costs.table_bytes


def test_values_without_effect_close_under_a_penalty(bench: Workbench) -> None:
    strict = open_share(train(bench, "gated_embedding", gate_penalty=3.0))
    assert strict["noise"] < 0.2 and strict["more_noise"] < 0.1
    assert strict["speaks"] > 0.8
    loose = open_share(train(bench, "gated_embedding"))
    # Values of thirty rows each are told from noise by what their field says on the whole.
    assert loose["many"] > 0.9 and loose["more_noise"] < 0.5
    assert loose["many"] > strict["many"] > strict["more_noise"]


def test_a_closed_network_survives_its_bundle(bench: Workbench, tmp_path: object) -> None:
    from pathlib import Path

    trained = train(bench, "gated_embedding", gate_penalty=3.0)
    folder = Path(str(tmp_path)) / "model"
    write_bundle(
        folder,
        architecture=trained.architecture,
        builder=trained.builder,
        network=trained.network,
        metrics={},
        origin={},
    )
    loaded = load_bundle(folder).network
    assert loaded.num_parameters() == trained.costs.parameters
    _, features = bench.features(trained.architecture)
    part = bench.dataset.parts["test"]
    selected = loaded.select(features.rows(part))
    probabilities = torch.sigmoid(loaded(selected).double()).detach().numpy()
    np.testing.assert_allclose(probabilities, trained.predictions["test"], atol=1e-6)


def network(form: str = "gated_embedding") -> tuple[Network, Rows]:
    table = cell_table(2000, {(0, 1): 1.5})
    layout = {form: [(field,) for field in range(FIELDS)]}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        made = Network(layout, table.shapes, Sizes(4, 4, 4), HeadSizes("linear", hidden=()))
        with torch.no_grad():
            for parameter in made.parameters():
                parameter += 0.5 * torch.randn_like(parameter)
    return made, Rows(made.select(table.features), table.labels)


def test_a_saving_is_what_the_loss_would_rise_by() -> None:
    """With a linear head exactly: the vector is taken out of every row by hand."""
    form = "gated_embedding"
    made, rows = network(form)
    (operator,) = gated_tables(made).values()
    index = torch.arange(500)
    found = _savings(made, {form: operator}, rows, index)[form]
    part = rows.take(index)
    where = part.selected[form] + operator.offsets

    def losses() -> torch.Tensor:
        logits = made.eval()(part.selected).detach().double()
        return torch.nn.functional.binary_cross_entropy_with_logits(
            logits, part.labels.double(), reduction="none"
        )

    before = losses()
    for row in where.unique()[:6].tolist():
        kept = operator.table.detach()[row].clone()
        with torch.no_grad():
            operator.table[row] = 0
        assert float(found[row]) == pytest.approx(float((losses() - before).sum()), abs=1e-3)
        with torch.no_grad():
            operator.table[row] = kept


def test_savings_are_drawn_to_the_mean_of_the_field() -> None:
    made, _ = network()
    (operator,) = gated_tables(made).values()
    sizes = list(operator.slot_rows)
    generator = torch.Generator().manual_seed(0)
    saved = torch.randn(sum(sizes), generator=generator)
    judged = torch.randint(0, 50, (sum(sizes),), generator=generator).float()
    found = _pooled(operator, saved, judged)
    start = 0
    for size in sizes:
        mean = float(saved[start : start + size].sum()) / float(judged[start : start + size].sum())
        for row in range(start, start + size):
            expected = (float(saved[row]) + 20 * mean) / (float(judged[row]) + 20)
            assert float(found[row]) == pytest.approx(expected, rel=1e-4)
        start += size


@pytest.mark.parametrize("rewind", [0, 2])
def test_what_is_left_starts_from_the_weights_of_the_rewound_epoch(rewind: int) -> None:
    """Two searches that part after that epoch leave the same rows the same weights."""
    first, rows = network()
    second, _ = network()
    start = first.operators["gated_embedding"].table.detach().clone()
    for made, epochs in ((first, 3), (second, 4)):
        settings = replace(SETTINGS, gate_epochs=epochs, gate_rewind=rewind, gate_temperature=1.0)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)  # embeddings take some values for unseen
            close_gates(made, rows, settings, torch.Generator().manual_seed(0))
    (one,), (other,) = first.operators.values(), second.operators.values()
    assert one.row_of is not None and other.row_of is not None
    common = ((one.row_of >= 0) & (other.row_of >= 0)).nonzero().flatten()
    assert len(common) > 5
    kept = one.table[one.row_of[common].long()]
    assert torch.equal(kept, other.table[other.row_of[common].long()])
    assert torch.equal(kept, start[common]) == (rewind == 0)


def test_a_network_without_gates_is_left_alone() -> None:
    made, rows = network("embedding")
    before = {name: tensor.clone() for name, tensor in made.state_dict().items()}
    generator = torch.Generator().manual_seed(0)
    state = generator.get_state()
    close_gates(made, rows, SETTINGS, generator)
    assert torch.equal(generator.get_state(), state)
    for name, tensor in made.state_dict().items():
        assert torch.equal(tensor, before[name])
