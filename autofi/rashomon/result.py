"""A Rashomon set as it is kept in a study and read by reports."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Self

from autofi.errors import StoreError
from autofi.importance.interaction_scores import Cloud, ScoredModel, clouds
from autofi.rashomon.halo import Halo, Widths, bands


@dataclass(frozen=True)
class RashomonSet:
    """Models of at most `level` logloss on validation rows, with the reliances of each.

    Attributes:
        names: The fields, in the order of the data.
        eps: The share of the best model's logloss by which a model may be worse.
        best: The lowest logloss of a model, of all validation rows.
        measure: The unit of reliances; see `autofi.importance.model_reliance`.
        rows: Rows drawn for each repeat.
        models: The reference first, then other trained models, then those masked around the reference.
        halos: Halos of pairs and triples, around the seeds of the reference.
        left_out: Models of the study within the level that were not scored, with the reason.
    """

    FORMAT: ClassVar[int] = 1

    names: tuple[str, ...]
    eps: float
    best: float
    measure: str
    counterpart: str
    rows: int
    repeats: int
    models: tuple[ScoredModel, ...]
    halos: tuple[Halo, ...]
    left_out: tuple[str, ...] = ()

    @property
    def level(self) -> float:
        """The highest logloss of a model of the set."""
        return (1.0 + self.eps) * self.best

    @property
    def reference(self) -> ScoredModel:
        """The model that others were explored around."""
        return self.models[0]

    @property
    def trained(self) -> tuple[ScoredModel, ...]:
        """The models that are not masked."""
        return tuple(model for model in self.models if not model.factors)

    @cached_property
    def fields(self) -> tuple[Cloud, ...]:
        """Main effects: the reliance on every field, the largest first."""
        return tuple(clouds(self.models, 1))

    @cached_property
    def pairs(self) -> tuple[Cloud, ...]:
        """Interaction scores of pairs, the largest first."""
        return tuple(clouds(self.models, 2))

    @cached_property
    def triples(self) -> tuple[Cloud, ...]:
        """Interaction scores of triples, the largest first."""
        return tuple(clouds(self.models, 3))

    @cached_property
    def bands(self) -> Widths:
        """The bands around the circle of a pair, by direction, of pairs that do not interact."""
        return bands([halo for halo in self.halos if len(halo.names) == 2])

    def halo(self, *names: str) -> Halo | None:
        """Return the halo of these fields, in any order; None if there is none."""
        return next((halo for halo in self.halos if sorted(halo.names) == sorted(names)), None)

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON, including the clouds for other readers."""
        return {
            "format": self.FORMAT,
            "names": list(self.names),
            "eps": self.eps,
            "best": self.best,
            "level": self.level,
            "measure": self.measure,
            "counterpart": self.counterpart,
            "rows": self.rows,
            "repeats": self.repeats,
            "models": [model.to_json() for model in self.models],
            "halos": [halo.to_json() for halo in self.halos],
            "left_out": list(self.left_out),
            "clouds": [cloud.to_json() for cloud in (*self.fields, *self.pairs, *self.triples)],
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """Return the set that `to_json` wrote.

        Raises:
            StoreError: The value has another format.
        """
        if value.get("format") != cls.FORMAT:
            raise StoreError(
                f"The Rashomon set has format {value.get('format')}, not {cls.FORMAT}; compute it again."
            )
        return cls(
            names=tuple(value["names"]),
            eps=value["eps"],
            best=value["best"],
            measure=value["measure"],
            counterpart=value["counterpart"],
            rows=value["rows"],
            repeats=value["repeats"],
            models=tuple(ScoredModel.from_json(model) for model in value["models"]),
            halos=tuple(Halo.from_json(halo) for halo in value["halos"]),
            left_out=tuple(value["left_out"]),
        )
