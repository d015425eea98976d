"""Boosted trees that a search left out of its model are in no form of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from autofi.bundle.load import load
from autofi.export.export import export_bundle
from tests.export.make_version_asset import kept_rows, make_rows, write_source


def test_a_model_without_its_trees_is_exported_in_every_form(tmp_path: Path) -> None:
    table = make_rows()
    write_source(tmp_path / "source", table, boosted_weights=(1.0, 0.0, 0.0))
    export_bundle(tmp_path / "source", tmp_path / "model")
    expected = load(tmp_path / "source").predict_proba(kept_rows(table))
    for runtime in ("onnx", "pt2", "torch"):
        found = load(tmp_path / "model", runtime=runtime, trust=True).predict_proba(kept_rows(table))
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)
