"""Where tensors live: the device a user names, checked before any work."""

from __future__ import annotations

import torch

from autofi.core.option_names import DEVICES
from autofi.errors import ConfigError


def pick_device(text: str) -> torch.device:
    """auto, cpu or cuda; cuda where there is none is refused."""
    if text not in DEVICES:
        raise ConfigError(f"A device is auto, cpu or cuda: found '{text}'.")
    if text == "cuda" and not torch.cuda.is_available():
        raise ConfigError(
            "The device 'cuda' needs a GPU that torch can use: found none; use --device cpu or auto."
        )
    return torch.device("cuda" if text != "cpu" and torch.cuda.is_available() else "cpu")
