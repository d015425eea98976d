"""What exploring came to: architectures with their scores by inherited weights."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from autofi.model.network import Streams
from autofi.space.architecture import Forms

#: A slot by the names of its fields, with its options.
NamedSlot = tuple[tuple[str, ...], tuple[Forms, ...]]


@dataclass(frozen=True)
class ScoredArchitecture:
    """An architecture by inherited weights: an option per slot and the number of a set of streams.

    guided     mean logloss of the rows that guide
    gain       how much less its logloss is than the start's, on rows that guided nobody, with its standard error;
               None where that was not asked
    """

    options: tuple[int, ...]
    streams: int | None
    guided: float
    gain: float | None = None
    standard_error: float | None = None

    @property
    def sure(self) -> bool:
        """Whether it gains more than its standard error."""
        return self.gain is not None and self.gain > (self.standard_error or 0.0)

    def to_json(self) -> list[Any]:
        """Plain JSON: a list in the order of the attributes."""
        return [list(self.options), self.streams, self.guided, self.gain, self.standard_error]

    @classmethod
    def from_json(cls, value: Sequence[Any]) -> Self:
        """What `to_json` gave."""
        options, *others = value
        return cls(tuple(options), *others)


@dataclass(frozen=True)
class Exploration:
    """Every distinct architecture in the order it was scored, the start first.

    streams    the sets that `ScoredArchitecture.streams` numbers
    variants   what trials are made of, so far as a supernet has it and as nothing in `scored` is: nothing was chosen by
               these scores, they are what trials are compared with
    """

    slots: tuple[NamedSlot, ...] = ()
    streams: tuple[Streams, ...] = ()
    scored: tuple[ScoredArchitecture, ...] = ()
    variants: tuple[ScoredArchitecture, ...] = ()

    @property
    def best(self) -> tuple[ScoredArchitecture, ...]:
        """Those sure to gain on the start, best first."""
        return tuple(sorted((one for one in self.scored if one.sure), key=lambda one: -(one.gain or 0.0)))

    def fields(self, one: ScoredArchitecture) -> dict[str, Forms]:
        """The forms of every field."""
        return {names[0]: forms for names, forms in self._chosen(one) if len(names) == 1}

    def pairs(self, one: ScoredArchitecture) -> dict[tuple[str, str], Forms]:
        """The options of the pairs that are not naive."""
        return {
            (names[0], names[1]): forms for names, forms in self._chosen(one) if len(names) == 2 and forms
        }

    def streams_of(self, one: ScoredArchitecture) -> Streams | None:
        """Its set of streams; None where the space has no choice."""
        return None if one.streams is None else self.streams[one.streams]

    def _chosen(self, one: ScoredArchitecture) -> Iterator[tuple[tuple[str, ...], Forms]]:
        for (names, options), option in zip(self.slots, one.options, strict=True):
            yield names, options[option]

    def to_json(self) -> dict[str, Any]:
        """Plain JSON."""
        return {
            "slots": [[list(names), [list(forms) for forms in options]] for names, options in self.slots],
            "streams": [dict(streams) for streams in self.streams],
            "scored": [one.to_json() for one in self.scored],
            "variants": [one.to_json() for one in self.variants],
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Exploration:
        """The exploration of `to_json`."""
        return cls(
            slots=tuple(
                (tuple(names), tuple(tuple(forms) for forms in options)) for names, options in value["slots"]
            ),
            streams=tuple(value["streams"]),
            scored=tuple(map(ScoredArchitecture.from_json, value["scored"])),
            variants=tuple(map(ScoredArchitecture.from_json, value.get("variants", ()))),
        )
