"""A search over networks beside boosted trees: what is exported is what was measured."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import autofi
from autofi.bundle.bundle import load_bundle
from autofi.metrics.ranking import auc
from autofi.records.predictions import load_predictions
from autofi.store import ModelRole, StudyStore, resolve_storage

SPACE = Path(__file__).parent / "spaces" / "boosted.yaml"
ROWS = 6000


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Clicks by site, and where two numbers lie on the same side of a half, which a sum over values cannot tell."""
    generator = np.random.default_rng(0)
    left, right = generator.random((2, ROWS)).round(4)
    site = generator.integers(0, 30, ROWS)
    logit = np.where((left > 0.5) == (right > 0.5), 1.5, -1.5) + np.linspace(-2, 2, 30)[site]
    click = (generator.random(ROWS) < 1 / (1 + np.exp(-logit))).astype(int)
    part = generator.choice(["train", "valid", "test"], ROWS, p=[0.7, 0.15, 0.15])
    path = tmp_path_factory.mktemp("boosted") / "clicks.parquet"
    pd.DataFrame(
        {"left": left, "right": right, "site": site.astype(str), "click": click, "part": part}
    ).to_parquet(path)
    return path


@pytest.mark.parametrize("refit", [False, True])
def test_trees_add_what_the_network_cannot_know(source: Path, tmp_path: Path, refit: bool) -> None:
    storage = str(tmp_path / "a.db")
    study = autofi.search(
        source,
        space=SPACE,
        storage=storage,
        study="mine",
        seeds=1,
        baselines=("lr",),
        refit=refit,
        device="cpu",
        overrides=autofi.SchemaOverrides(split_column="part"),
    )
    summary = study.summary()
    exported = study.export(tmp_path / "model")
    study.close()
    assert 0.5 < summary["boosted_share"] <= 1
    assert summary["winner"]["test"]["auc"] > summary["baselines"][0]["test"]["auc"] + 0.05

    frame = pd.read_parquet(source)
    test = frame[frame["part"] == "test"]
    found = autofi.load(exported).predict_proba(test.drop(columns=["click", "part"]))
    assert auc(test["click"].to_numpy(), found) == pytest.approx(summary["winner"]["test"]["auc"])
    with StudyStore(resolve_storage(storage)) as store:
        handle = store.open("mine")
        (model,) = handle.models(ModelRole.WINNER)
        assert model.path is not None
        kept = load_predictions(handle, model.path.name)
    np.testing.assert_allclose(found, kept["test"], atol=1e-6)
    weights = load_bundle(exported).network.boosted_weights
    assert weights is not None
    # What a refit reads of validation rows it has from the first training.
    assert float(weights[1] / weights[:2].sum()) == pytest.approx(summary["boosted_share"])
