"""The proposal of a search before any trial is trained, with its evidence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from autofi.model.network import Streams
from autofi.space.architecture import Forms
from autofi.supernet.exploration import Exploration


@dataclass(frozen=True)
class Proposal:
    """Forms of every field and options of every pair, by name, with the evidence.

    Attributes:
        pairs: Options whose gain is sure by the space's threshold.
        probable_pairs: Options that are sure by one standard error only.
        learned_sizes: Sizes learned by gradient, by the parameter of the space.
        target_encoded_pairs: Target encodings of the pairs that the screen ranks best, beside their probable
            embeddings, but without products: on sparse data, many crosses together tell what no single one tells for
            sure.
        streams: The space's sets of interaction streams by their score beside the sure pairs, best first; empty if not
            asked.
        products: Sets of three or more fields whose product explains what pairs leave over.
        screening_scores: By pair, the screen's scores for memorizing and for factorizing (0 if not asked), in a search
            without a supernet.
        exploration: Whole architectures around these, scored by the supernet's weights.
        cut: The first step that did not fit in the time of the search, which was left out or ended early with all that
            comes after it: "screen" (every pair is naive), "supernet" (pairs are as the screen scores them) or
            "exploration"; None if every step was done.
        ranked_pairs: The pairs by the screen's score for memorizing, best first; in the order of the fields if none
            was screened.
        dense_pairs: The pairs with enough training rows for an embedding of every cell, whatever a screen says; empty
            if there are many pairs, None in a proposal of an earlier version.
    """

    fields: Mapping[str, Forms]
    all_fields: Mapping[str, Forms]
    pairs: Mapping[tuple[str, str], Forms]
    probable_pairs: Mapping[tuple[str, str], Forms]
    target_encoded_pairs: Mapping[tuple[str, str], Forms]
    evidence: tuple[Mapping[str, Any], ...] = field(default_factory=tuple)
    learned_sizes: Mapping[str, Any] = field(default_factory=dict)
    products: tuple[tuple[str, ...], ...] = ()
    streams: tuple[Streams, ...] = ()
    exploration: Exploration = Exploration()
    screening_scores: Mapping[tuple[str, str], tuple[float, float]] = field(default_factory=dict)
    cut: str | None = None
    ranked_pairs: tuple[tuple[str, str], ...] = ()
    dense_pairs: tuple[tuple[str, str], ...] | None = None

    @property
    def selects(self) -> bool:
        """True if fields or pairs were chosen, rather than all of them or none."""
        return bool(self.pairs or self.probable_pairs or self.exploration.best) or (
            dict(self.fields) != dict(self.all_fields)
        )

    @classmethod
    def of_one_option(
        cls, forms: Mapping[str, Forms], pairs: Sequence[tuple[str, str]], options: Forms
    ) -> Proposal:
        """Return the proposal where every field has all its forms and every pair the only option there is."""
        every = dict.fromkeys(pairs, options) if options else {}
        return cls(forms, forms, every, every, every, ranked_pairs=tuple(pairs))

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON."""
        return {
            "fields": {name: list(forms) for name, forms in self.fields.items()},
            "all_fields": {name: list(forms) for name, forms in self.all_fields.items()},
            "pairs": [[*pair, list(forms)] for pair, forms in self.pairs.items()],
            "likely": [[*pair, list(forms)] for pair, forms in self.probable_pairs.items()],
            "rates": [[*pair, list(forms)] for pair, forms in self.target_encoded_pairs.items()],
            "evidence": [dict(move) for move in self.evidence],
            "widths": dict(self.learned_sizes),
            "streams": [dict(streams) for streams in self.streams],
            "products": [list(names) for names in self.products],
            "exploration": self.exploration.to_json(),
            "screened": [[*pair, *scores] for pair, scores in self.screening_scores.items()],
            "cut": self.cut,
            "ranked": [list(pair) for pair in self.ranked_pairs],
            "dense": None if self.dense_pairs is None else [list(pair) for pair in self.dense_pairs],
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Proposal:
        """Return the proposal that `to_json` wrote."""
        return cls(
            fields={name: tuple(forms) for name, forms in value["fields"].items()},
            all_fields={name: tuple(forms) for name, forms in value["all_fields"].items()},
            pairs={(left, right): tuple(forms) for left, right, forms in value["pairs"]},
            probable_pairs={(left, right): tuple(forms) for left, right, forms in value["likely"]},
            target_encoded_pairs={(left, right): tuple(forms) for left, right, forms in value["rates"]},
            evidence=tuple(value["evidence"]),
            learned_sizes=value.get("widths", {}),
            streams=tuple(value.get("streams", ())),
            exploration=Exploration.from_json(value["exploration"])
            if "exploration" in value
            else Exploration(),
            screening_scores={(left, right): (a, b) for left, right, a, b in value.get("screened", ())},
            products=tuple(tuple(names) for names in value.get("products", ())),
            cut=value.get("cut"),
            ranked_pairs=tuple((left, right) for left, right in value.get("ranked", ())),
            dense_pairs=None
            if value.get("dense") is None
            else tuple((left, right) for left, right in value["dense"]),
        )
