"""The explanation of one row as data classes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

Value = str | float | tuple[str, ...] | None
Status = Literal["known", "partly", "rare", "unseen", "missing"]


@dataclass(frozen=True)
class Form:
    """One form of a field or a pair.

    Attributes:
        name: The operator.
        hit: True where the row's value or cross has an entry of its own; None for a form without a lookup
            table.
    """

    name: str
    hit: bool | None


@dataclass(frozen=True)
class FieldPart:
    """The contribution of a field to the logit.

    Attributes:
        name: The field.
        value: The value as it is read: a text, a number, or the texts of a list.
        status: "rare" is a value of training rows that occurs too rarely for an entry of its own; "partly" is a
            list of which some texts are known.
        seen: Training rows with the value; for a number, with its bucket; for a list, with the whole list.
        rate: The share of these rows that were clicked, where the model keeps it.
        forms: The forms of the field.
        own: The contribution of the field's own forms, with everything that streams make of them.
        contribution: The contribution of everything that reads the field, including its pairs.
        trees: The field's share of the contribution of boosted trees, by TreeSHAP; None without trees.
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
    """The contribution of a pair, or of a cross of three fields that boosted trees read, all its forms together.

    Attributes:
        fields: The fields.
        hit: True where a memorizing form has an entry for the cross; None where no form memorizes.
        seen: Training rows with the cross; None where it is unknown, because the model keeps no counts of rare
            crosses.
        rate: The share of these rows that were clicked, where the model keeps it.
        forms: The forms of the pair; none for one that only boosted trees read.
        contribution: The contribution.
        trees: The pair's share of the contribution of boosted trees, by TreeSHAP; None if they do not read it.
    """

    fields: tuple[str, ...]
    hit: bool | None
    seen: int | None
    rate: float | None
    forms: tuple[Form, ...]
    contribution: float
    trees: float | None = None

    @property
    def name(self) -> str:
        """The names of the fields."""
        return " × ".join(self.fields)

    @property
    def status(self) -> Literal["hit", "partly", "missed"] | None:
        """The hits of the memorizing forms: "hit" for all of them, "partly" for some, "missed" for none."""
        if self.hit is None:
            return None
        return (
            "missed" if not self.hit else "partly" if any(form.hit is False for form in self.forms) else "hit"
        )


#: A summand of the logit.
Part = FieldPart | PairPart


@dataclass(frozen=True)
class Weights:
    """The weights that an operator or a stream gave to parts, such as the fields of one cross, without zeros."""

    name: str
    weights: Mapping[str, float]


@dataclass(frozen=True)
class StreamPart:
    """The contribution of a stream to the logit; `weights` where the stream reports any."""

    name: str
    contribution: float
    weights: tuple[Weights, ...]


@dataclass(frozen=True)
class Explanation:
    """One row with its probability and the contributions that made it.

    `logit = baseline + own of all fields + contributions of all pairs + trees + rest`. `rest` is the joint
    effect of several parts, 0 where only a linear map follows them. Contributions of streams, and of fields
    with their pairs, overlap with these and are not part of the sum.

    Attributes:
        row: The number of the row in its table, from 1.
        probability: The probability of a click.
        logit: The logit of the network and the trees.
        average: The log-odds of the click rate of the training rows.
        baseline: The logit with every slot masked, without trees.
        trees: The contribution of boosted trees; None where the model has none.
        rest: The joint effect of several parts.
        fields: The fields.
        pairs: The pairs.
        streams: The streams.
        operators: By operator, the weights that it gave.
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

    @property
    def trees_alone(self) -> bool:
        """True where boosted trees predict without a network: no part has a contribution besides its share of them."""
        parts: tuple[Part, ...] = (*self.fields, *self.pairs)
        return self.trees is not None and not any(map(added, parts))

    def parts(self) -> list[Part]:
        """Return fields and pairs, largest `shown` first."""
        parts: tuple[Part, ...] = (*self.fields, *self.pairs)
        return sorted(parts, key=lambda part: -abs(self.shown(part)))

    def shown(self, part: Part) -> float:
        """Return the summand of a part, or where trees predict alone its share of their contribution."""
        return (part.trees or 0.0) if self.trees_alone else added(part)

    def other_summands(self) -> list[tuple[str, float]]:
        """Return what adds up to the logit with the baseline and what is `shown` of all parts, by name."""
        found = [("together", self.rest)]
        if self.trees is None:
            return found
        if not self.trees_alone:
            return [("boosted trees", self.trees), *found]
        return [("trees on average", self.trees - sum(map(self.shown, self.parts()))), *found]

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON."""
        return asdict(self)


def added(part: Part) -> float:
    """Return the summand of a part in the sum of `Explanation`."""
    return part.own if isinstance(part, FieldPart) else part.contribution
