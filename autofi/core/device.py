"""The device that a user names, checked before any work."""

from __future__ import annotations

import torch

from autofi.core.option_names import DEVICES
from autofi.errors import ConfigError


def pick_device(text: str) -> torch.device:
    """Return the device named `auto`, `cpu` or `cuda`; `auto` is the GPU if torch can use one.

    Raises:
        ConfigError: The name is another one, or `cuda` is named where torch has no GPU.
    """
    if text not in DEVICES:
        raise ConfigError(f"No device is named '{text}'; use auto, cpu or cuda.")
    if text == "cuda" and not torch.cuda.is_available():
        raise ConfigError("torch finds no GPU for the device 'cuda'; use --device cpu or auto.")
    return torch.device("cuda" if text != "cpu" and torch.cuda.is_available() else "cpu")
