"""Permutation importance: the rise of a model's loss when a field, or a pair of fields, is shuffled among rows."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Any, ClassVar, Self

import numpy as np

from autofi.core.time_budget import UNLIMITED, TimeBudget
from autofi.data.encoded_rows import EncodedRows
from autofi.data.feature_builder import FeatureBuilder
from autofi.errors import DataError, StoreError, nearest
from autofi.evaluation.cost import measure_costs
from autofi.importance.interaction_scores import Estimate, Names, estimate
from autofi.importance.model_reliance import Floats, Group, interaction, logits_of, losses, reliances
from autofi.importance.permuted_rows import Shuffles, draw_rows
from autofi.model.model import Model

#: The most and the fewest rows of a repeat, and the number of repeats: each has different rows, shuffled separately.
ROWS, FEWEST_ROWS, REPEATS = 2000, 200, 5
#: Pairs that are measured, and fields whose pairs are measured whether the model names them or not.
MOST_PAIRS, TOP_FIELDS = 20, 6
#: Operations of matrix products in all passes together, some seconds on two cores: large models on many fields get
#: fewer rows.
BUDGET = 5e11


@dataclass(frozen=True)
class PermutationImportance:
    """The rise of the logloss when fields are shuffled among rows, with 95 % intervals over repeats.

    Attributes:
        fields: By name, the rise for the field alone, the largest first.
        pairs: By names, the rise for both together less each alone, the largest size first. It is below 0 if the two
            are informative only together, so that shuffling one of them is enough to lose that; above 0 if each can
            replace the other.
        chosen: The pairs of `pairs` that the model uses, as given; the others are pairs of its most important fields.
        unmeasured: Further pairs that the model uses, for which there was no room.
        rows: Rows per repeat.
        clicks: Clicks among the rows of all repeats; with few clicks intervals are rough.
        loss: Logloss of the same rows with nothing shuffled.
        seen: True if the model was also trained on these rows, on which it looks better than on new ones.
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
        """Return the rise of the logloss by field, the largest first."""
        return {name: found.mean for name, found in self.fields.items()}

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON."""
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
        """Return the importances that `to_json` wrote.

        Raises:
            StoreError: The value has another format.
        """
        if value.get("format") != cls.FORMAT:
            raise StoreError(
                f"The importances have format {value.get('format')}, not {cls.FORMAT}; compute them again."
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
    network: Model,
    builder: FeatureBuilder,
    rows: EncodedRows,
    *,
    pairs: Iterable[Names] = (),
    most_pairs: int = MOST_PAIRS,
    rows_per_repeat: int | None = None,
    repeats: int = REPEATS,
    seed: int = 0,
    seen: bool = False,
    budget: TimeBudget = UNLIMITED,
) -> PermutationImportance:
    """Return the importance of every field, and of pairs, for a network on labelled rows it was not trained on.

    Codes, numbers and tokens are shuffled; crosses, target encodings and the logit of boosted trees are built again
    from the shuffled values. Both fields of a pair move together, by the same order as each alone. Means are weighted
    as in training.

    The cost is one pass over all drawn rows per field and pair, seconds on a processor for any model.

    Args:
        pairs: Pairs that the model uses. If there are more than `most_pairs`, those of the most important fields are
            measured; if there is room, pairs of the TOP_FIELDS most important fields too.
        rows_per_repeat: Rows per repeat, by default ROWS, or as few as BUDGET asks for. There are fewer where the data
            has fewer, so that no row is in two repeats.

    Raises:
        DataError: The rows have no labels or one class, or a pair has a field that the model does not have.
        OutOfTime: The pairs do not fit in the budget, by the time that the fields took.
    """
    if rows.labels is None:
        raise DataError("The rows have no labels, which importances need; give rows with a target column.")
    names = tuple(builder.encoder.schema.names)
    passes = len(names) + most_pairs
    size = rows_per_repeat or _affordable(network, builder, passes * repeats)
    draw = draw_rows(rows, size=max(2, min(size, _counted(rows) // repeats)), repeats=repeats, seed=seed)
    network = network.eval()
    shuffles = Shuffles(draw, builder)
    begun = time.monotonic()
    singles: list[Group] = [(place,) for place in range(len(names))]
    (alone,) = reliances([network], network, shuffles, singles)
    rise = {place: float(alone[(place,)].mean()) for place in range(len(names))}
    given = _positions(pairs, names)
    measured = _measured(given, rise, most_pairs)
    budget.check((time.monotonic() - begun) * len(measured) / len(singles))
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


def _affordable(network: Model, builder: FeatureBuilder, passes: int) -> int:
    """Return the rows per pass that BUDGET is enough for."""
    flops = measure_costs(network, builder).flops
    return min(ROWS, max(FEWEST_ROWS, int(BUDGET / (passes * flops)))) if flops else ROWS


def _counted(rows: EncodedRows) -> int:
    """Return the number of rows with a weight."""
    return len(rows) if rows.weights is None else int(np.count_nonzero(rows.weights))


def _positions(pairs: Iterable[Names], names: Names) -> set[Group]:
    where = {name: place for place, name in enumerate(names)}
    found: set[Group] = set()
    for pair in pairs:
        for name in pair:
            if name not in where:
                raise DataError(
                    f"A pair has '{name}', which is no field of the model; {nearest(name, names)}"
                )
        left, right = sorted(where[name] for name in pair)
        found.add((left, right))
    return found


def _measured(given: set[Group], rise: Mapping[int, float], most: int) -> list[Group]:
    """Return the pairs that are worth a pass: given ones of the most important fields, then others of these."""

    def order(pair: Group) -> tuple[float, Group]:
        return -sum(rise[place] for place in pair), pair

    kept = sorted(given, key=order)[:most]
    top = sorted(rise, key=lambda place: (-rise[place], place))[:TOP_FIELDS]
    others = sorted((pair for pair in combinations(sorted(top), 2) if pair not in given), key=order)
    return kept + others[: most - len(kept)]
