"""A bundle with a calibration gives the calibration of its logits, and is trusted as little as any other."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from autofi.bundle.bundle import load_bundle
from autofi.bundle.load import load
from autofi.bundle.manifest import describe
from autofi.errors import ExportError
from autofi.export.export import export_bundle
from autofi.metrics.calibrators import Calibration, Isotonic, Platt, logits_of
from tests.export.models import Model, make_unseen

PLATT = Platt(slope=0.6, intercept=-0.8)
ISOTONIC = Isotonic(logits=(-2.0, -0.5, -0.25, 3.0), probabilities=(0.01, 0.2, 0.3, 0.3))
UNSEEN = make_unseen(2000)
METRICS = {"calibration": {"method": "platt", "valid": {"before": {"ece": np.float64(0.2)}}}}


@dataclass(frozen=True)
class Found:
    calibration: Calibration
    told: dict[str, Any]

    def metrics(self) -> dict[str, Any]:
        return self.told


def copy_calibrated(source: Path, target: Path, calibration: Calibration, *, metrics: dict[str, Any]) -> None:
    export_bundle(source, target, forms=("torch",), calibrated=Found(calibration, metrics))


def copy_bundle(source: Path, target: Path) -> None:
    export_bundle(source, target, forms=("torch",))


@pytest.fixture
def calibrated(written: Path, tmp_path: Path) -> Path:
    copy_calibrated(written, tmp_path / "calibrated", PLATT, metrics=METRICS)
    return tmp_path / "calibrated"


@pytest.mark.parametrize("calibration", [PLATT, ISOTONIC])
def test_its_probabilities_are_the_calibration_of_the_plain_ones(
    written: Path, tmp_path: Path, calibration: Calibration
) -> None:
    copy_calibrated(written, tmp_path / "model", calibration, metrics={})
    assert load_bundle(tmp_path / "model").calibration == calibration
    plain, found = load(written).predict_proba(UNSEEN), load(tmp_path / "model").predict_proba(UNSEEN)
    np.testing.assert_allclose(found, calibration.apply(logits_of(plain)), rtol=0, atol=1e-9)
    assert np.abs(found - plain).max() > 0.1


def test_it_is_the_same_bundle_otherwise(written: Path, calibrated: Path) -> None:
    before, after = load_bundle(written), load_bundle(calibrated)
    assert before.calibration is None
    assert after.metrics == {
        **before.metrics,
        "calibration": {"method": "platt", "valid": {"before": {"ece": 0.2}}},
    }
    assert after.origin == before.origin
    assert "calibration.json" in after.manifest.files
    assert all(
        after.manifest.files[name] == record
        for name, record in before.manifest.files.items()
        if name != "metrics.json"
    )


def test_it_is_copied_and_replaced_as_any_other(written: Path, calibrated: Path, tmp_path: Path) -> None:
    copy_bundle(calibrated, tmp_path / "copy")
    assert load_bundle(tmp_path / "copy").calibration == PLATT
    copy_calibrated(calibrated, tmp_path / "copy", ISOTONIC, metrics={})
    assert load_bundle(tmp_path / "copy").calibration == ISOTONIC
    copy_bundle(written, tmp_path / "copy")
    assert load_bundle(tmp_path / "copy").calibration is None
    assert not (tmp_path / "copy" / "calibration.json").exists()


def test_a_damaged_source_is_not_calibrated(bundle: Path) -> None:
    (bundle / "metrics.json").write_text("{}")
    with pytest.raises(ExportError, match=r"metrics\.json"):
        copy_calibrated(bundle, bundle.parent / "new", PLATT, metrics={})
    assert sorted(path.name for path in bundle.parent.iterdir()) == ["model"]


@pytest.mark.parametrize("damage", ["edit", "delete", "truncate"])
def test_a_damaged_calibration_is_refused_by_name(calibrated: Path, damage: str) -> None:
    path = calibrated / "calibration.json"
    if damage == "edit":
        path.write_text(path.read_text().replace("0.6", "0.7"))
    elif damage == "delete":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(ExportError, match=r"calibration\.json.*export the bundle again"):
        load_bundle(calibrated)


@pytest.mark.parametrize(
    "document", [[], {"method": "platt", "slope": -1.0, "intercept": 0.0}, {"method": "isotonic"}]
)
def test_a_calibration_of_another_hand_is_refused_though_its_checksums_fit(
    calibrated: Path, document: object
) -> None:
    (calibrated / "calibration.json").write_text(json.dumps(document))
    (calibrated / "manifest.json").unlink()
    manifest = describe(calibrated, autofi="0")
    (calibrated / "manifest.json").write_bytes(manifest.render())
    with pytest.raises(
        ExportError,
        match=r"calibration\.json' does not fit .* \("
        r"(The calibration has .*which no export writes|it is not a JSON object)",
    ):
        load_bundle(calibrated)


def test_a_written_bundle_has_no_calibration(model: Model, calibrated: Path) -> None:
    model.write(calibrated)
    assert load_bundle(calibrated).calibration is None
