"""Every space of one point can be trained on a table with numbers and lists, and comes to a finite figure."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from autofi.data.load import open_data
from autofi.data.schema_overrides import SchemaOverrides
from autofi.evaluation.single_point import baseline
from autofi.evaluation.workbench import Workbench
from autofi.space.builtin import builtin_spaces
from autofi.space.load import load_space
from autofi.store.search_settings import SearchSettings
from tests.visits import visits

SINGLE = [name for name, path in builtin_spaces().items() if load_space(path).single]


@pytest.fixture(scope="module")
def bench() -> Workbench:
    table = visits(1200).drop(columns=["weight", "visit"])
    table["tags"] = np.where(table["item"] < "i2", "red|old", "new")
    overrides = SchemaOverrides(multi_valued={"tags": "|"}).model_dump(mode="json", exclude_defaults=True)
    data = open_data(table, SearchSettings(None, "click", overrides=overrides))
    return Workbench(data, device=torch.device("cpu"), seed=0)


@pytest.mark.parametrize("name", SINGLE)
def test_a_known_model_trains_on_any_table(bench: Workbench, name: str) -> None:
    found = baseline(name, bench)
    assert set(found.fields) == {"user", "item", "hour", "tags"}
    once = dataclasses.replace(found.training, epochs=1, batch_size=256)
    trained = bench.train(dataclasses.replace(found, training=once), seed=0, parts=("valid", "test"))
    assert np.isfinite(trained.predictions["test"]).all()
    assert trained.predictions["test"].std() > 0
    assert 0.2 < trained.report.auc < 0.9
