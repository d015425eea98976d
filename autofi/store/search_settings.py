"""The options of a search that its study keeps, for a resume, a worker or a retraining."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from autofi.core.option_names import AUTO, DEFAULT_SAMPLER, OFF, OPTUNA, Fidelity
from autofi.data.config import DataConfig
from autofi.space.builtin import DEFAULT_BASELINES

#: What a search does unless it is told otherwise: see `autofi.strategies`.
DEFAULT_STRATEGY = "staged"


@dataclass(frozen=True)
class SearchSettings(DataConfig):
    """The options of a search that are kept with the study, and what they come to where they are not given.

    An option that is kept has a field here and one of the same name in `SearchOptions`.
    """

    trials: int = 12
    seeds: int = 3
    baselines: tuple[str, ...] = DEFAULT_BASELINES
    refit: bool = False
    objectives: tuple[str, ...] = ("auc",)
    limits: tuple[str, ...] = ()
    sampler: str = DEFAULT_SAMPLER
    strategy: str = DEFAULT_STRATEGY
    fidelity: Fidelity = "full"
    engine: str = OPTUNA
    tuner: str | None = None
    #: `auto`, `off` or the most members.
    ensemble: str = AUTO

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON."""
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in dataclasses.asdict(self).items()
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> SearchSettings:
        """Return the settings of `to_json`, of this version or an earlier one."""
        kept: dict[str, Any] = {
            name: tuple(one) if isinstance(one, list) else one for name, one in value.items()
        }
        # What studies of earlier versions did is not among their settings.
        earlier: dict[str, Any] = {"reading": 1, "ensemble": OFF}
        return cls(**earlier | kept)
