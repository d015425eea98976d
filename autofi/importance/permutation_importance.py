"""How much worse a model predicts when a field, or a pair of fields, is shuffled among rows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Any, ClassVar, Self

import numpy as np

from autofi.data.encoded_rows import EncodedRows
from autofi.data.feature_builder import FeatureBuilder
from autofi.errors import DataError, StoreError, nearest
from autofi.evaluation.cost import measure_costs
from autofi.importance.interaction_scores import Estimate, Names, estimate
from autofi.importance.model_reliance import Floats, Group, interaction, logits_of, losses, reliances
from autofi.importance.permuted_rows import Shuffles, draw_rows
from autofi.model.network import Network

#: Rows of a repeat at most and at least, and repeats: each has rows of its own, shuffled by itself.
ROWS, FEWEST_ROWS, REPEATS = 2000, 200, 5
#: Pairs that are measured, and fields whose pairs are measured whether the model names them or not.
MOST_PAIRS, TOP_FIELDS = 20, 6
#: Operations of matrix products for all passes together, some seconds on two cores: large models on many fields are
#: given fewer rows.
BUDGET = 5e11


@dataclass(frozen=True)
class PermutationImportance:
    """By how much the logloss rises when fields are shuffled among rows, with 95 % intervals over repeats.

    fields    by name: the field alone, the largest first
    pairs     by names: both together, less each alone; the largest size first. Below 0 where the two say something
              together only, so that shuffling one of them is enough to lose it; above 0 where each stands in for the
              other
    chosen    pairs of `pairs` that the model was said to use; the others are pairs of its most important fields
    unmeasured  further pairs that the model was said to use, for which there was no room
    rows      of a repeat
    clicks    among the rows of all repeats: of few clicks intervals are rough
    loss      logloss of the same rows with nothing shuffled
    seen      whether the model was trained on these rows too, so that it looks better on them than on new ones
    """

    FORMAT: ClassVar[int] = 1

    fields: Mapping[str, Estimate]
    pairs: Mapping[Names, Estimate]
    chosen: tuple[Names, ...]
    unmeasured: int
    rows: int
    repeats: int
    clicks: int
    loss: Estimate
    seen: bool = False

    def by_field(self) -> dict[str, float]:
        """The rise of the logloss by field, the largest first."""
        return {name: found.mean for name, found in self.fields.items()}

    def to_json(self) -> dict[str, Any]:
        """Plain JSON."""
        return {
            "format": self.FORMAT,
            "fields": {name: found.to_json() for name, found in self.fields.items()},
            "pairs": [[list(names), found.to_json()] for names, found in self.pairs.items()],
            "chosen": [list(names) for names in self.chosen],
            "unmeasured": self.unmeasured,
            "rows": self.rows,
            "repeats": self.repeats,
            "clicks": self.clicks,
            "loss": self.loss.to_json(),
            "seen": self.seen,
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """What `to_json` gave; raises StoreError for another format."""
        if value.get("format") != cls.FORMAT:
            raise StoreError(
                f"Importances are read in format {cls.FORMAT}: found {value.get('format')}; compute them again."
            )
        return cls(
            fields={name: Estimate.from_json(found) for name, found in value["fields"].items()},
            pairs={tuple(names): Estimate.from_json(found) for names, found in value["pairs"]},
            chosen=tuple(tuple(names) for names in value["chosen"]),
            unmeasured=int(value["unmeasured"]),
            rows=int(value["rows"]),
            repeats=int(value["repeats"]),
            clicks=int(value["clicks"]),
            loss=Estimate.from_json(value["loss"]),
            seen=bool(value["seen"]),
        )


def permutation_importance(
    network: Network,
    builder: FeatureBuilder,
    rows: EncodedRows,
    *,
    pairs: Iterable[Names] = (),
    most_pairs: int = MOST_PAIRS,
    rows_per_repeat: int | None = None,
    repeats: int = REPEATS,
    seed: int = 0,
    seen: bool = False,
) -> PermutationImportance:
    """The importance of every field, and of pairs, to a network on labelled rows that it was not trained on.

    Codes, numbers and tokens are shuffled; crosses, statistics and the logit of boosted trees are built anew from what
    was shuffled. Of a pair both fields move together, by the same order as each alone. Means are weighed as in
    training.

    `pairs` are those that the model names. Of more than `most_pairs` those of the most important fields are measured;
    where there is room, pairs of the TOP_FIELDS most important fields too. A repeat has `rows_per_repeat` rows (by
    default ROWS, or as few as BUDGET asks for), fewer where there are fewer, so that no row is in two repeats.

    Cost: a pass over all drawn rows a field and a pair, seconds on a processor whatever the model. Raises
    DataError for rows without labels or of one class, and for a pair of fields that the model does not have.
    """
    if rows.labels is None:
        raise DataError(
            "Importances need labelled rows: these have no labels; give rows with a target column."
        )
    names = tuple(builder.encoder.schema.names)
    passes = len(names) + most_pairs
    size = rows_per_repeat or _affordable(network, builder, passes * repeats)
    draw = draw_rows(rows, size=max(2, min(size, _counted(rows) // repeats)), repeats=repeats, seed=seed)
    network = network.eval()
    shuffles = Shuffles(draw, builder)
    singles: list[Group] = [(place,) for place in range(len(names))]
    (alone,) = reliances([network], network, shuffles, singles)
    rise = {place: float(alone[(place,)].mean()) for place in range(len(names))}
    given = _positions(pairs, names)
    measured = _measured(given, rise, most_pairs)
    (together,) = reliances([network], network, shuffles, measured) if measured else ({},)
    phi: dict[Group, Floats] = alone | together
    still = logits_of(network, network.select(shuffles.features()), len(draw))
    found = {
        (names[left], names[right]): estimate(interaction(phi, (left, right))) for left, right in measured
    }
    return PermutationImportance(
        fields={names[place]: estimate(alone[(place,)]) for place in sorted(rise, key=lambda at: -rise[at])},
        pairs=dict(sorted(found.items(), key=lambda item: -abs(item[1].mean))),
        chosen=tuple((names[left], names[right]) for left, right in measured if (left, right) in given),
        unmeasured=len(given.difference(measured)),
        rows=len(draw) // draw.repeats,
        repeats=draw.repeats,
        clicks=int(draw.labels.sum()),
        loss=estimate(draw.mean(losses(still, draw.labels))),
        seen=seen,
    )


def _affordable(network: Network, builder: FeatureBuilder, passes: int) -> int:
    """Rows of a pass that BUDGET is enough for."""
    flops = measure_costs(network, builder).flops
    return min(ROWS, max(FEWEST_ROWS, int(BUDGET / (passes * flops)))) if flops else ROWS


def _counted(rows: EncodedRows) -> int:
    """Rows that weigh anything."""
    return len(rows) if rows.weights is None else int(np.count_nonzero(rows.weights))


def _positions(pairs: Iterable[Names], names: Names) -> set[Group]:
    where = {name: place for place, name in enumerate(names)}
    found: set[Group] = set()
    for pair in pairs:
        for name in pair:
            if name not in where:
                raise DataError(
                    f"A pair is of two fields of the model: '{name}' is none; {nearest(name, names)}"
                )
        left, right = sorted(where[name] for name in pair)
        found.add((left, right))
    return found


def _measured(given: set[Group], rise: Mapping[int, float], most: int) -> list[Group]:
    """The pairs that are worth a pass: the given ones of the most important fields, then the others of those."""

    def order(pair: Group) -> tuple[float, Group]:
        return -sum(rise[place] for place in pair), pair

    kept = sorted(given, key=order)[:most]
    top = sorted(rise, key=lambda place: (-rise[place], place))[:TOP_FIELDS]
    others = sorted((pair for pair in combinations(sorted(top), 2) if pair not in given), key=order)
    return kept + others[: most - len(kept)]
