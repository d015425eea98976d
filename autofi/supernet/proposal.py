"""What a search proposes before anything is trained from scratch, with its evidence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from autofi.model.network import Streams
from autofi.space.architecture import Forms
from autofi.supernet.exploration import Exploration


@dataclass(frozen=True)
class Proposal:
    """Forms of every field and options of every pair, by name, with the evidence.

    pairs       options whose gain is sure by the space's threshold
    likely      options sure by one standard error only
    widths      sizes learned by gradient, by the key of the space
    rates       target statistics of the pairs that the screen ranks best, and likely embeddings beside theirs, but no
                products: on sparse data many crosses together say what none of them says surely
    streams     the space's sets of streams by what they come to beside the sure pairs, best first; () if not asked
    products    sets of three fields and more whose product explains what pairs leave over
    screened    by pair, the screen's scores for memorizing and for factorizing (0 where it was not asked), of a search
                without a supernet
    exploration whole architectures around these, by the supernet's weights
    """

    fields: Mapping[str, Forms]
    all_fields: Mapping[str, Forms]
    pairs: Mapping[tuple[str, str], Forms]
    likely: Mapping[tuple[str, str], Forms]
    rates: Mapping[tuple[str, str], Forms]
    evidence: tuple[Mapping[str, Any], ...] = field(default_factory=tuple)
    widths: Mapping[str, Any] = field(default_factory=dict)
    products: tuple[tuple[str, ...], ...] = ()
    streams: tuple[Streams, ...] = ()
    exploration: Exploration = Exploration()
    screened: Mapping[tuple[str, str], tuple[float, float]] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON."""
        return {
            "fields": {name: list(forms) for name, forms in self.fields.items()},
            "all_fields": {name: list(forms) for name, forms in self.all_fields.items()},
            "pairs": [[*pair, list(forms)] for pair, forms in self.pairs.items()],
            "likely": [[*pair, list(forms)] for pair, forms in self.likely.items()],
            "rates": [[*pair, list(forms)] for pair, forms in self.rates.items()],
            "evidence": [dict(move) for move in self.evidence],
            "widths": dict(self.widths),
            "streams": [dict(streams) for streams in self.streams],
            "products": [list(names) for names in self.products],
            "exploration": self.exploration.to_json(),
            "screened": [[*pair, *scores] for pair, scores in self.screened.items()],
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Proposal:
        """The proposal of `to_json`."""
        return cls(
            fields={name: tuple(forms) for name, forms in value["fields"].items()},
            all_fields={name: tuple(forms) for name, forms in value["all_fields"].items()},
            pairs={(left, right): tuple(forms) for left, right, forms in value["pairs"]},
            likely={(left, right): tuple(forms) for left, right, forms in value["likely"]},
            rates={(left, right): tuple(forms) for left, right, forms in value["rates"]},
            evidence=tuple(value["evidence"]),
            widths=value.get("widths", {}),
            streams=tuple(value.get("streams", ())),
            exploration=Exploration.from_json(value["exploration"])
            if "exploration" in value
            else Exploration(),
            screened={(left, right): (a, b) for left, right, a, b in value.get("screened", ())},
            products=tuple(tuple(names) for names in value.get("products", ())),
        )
