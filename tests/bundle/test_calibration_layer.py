"""The layer gives what the calibration gives: in torch, exported by torch, and in ONNX."""

from __future__ import annotations

from io import BytesIO

import numpy as np
import pytest
import torch

from autofi.bundle.calibration_layer import CalibrationLayer
from autofi.metrics.calibrators import Calibration, Isotonic, Platt

STEPS = np.random.default_rng(0)


def steps(count: int) -> Isotonic:
    """An isotonic calibration of so many breakpoints, some of them next to each other."""
    logits = np.sort(STEPS.choice(np.arange(-1100, 900), count, replace=False)) / 128
    return Isotonic(
        logits=logits.tolist(), probabilities=np.sort(STEPS.uniform(1e-7, 1 - 1e-7, count)).tolist()
    )


CALIBRATIONS: list[Calibration] = [
    Platt(slope=1.0, intercept=0.0),
    Platt(slope=0.43, intercept=-2.5),
    *(steps(count) for count in (2, 3, 4, 5, 64, 65, 700)),
]
BATCHES = (1, 2, 1000)


def logits(rows: int, calibration: Calibration) -> list[np.ndarray]:
    """Random ones, extreme ones, and breakpoints with their neighbours."""
    generator = np.random.default_rng(rows)
    found = [generator.normal(-1, 4, rows), generator.choice([-1e4, 1e4, -0.0, 88.0, -104.0], rows)]
    if isinstance(calibration, Isotonic):
        breakpoints = generator.choice(np.float32(calibration.logits), rows)
        found += [breakpoints, np.nextafter(breakpoints, np.float32(np.inf), dtype=np.float32)]
    return [values.astype(np.float32) for values in found]


@pytest.mark.parametrize("calibration", CALIBRATIONS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_layer_is_the_calibration(calibration: Calibration, dtype: torch.dtype) -> None:
    layer = CalibrationLayer(calibration)
    for rows in (0, *BATCHES):
        for values in logits(rows, calibration):
            found = layer(torch.from_numpy(values).to(dtype))
            assert found.dtype == dtype
            atol = 1e-12 if dtype == torch.float64 else 5e-7
            np.testing.assert_allclose(found.numpy(), calibration.apply(values), rtol=0, atol=atol)
    infinite = torch.tensor([-torch.inf, torch.inf], dtype=dtype)
    np.testing.assert_allclose(layer(infinite), calibration.apply(infinite), rtol=0, atol=5e-7)


@pytest.mark.parametrize("calibration", CALIBRATIONS)
@pytest.mark.filterwarnings("ignore::FutureWarning:copyreg")  # of torch's own, where it copies a program
def test_what_torch_exports_is_the_calibration(calibration: Calibration) -> None:
    batch = {0: torch.export.Dim("batch")}
    layer = CalibrationLayer(calibration).eval()
    program = torch.export.export(layer, (torch.zeros(7),), dynamic_shapes={"logits": batch}).module()
    for rows in BATCHES:
        for values in logits(rows, calibration):
            found = program(torch.from_numpy(values))
            np.testing.assert_allclose(found.numpy(), calibration.apply(values), rtol=0, atol=5e-7)


@pytest.mark.parametrize("calibration", CALIBRATIONS)
@pytest.mark.filterwarnings("ignore::FutureWarning:copyreg")
def test_what_onnx_computes_is_the_calibration(calibration: Calibration) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    program = torch.onnx.export(
        CalibrationLayer(calibration).eval(),
        (torch.zeros(7),),
        dynamo=True,
        dynamic_shapes={"logits": {0: torch.export.Dim("batch")}},
        opset_version=20,
        verbose=False,
    )
    assert program is not None
    file = BytesIO()
    program.save(file)
    session = onnxruntime.InferenceSession(file.getvalue(), providers=["CPUExecutionProvider"])
    (name,) = (given.name for given in session.get_inputs())
    for rows in BATCHES:
        for values in logits(rows, calibration):
            (found,) = session.run(None, {name: values})
            assert found.dtype == np.float32
            np.testing.assert_allclose(found, calibration.apply(values), rtol=0, atol=1e-6)
