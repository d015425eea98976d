"""Resolution of a space, chosen parameters and chosen options to an architecture."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from autofi.data.boosted_trees import Boosting
from autofi.operators.base import Shapes, Sizes
from autofi.operators.registry import get_operator
from autofi.space.architecture import Architecture, Forms
from autofi.space.head_config import HeadSizes
from autofi.space.search_space import SearchSpace
from autofi.space.training_config import TrainingSettings


def resolve(
    space: SearchSpace,
    *,
    fields: Mapping[str, Forms],
    pairs: Mapping[tuple[str, str], Forms],
    parameters: Mapping[str, Any] | None = None,
    streams: Mapping[str, Mapping[str, Any]] | None = None,
) -> Architecture:
    """Return the architecture with these forms and options; parameters not given take their defaults.

    Args:
        streams: Streams in addition to those of the parameters.
    """
    chosen = parameters or {}

    def section(name: str, keys: Iterable[str]) -> dict[str, Any]:
        return {key: space.value(f"{name}.{key}", chosen) for key in keys}

    boosting = Boosting(**section("boosting", space.boosting))
    return Architecture(
        fields=fields,
        pairs=pairs,
        sizes=Sizes(**section("sizes", space.sizes)),
        head=HeadSizes(**section("head", space.head)),
        streams={**space.value("streams", chosen), **(streams or {})},
        field_sum=space.field_sum,
        min_count=int(space.value("min_count", chosen)),
        cross_min_count=int(space.value("cross_min_count", chosen)),
        cross_max_rows=space.cross_max_rows,
        boosting=boosting,
        training=TrainingSettings(**section("training", space.training)),
    )


def applicable_forms(space: SearchSpace, shapes: Shapes) -> dict[str, Forms]:
    """Return, by field, the space's forms whose input the field has; only the first where the space says so."""
    found = {
        name: tuple(form for form in space.fields.forms if get_operator(form).applies((position,), shapes))
        for position, name in enumerate(shapes.names)
    }
    return {name: forms[:1] for name, forms in found.items()} if space.fields.first else found
