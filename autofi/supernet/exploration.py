"""The result of exploring: architectures with their scores by inherited weights."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from autofi.model.network import Streams
from autofi.space.architecture import Forms

#: The names of a slot's fields, and the slot's options.
NamedSlot = tuple[tuple[str, ...], tuple[Forms, ...]]


@dataclass(frozen=True)
class ScoredArchitecture:
    """An architecture with its score by inherited weights.

    Attributes:
        options: One option per slot.
        streams: The number of its set of interaction streams.
        guide_logloss: Mean logloss of the rows that guided the search.
        gain: How much lower its logloss is than the start's, on rows that did not guide the search; None if not
            measured.
        standard_error: The standard error of `gain`.
    """

    options: tuple[int, ...]
    streams: int | None
    guide_logloss: float
    gain: float | None = None
    standard_error: float | None = None

    @property
    def is_significant(self) -> bool:
        """True where the gain is larger than its standard error."""
        return self.gain is not None and self.gain > (self.standard_error or 0.0)

    def to_json(self) -> list[Any]:
        """Return plain JSON: a list in the order of the attributes."""
        return [list(self.options), self.streams, self.guide_logloss, self.gain, self.standard_error]

    @classmethod
    def from_json(cls, value: Sequence[Any]) -> Self:
        """Return the architecture that `to_json` wrote."""
        options, *others = value
        return cls(tuple(options), *others)


@dataclass(frozen=True)
class Exploration:
    """Every distinct architecture in the order it was scored, the start first.

    Attributes:
        streams: The sets of interaction streams that `ScoredArchitecture.streams` numbers.
        variants: Architectures made of the variants that trials combine, if the supernet has them and `scored` does
            not. Their scores choose nothing; they are there to be compared with trials.
    """

    slots: tuple[NamedSlot, ...] = ()
    streams: tuple[Streams, ...] = ()
    scored: tuple[ScoredArchitecture, ...] = ()
    variants: tuple[ScoredArchitecture, ...] = ()

    @property
    def best(self) -> tuple[ScoredArchitecture, ...]:
        """The architectures with a sure gain on the start, best first."""
        return tuple(
            sorted((one for one in self.scored if one.is_significant), key=lambda one: -(one.gain or 0.0))
        )

    def fields(self, one: ScoredArchitecture) -> dict[str, Forms]:
        """Return the forms of every field."""
        return {names[0]: forms for names, forms in self._chosen(one) if len(names) == 1}

    def pairs(self, one: ScoredArchitecture) -> dict[tuple[str, str], Forms]:
        """Return the options of the pairs that are not naive."""
        return {
            (names[0], names[1]): forms for names, forms in self._chosen(one) if len(names) == 2 and forms
        }

    def streams_of(self, one: ScoredArchitecture) -> Streams | None:
        """Return the architecture's set of streams; None where the space has no choice."""
        return None if one.streams is None else self.streams[one.streams]

    def _chosen(self, one: ScoredArchitecture) -> Iterator[tuple[tuple[str, ...], Forms]]:
        for (names, options), option in zip(self.slots, one.options, strict=True):
            yield names, options[option]

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON."""
        return {
            "slots": [[list(names), [list(forms) for forms in options]] for names, options in self.slots],
            "streams": [dict(streams) for streams in self.streams],
            "scored": [one.to_json() for one in self.scored],
            "variants": [one.to_json() for one in self.variants],
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Exploration:
        """Return the exploration that `to_json` wrote."""
        return cls(
            slots=tuple(
                (tuple(names), tuple(tuple(forms) for forms in options)) for names, options in value["slots"]
            ),
            streams=tuple(value["streams"]),
            scored=tuple(map(ScoredArchitecture.from_json, value["scored"])),
            variants=tuple(map(ScoredArchitecture.from_json, value.get("variants", ()))),
        )
