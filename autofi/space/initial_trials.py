"""The trials that a space asks for first, with checks of their parameters, variants and values."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from autofi.errors import SearchSpaceError, nearest
from autofi.space.parameters import Choices, FloatRange, offers
from autofi.space.renamed_keys import current_key, current_variant

#: Names of the variants that exploring ranked best (`supernet.variants`).
EXPLORED = ("explored-1", "explored-2")
#: Names of the variants that need no selection, by parameter.
UNSELECTED = {
    "fields": ("all", "embeddings", "codes"),
    "pairs": ("naive", "all_target_encoded", "all_factorized", "all_memorized"),
}
#: Parameters with named variants, and the variants' names; a table may have fewer of them.
VARIANTS = {
    "fields": ("selected", *UNSELECTED["fields"], *EXPLORED),
    "pairs": ("selected", "embeddings", "likely", "rates", *UNSELECTED["pairs"], *EXPLORED),
    "products": ("none", "selected"),
}


def check_starts(
    starts: Iterable[Mapping[str, Any]],
    chosen: Mapping[str, FloatRange | Choices],
    parameters: Collection[str],
) -> None:
    """Check the trials that a space asks for first.

    Args:
        chosen: Choices of the space, by dotted key.
        parameters: Every possible key; a parameter that the space fixes keeps its value.

    Raises:
        SearchSpaceError: A search could not begin with a start.
    """
    for start in starts:
        for key, value in start.items():
            if key in VARIANTS:
                if value not in VARIANTS[key]:
                    raise SearchSpaceError(
                        f"A start has {value!r:.80} for {key}, which is no variant: "
                        + nearest(str(value), [current_variant(key, name) for name in VARIANTS[key]])
                    )
            elif key not in parameters:
                raise SearchSpaceError(
                    f"A start sets '{current_key(key)}', which is no parameter of the space: "
                    + nearest(current_key(key), (*map(current_key, chosen), *VARIANTS))
                )
            elif key in chosen and not offers(chosen[key], value):
                raise SearchSpaceError(
                    f"A start has {value!r:.80} for '{current_key(key)}', which is not among its choices; "
                    "change it, or the choices."
                )
