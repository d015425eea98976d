"""What is told about one row."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

Value = str | float | tuple[str, ...] | None
Status = Literal["known", "partly", "rare", "unseen", "missing"]


@dataclass(frozen=True)
class Form:
    """One form of a field or a pair.

    hit   whether the row's value or cell has an entry of its own; None of a form that looks nothing up
    """

    name: str
    hit: bool | None


@dataclass(frozen=True)
class FieldPart:
    """What a field does for the logit.

    value          as read: a text, a number, or the texts of a list
    status         "rare" was in the training rows, but too rarely for an entry of its own; "partly" is a list of
                   which some texts are known
    seen           training rows with the value: of a number, in its bucket; of a list, with the whole of it
    rate           share of them that were clicked, where the model keeps it
    own            what the field's own forms contribute, with all that streams make of them
    contribution   what everything contributes that reads the field, its pairs among it
    trees          the share of it in what boosted trees contribute, by TreeSHAP; None without trees
    """

    name: str
    value: Value
    status: Status
    seen: int | None
    rate: float | None
    forms: tuple[Form, ...]
    own: float
    contribution: float
    trees: float | None


@dataclass(frozen=True)
class PairPart:
    """What a pair does for the logit, all its forms together.

    hit    whether a form that memorizes has an entry for the cell; None where none memorizes
    seen   training rows with the cell; None where that is not known: the model keeps no count of rare cells
    rate   share of them that were clicked, where the model keeps it
    """

    fields: tuple[str, str]
    hit: bool | None
    seen: int | None
    rate: float | None
    forms: tuple[Form, ...]
    contribution: float

    @property
    def name(self) -> str:
        """Both fields."""
        return " × ".join(self.fields)

    @property
    def status(self) -> Literal["hit", "partly", "missed"] | None:
        """Whether every form that memorizes has an entry for the cell, only some, or none."""
        if self.hit is None:
            return None
        return (
            "missed" if not self.hit else "partly" if any(form.hit is False for form in self.forms) else "hit"
        )


#: What is a summand of the logit.
Part = FieldPart | PairPart


@dataclass(frozen=True)
class Weights:
    """Weights that an operator or a stream gave to parts, such as the fields of one cross; none that is 0."""

    name: str
    weights: Mapping[str, float]


@dataclass(frozen=True)
class StreamPart:
    """What a stream adds to the logit; `weights` where it tells any."""

    name: str
    contribution: float
    weights: tuple[Weights, ...]


@dataclass(frozen=True)
class Explanation:
    """One row, its probability, and what made it.

    `logit = baseline + own of all fields + contributions of all pairs + trees + rest`: `rest` is what parts do
    together, 0 where nothing comes behind them but a linear map. Contributions of streams and of fields with their
    pairs overlap with those, and are no part of the sum.

    row         number of the row in its table, from 1
    average     log-odds of the click rate of the training rows
    baseline    logit that is left when every slot is masked, but for trees
    trees       what boosted trees add to the logit; None where the model has none
    operators   weights that operators gave, by their names
    """

    row: int
    probability: float
    logit: float
    average: float
    baseline: float
    trees: float | None
    rest: float
    fields: tuple[FieldPart, ...]
    pairs: tuple[PairPart, ...]
    streams: tuple[StreamPart, ...]
    operators: Mapping[str, tuple[Weights, ...]]

    def parts(self) -> list[Part]:
        """Fields and pairs, largest share of the sum first."""
        parts: tuple[Part, ...] = (*self.fields, *self.pairs)
        return sorted(parts, key=lambda part: -abs(added(part)))

    def to_json(self) -> dict[str, Any]:
        """Plain JSON."""
        return asdict(self)


def added(part: Part) -> float:
    """What a part is in the sum of `Explanation`."""
    return part.own if isinstance(part, FieldPart) else part.contribution
