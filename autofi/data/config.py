"""What a search was asked for: everything a resume or a later retrain needs to open the same data the same way."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from autofi.core.engine_names import OPTUNA
from autofi.data.schema_overrides import SchemaOverrides
from autofi.data.split import DEFAULT_SPLIT
from autofi.samplers.registry import DEFAULT_SAMPLER
from autofi.samplers.successive_halving import Fidelity

#: What a search does unless it is told otherwise: see `autofi.strategies`.
DEFAULT_STRATEGY = "staged"

DEFAULT_BASELINES = ("lr", "fm", "dnn", "all-memorize", "all-factorize", "lightgbm", "catboost")
#: Raised whenever the same arguments come to other encoded data, as by another split; studies without it are of 1.
READING = 2
_LISTED = ("baselines", "objectives", "limits")


@dataclass(frozen=True)
class SearchSettings:
    """The arguments of `autofi.search` that are kept with the study; `source` is None for a table in memory."""

    source: str | None
    target: str | None = None
    query: str | None = None
    split: str = DEFAULT_SPLIT
    valid: str | None = None
    test: str | None = None
    overrides: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    trials: int = 12
    seeds: int = 3
    seed: int = 0
    baselines: tuple[str, ...] = DEFAULT_BASELINES
    refit: bool = False
    objectives: tuple[str, ...] = ("auc",)
    limits: tuple[str, ...] = ()
    sampler: str = DEFAULT_SAMPLER
    strategy: str = DEFAULT_STRATEGY
    fidelity: Fidelity = "full"
    engine: str = OPTUNA
    tuner: str | None = None
    reading: int = READING
    """The `READING` of the version that began the study."""

    def to_json(self) -> dict[str, Any]:
        """Plain JSON."""
        listed = {name: list(getattr(self, name)) for name in _LISTED}
        return dataclasses.asdict(self) | listed

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> SearchSettings:
        """The settings of `to_json`, of this version or an earlier one."""
        return cls(
            **{"reading": 1, **value, **{name: tuple(value[name]) for name in _LISTED if name in value}}
        )

    def schema_overrides(self) -> SchemaOverrides:
        """The overrides as the schema's inference takes them."""
        return SchemaOverrides.model_validate(dict(self.overrides))
