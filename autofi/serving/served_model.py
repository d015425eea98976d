"""What a server needs to know of the model it serves."""

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
#: A bundle is one version of a model; another one is another server.
VERSION = "1"


@dataclass(frozen=True)
class ServedModel:
    """A model under the name that URLs have."""

    name: str
    schema: Schema
    score: Callable[[pa.Table], Floats]
    """Probabilities, float64 [N], of N rows; called from one thread at a time."""
    study: str
    architecture: str
    """The architecture's id."""
    skew_counts: Callable[[], SkewCounts | None] = lambda: None
    """What counts rows against those of training; None where the bundle does not say what training saw."""

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
        """Raises Refusal unless this is the model that a URL names."""
        if name != self.name:
            raise RequestError(404, f"No model is named '{short(name)}': this server has '{self.name}'.")
        if version != VERSION:
            raise RequestError(
                404, f"Model '{self.name}' has no version '{short(version)}': it has '{VERSION}'."
            )
