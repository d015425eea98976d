"""One point of a search space: forms of every field, operators of every pair, sizes, head and training."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from autofi.core.versioned_fields import without_defaults
from autofi.data.boosted_trees import Boosting
from autofi.data.features import Column, Pair
from autofi.errors import InvalidArchitectureError, nearest
from autofi.operators._gated_table import GatedTable
from autofi.operators.base import Sizes
from autofi.operators.registry import choices_of, get_operator, get_stream, registered_name
from autofi.space.architecture_id import architecture_id
from autofi.space.head_config import HeadSizes
from autofi.space.renamed_keys import stored_setting
from autofi.space.training_config import TrainingSettings, without_gates

#: Operators active in one slot; () is naive for a pair, and a field left out for a field.
Forms = tuple[str, ...]


@dataclass(frozen=True)
class Architecture:
    """One model and its training settings, in canonical form.

    Pairs that are naive and fields without a form are not listed. Choices that have no effect (such as the width of
    memorized crosses when no pair is memorized) are set back to their defaults, so they do not change `id`. Without any
    field and pair it is boosted trees alone.
    """

    fields: Mapping[str, Forms]
    pairs: Mapping[tuple[str, str], Forms] = field(default_factory=dict)
    sizes: Sizes = Sizes()
    head: HeadSizes = HeadSizes()
    #: The settings of every stream, by name.
    streams: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    field_sum: bool = False
    min_count: int = 2
    cross_min_count: int = 2
    cross_max_rows: int | None = None
    #: Boosted trees that predict together with the network; none by default.
    boosting: Boosting = Boosting()
    #: The pairs whose target encodings the trees read in an architecture of an earlier version, which named them. If
    #: there are none, the trees choose crosses themselves (`data.boosted_crosses`).
    boosted_pairs: tuple[tuple[str, str], ...] = ()
    training: TrainingSettings = TrainingSettings()

    def __post_init__(self) -> None:
        fields = {name: _registered(forms) for name, forms in sorted(self.fields.items()) if forms}
        pairs = {pair: _registered(forms) for pair, forms in sorted(self.pairs.items()) if forms}
        if not fields and not pairs and not self.boosting:
            raise InvalidArchitectureError("The architecture has no field and no pair; give a field a form.")
        used = {
            get_operator(name).name: get_operator(name)
            for forms in (*fields.values(), *pairs.values())
            for name in forms
        }
        for what, slots, arity in (("field", fields, 1), ("pair", pairs, 2)):
            for slot, forms in slots.items():
                for name in forms:
                    if used[name].arity != arity:
                        raise InvalidArchitectureError(
                            f"'{name}' at {slot} is no operator of a {what}; name one that is."
                        )
        self._check_branches()
        read = {name for operator in used.values() for name in operator.sizes_read}
        sizes = Sizes(
            **{name: value for name, value in dataclasses.asdict(self.sizes).items() if name in read}
        )
        boosted_pairs = tuple(sorted(set(self.boosted_pairs))) if self.boosting else ()
        head = self.head if self.head.name == "mlp" else HeadSizes(name=self.head.name, hidden=())
        if not used:
            # Trees alone: there is nothing to train.
            head = HeadSizes(name="none", hidden=())
            object.__setattr__(self, "min_count", 2)
        gated = any(issubclass(operator, GatedTable) for operator in used.values())
        training = self.training if gated else without_gates(self.training)
        training = training if used else TrainingSettings()
        cross_min_count, cross_max_rows = self.cross_min_count, self.cross_max_rows
        if "memorize_embedding" not in used:
            cross_min_count, cross_max_rows = 2, None
        for name, value in (
            ("fields", fields), ("pairs", pairs), ("sizes", sizes), ("head", head),
            ("streams", _with_all_settings(self.streams) if any(operator.vector for operator in used.values()) else {}),
            ("cross_min_count", cross_min_count), ("cross_max_rows", cross_max_rows),
            ("boosted_pairs", boosted_pairs),
            ("boosting", self._canonical_boosting(len(boosted_pairs))),
            ("field_sum", self.field_sum and bool(pairs)), ("training", training),
        ):  # fmt: skip
            object.__setattr__(self, name, value)

    def _canonical_boosting(self, named: int) -> Boosting:
        """Return the settings of the trees, with the number of the pairs that the architecture names, if any."""
        if not self.boosting:
            return Boosting()
        return replace(self.boosting, pairs=named) if named else self.boosting

    def _check_branches(self) -> None:
        if self.training.loss == "bce":
            return
        branched = [name for name in sorted(self.streams) if get_stream(name).branched]
        if len(branched) != 1 or self.head.ensemble > 1:
            raise InvalidArchitectureError(
                f"The architecture has {', '.join(branched) or 'no stream with branches'} and head.ensemble "
                f"{self.head.ensemble}, but the loss '{self.training.loss}' compares the branches of one stream, "
                "without an ensemble head; set training.loss to bce, or change one of them."
            )

    def __hash__(self) -> int:
        return hash(self.id)

    @property
    def trees_alone(self) -> bool:
        """True if it has boosted trees and no network."""
        return not self.fields and not self.pairs

    def without_network(self) -> Architecture:
        """Return its boosted trees alone; architectures with the same settings of trees give the same."""
        return Architecture(fields={}, boosting=self.boosting, boosted_pairs=self.boosted_pairs)

    @property
    def id(self) -> str:
        """The id as 16 hexadecimal digits; see `architecture_id`."""
        return architecture_id(self.to_json())

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON in canonical form."""
        return {
            "fields": {name: list(forms) for name, forms in self.fields.items()},
            "pairs": [
                {"left": left, "right": right, "forms": list(forms)}
                for (left, right), forms in self.pairs.items()
            ],
            "sizes": dataclasses.asdict(self.sizes),
            "readout": {
                stored_setting("head", key): _listed(value)
                for key, value in dataclasses.asdict(self.head).items()
            },
            "streams": _listed(
                {name: get_stream(name).without_defaults(settings) for name, settings in self.streams.items()}
            ),
            "field_sum": self.field_sum,
            "min_count": self.min_count,
            "cross_min_count": self.cross_min_count,
            "cross_max_rows": self.cross_max_rows,
            # Listed only if there are some, so that architectures of earlier versions keep their ids.
            **({"boosting": self._boosting()} if self.boosting else {}),
            "training": without_defaults(TrainingSettings, dataclasses.asdict(self.training)),
        }

    def _boosting(self) -> dict[str, Any]:
        """Return the settings of the trees, with their pairs where an earlier version named them."""
        settings = without_defaults(Boosting, dataclasses.asdict(self.boosting))
        # Without pairs the number is left out, as it was before there was one.
        pairs = [list(pair) for pair in self.boosted_pairs] or settings["pairs"]
        return {key: value for key, value in settings.items() if key != "pairs"} | (
            {"pairs": pairs} if pairs else {}
        )

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Architecture:
        """Return the architecture that `to_json` wrote.

        Raises:
            InvalidArchitectureError: The JSON is malformed.
        """
        try:
            boosting = value.get("boosting", {})
            pairs = boosting.get("pairs", 0)
            boosted_pairs = () if isinstance(pairs, int) else tuple((left, right) for left, right in pairs)
            return cls(
                fields={name: tuple(forms) for name, forms in value["fields"].items()},
                pairs={(pair["left"], pair["right"]): tuple(pair["forms"]) for pair in value["pairs"]},
                sizes=Sizes(**value["sizes"]),
                head=_head(value["readout"]),
                streams=value["streams"],
                field_sum=bool(value["field_sum"]),
                min_count=int(value["min_count"]),
                cross_min_count=int(value["cross_min_count"]),
                cross_max_rows=value.get("cross_max_rows"),
                boosting=Boosting(**{**boosting, "pairs": len(boosted_pairs) or pairs or 0}),
                boosted_pairs=boosted_pairs,
                training=TrainingSettings(**value["training"]),
            )
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise InvalidArchitectureError(
                f"The architecture is not the JSON that AutoFI wrote ({type(error).__name__}: {error}); "
                "restore the file."
            ) from error

    def choice(self, left: str, right: str) -> tuple[str, str]:
        """Return a pair's choice ("memorize", "factorize" or "naive") and its form, with a plus between two of them."""
        forms = self.pairs.get((left, right)) or self.pairs.get((right, left)) or ()
        if not forms:
            return "naive", ""
        choices = sorted(choices_of(forms), reverse=True)
        return "+".join(choices), "+".join(name.split("_", 1)[1] for name in forms)

    def chosen_streams(self) -> list[dict[str, Any]]:
        """Return the streams by name, each with the settings that differ from its defaults."""
        return [
            {
                "name": name,
                "settings": {
                    key: _listed(value)
                    for key, value in settings.items()
                    if value != getattr(get_stream(name).Settings(), key)
                },
            }
            for name, settings in self.streams.items()
        ]

    def layout(self, names: Sequence[str]) -> dict[str, list[Column]]:
        """Return the slots of every operator, as positions in `names`."""
        layout: dict[str, list[Column]] = {}
        slots: list[tuple[tuple[str, ...], Forms]] = [((name,), forms) for name, forms in self.fields.items()]
        slots += [(pair, forms) for pair, forms in self.pairs.items()]
        columns = _columns([slot for slot, _ in slots], names)
        for column, (_, forms) in zip(columns, slots, strict=True):
            for operator in forms:
                layout.setdefault(operator, []).append(column)
        return {operator: sorted(slots) for operator, slots in sorted(layout.items())}

    def named_boosted_pairs(self, names: Sequence[str]) -> list[Pair] | None:
        """Return the pairs of the boosted trees as positions in `names`; None if the trees choose crosses."""
        found = sorted(_columns(self.boosted_pairs, names))
        return [(left, right) for left, right in found] or None

    def describe(self) -> str:
        """Return a summary of one line for people."""
        if self.trees_alone:
            return "boosted trees alone"
        counts: dict[str, int] = {}
        for left, right in self.pairs:
            choice = self.choice(left, right)[0]
            counts[choice] = counts.get(choice, 0) + 1
        pairs = ", ".join(f"{count} {choice}d" for choice, count in sorted(counts.items())) or "no pair"
        network = "-".join(map(str, self.head.hidden)) if self.head.name == "mlp" else self.head.name
        if self.head.name == "mlp" and self.head.ensemble > 1:
            network += f" in an ensemble of {self.head.ensemble}"
        trees = ["boosted trees"] if self.boosting else []
        return ", ".join([f"{len(self.fields)} fields", pairs, network, *self.streams, *trees])


