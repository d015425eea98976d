"""What was exported by an earlier AutoFI is read by this one, and gives what it gave."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from autofi.bundle.files import ONNX, PT2, WEIGHTS
from autofi.bundle.load import Runtime, load
from autofi.bundle.manifest import VERSION, read_manifest
from tests.export.make_version_asset import VERSIONS

FILE_OF: dict[Runtime, str] = {"onnx": ONNX, "pt2": PT2, "torch": WEIGHTS}
ASSETS = sorted(VERSIONS.glob("v*"))
HELD = [
    (asset, runtime)
    for asset in ASSETS
    for runtime, file in FILE_OF.items()
    if (asset / "bundle" / file).exists()
]


@pytest.mark.parametrize(("asset", "runtime"), HELD, ids=lambda value: getattr(value, "name", value))
def test_a_kept_bundle_gives_the_probabilities_it_had(asset: Path, runtime: Runtime) -> None:
    assert read_manifest(asset / "bundle").version == int(asset.name.removeprefix("v").partition("_")[0])
    kept = json.loads((asset / "probabilities.json").read_text())
    found = load(asset / "bundle", runtime=runtime, trust=True).predict_proba(asset / "rows.csv")
    assert np.std(kept) > 0.05
    np.testing.assert_allclose(found, kept, rtol=0, atol=1e-6)


def test_every_format_has_a_kept_bundle() -> None:
    missing = {f"v{number}" for number in range(1, VERSION + 1)} - {asset.name for asset in ASSETS}
    assert not missing, (
        f"No bundle of format {', '.join(sorted(missing))} is kept under {VERSIONS}: before VERSION of autofi/"
        "export/manifest.py changes again, run python -m tests.export.make_version_asset and commit what it wrote."
    )


def test_the_newest_has_every_form() -> None:
    assert [runtime for asset, runtime in HELD if asset.name == f"v{VERSION}"] == list(FILE_OF)
