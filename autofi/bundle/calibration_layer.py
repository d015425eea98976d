"""A calibration as a torch module, made of operations that torch.export and ONNX know."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from autofi.metrics.calibrators import Calibration, Isotonic, Platt


class CalibrationLayer(nn.Module):
    """The function `calibration.apply` as a layer: logits `[B]` → probabilities `[B]` of the same float type."""

    def __init__(self, calibration: Calibration) -> None:
        super().__init__()
        self.calibrated = _layer(calibration)

    def forward(self, logits: Tensor) -> Tensor:
        found: Tensor = self.calibrated(logits)
        return found


def _layer(calibration: Calibration) -> nn.Module:
    match calibration:
        case Platt():
            return _Sigmoid(calibration)
        case Isotonic():
            return _Steps(calibration)
        case _:
            raise TypeError(f"There is no layer for {type(calibration).__name__}.")


class _Sigmoid(nn.Module):
    def __init__(self, platt: Platt) -> None:
        super().__init__()
        self.slope, self.intercept = platt.slope, platt.intercept

    def forward(self, logits: Tensor) -> Tensor:
        return torch.sigmoid(self.slope * logits + self.intercept)


class _Steps(nn.Module):
    """Isotonic calibration by bisection: one step per bit of the number of breakpoints, `[B]` numbers each.

    ONNX cannot search a sorted list, and comparing with all breakpoints would make `[B, K]` numbers.
    """

    def __init__(self, isotonic: Isotonic) -> None:
        super().__init__()
        logits, probabilities = np.asarray(isotonic.logits), np.asarray(isotonic.probabilities)
        self.halvings = (len(logits) - 2).bit_length()
        # The pieces between two breakpoints, filled up to a power of 2 with the last one.
        again = (0, (1 << self.halvings) - (len(logits) - 1))
        for name, values in (
            ("start", logits[:-1]),
            ("inverse_width", 1.0 / np.diff(logits)),
            ("base", probabilities[:-1]),
            ("rise", np.diff(probabilities)),
        ):
            self.register_buffer(name, torch.from_numpy(np.pad(values, again, mode="edge")))

    start: Tensor
    inverse_width: Tensor
    base: Tensor
    rise: Tensor

    def forward(self, logits: Tensor) -> Tensor:
        start, inverse_width, base, rise = (
            values.to(logits.dtype) for values in (self.start, self.inverse_width, self.base, self.rise)
        )
        piece = torch.zeros_like(logits, dtype=torch.int64)
        for bit in reversed(range(self.halvings)):
            later = piece + (1 << bit)
            piece = torch.where(logits >= start[later], later, piece)
        passed = ((logits - start[piece]) * inverse_width[piece]).clamp(0.0, 1.0)
        return base[piece] + passed * rise[piece]


__all__ = ["CalibrationLayer"]
