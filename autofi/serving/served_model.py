"""The facts about the served model that a server needs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from autofi.data.schema import Schema
from autofi.serving.refusal import RequestError, short

if TYPE_CHECKING:
    from autofi.bundle.predictor import Predictor
    from autofi.bundle.skew import SkewCounts

Floats = NDArray[np.float64]
#: A bundle is one version of a model; another version needs another server.
VERSION = "1"


@dataclass(frozen=True)
class ServedModel:
    """A model with its name in URLs."""

    name: str
    schema: Schema
    score: Callable[[pa.Table], Floats]
    """Returns the probabilities, float64 `[N]`, of N rows; called from one thread at a time."""
    study: str
    architecture: str
    """The id of the architecture."""
    skew_counts: Callable[[], SkewCounts | None] = lambda: None
    """Returns a counter of rows against those of training; None where the bundle has no training profile."""

    @classmethod
    def of(cls, predictor: Predictor, name: str) -> ServedModel:
        study = str(predictor.origin.get("study", ""))
        return cls(
            name,
            predictor.schema,
            predictor.probabilities,
            study,
            predictor.architecture_id,
            predictor.skew_counts,
        )

    def check(self, name: str, version: str = VERSION) -> None:
        """Raise RequestError unless a URL names this model and version."""
        if name != self.name:
            raise RequestError(404, f"There is no model '{short(name)}'; this server has '{self.name}'.")
        if version != VERSION:
            raise RequestError(
                404, f"Model '{self.name}' has no version '{short(version)}'; it has '{VERSION}'."
            )
