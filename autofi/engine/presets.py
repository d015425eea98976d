"""Presets of a search: how much it trains, where no option of its own says so."""

from __future__ import annotations

from dataclasses import dataclass

from autofi.errors import ConfigError, nearest
from autofi.store.search_settings import SearchSettings


@dataclass(frozen=True)
class Preset:
    """Values of options that are left open.

    Attributes:
        strategy: Strategy of a new study.
        trials: Architectures to train from scratch.
        seeds: Times that the winner is retrained.
        baselines: Models to compare with; those that are not installed are left out.
    """

    strategy: str = SearchSettings.strategy
    trials: int = SearchSettings.trials
    seeds: int = SearchSettings.seeds
    baselines: tuple[str, ...] = SearchSettings.baselines


DEFAULT_PRESET = "good"
PRESETS = {
    "fast": Preset(strategy="quick", trials=3, seeds=1, baselines=("lr", "lightgbm")),
    DEFAULT_PRESET: Preset(),
    "best": Preset(trials=40, seeds=5),
}


def get_preset(name: str) -> Preset:
    """Return the preset of that name.

    Raises:
        ConfigError: There is no such preset.
    """
    if name not in PRESETS:
        raise ConfigError(f"No preset named '{name}': {nearest(name, PRESETS)}")
    return PRESETS[name]