def _columns(slots: Sequence[tuple[str, ...]], names: Sequence[str]) -> list[Column]:
    """Return the positions of each slot's fields in `names`, rising.

    Raises:
        InvalidArchitectureError: A field is not among the names.
    """
    where = {name: position for position, name in enumerate(names)}
    for slot in slots:
        for name in slot:
            if name not in where:
                raise InvalidArchitectureError(
                    f"The data has no field '{name}', which the architecture uses: {nearest(name, names)}"
                )
    return [tuple(sorted(where[name] for name in slot)) for slot in slots]


def _head(stored: Mapping[str, Any]) -> HeadSizes:
    settings = {field.name: stored_setting("head", field.name) for field in dataclasses.fields(HeadSizes)}
    names = {stored: name for name, stored in settings.items()}
    found = {names.get(key, key): value for key, value in stored.items()}
    return HeadSizes(**{**found, "hidden": tuple(found["hidden"])})


def _registered(forms: Forms) -> Forms:
    return tuple(sorted(map(registered_name, forms)))


def _with_all_settings(streams: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return every stream by its registered name, with all its settings: those not given at their defaults."""
    return {
        name: dataclasses.asdict(get_stream(name).settings_of(settings))
        for name, settings in sorted({registered_name(key): found for key, found in streams.items()}.items())
    }


def _listed(value: Any) -> Any:
    """Return the value as JSON has it, with lists for tuples."""
    if isinstance(value, Mapping):
        return {key: _listed(one) for key, one in value.items()}
    return [_listed(one) for one in value] if isinstance(value, list | tuple) else value
