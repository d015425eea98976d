"""Random field vectors, and streams with every weight moved away from its start."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from autofi.operators.registry import get_stream
from autofi.operators.streams import Stream, StreamInputs

ROWS = 12
INPUTS = StreamInputs(fields=("user", "item", "hour", "tags"), rows=(7, 5, 4, 0), dim=6)


def vectors(seed: int = 0) -> torch.Tensor:
    return torch.randn(ROWS, len(INPUTS.fields), INPUTS.dim, generator=torch.Generator().manual_seed(seed))


def codes(seed: int = 0) -> torch.Tensor:
    generator = np.random.default_rng(seed)
    return torch.from_numpy(
        np.column_stack([generator.integers(0, rows, ROWS) for rows in INPUTS.rows if rows]).astype(np.int32)
    )


def build(name: str, settings: dict[str, Any] | None = None, *, seed: int = 0) -> Stream:
    """Return a stream with random weights, in evaluation mode unless `train` is called."""
    kind = get_stream(name)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        stream = kind(INPUTS, kind.settings_of(settings or {}))
        with torch.no_grad():
            for parameter in stream.parameters():
                parameter.add_(0.1 * torch.randn_like(parameter))
    return stream.eval()
