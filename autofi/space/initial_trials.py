"""What a space says is tried first: names of parameters and of variants that there are, and values that are offered."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from autofi.errors import SearchSpaceError, nearest
from autofi.space.parameters import Choices, FloatRange, offers

#: Names of variants that exploring found best (`supernet.variants`).
EXPLORED = ("explored-1", "explored-2")
#: Parameters with named variants, of which a table may have fewer, and what those are named.
VARIANTS = {
    "fields": ("selected", "all", "embeddings", "codes", *EXPLORED),
    "pairs": ("selected", "embeddings", "likely", "rates", "naive", *EXPLORED),
    "products": ("none", "selected"),
}


def check_starts(
    starts: Iterable[Mapping[str, Any]],
    chosen: Mapping[str, FloatRange | Choices],
    parameters: Collection[str],
) -> None:
    """Raise SearchSpaceError for a start that a search could not begin with.

    chosen       what the space has a choice of, by dotted key
    parameters   every key there may be: what a space fixes stays as it is
    """
    for start in starts:
        for key, value in start.items():
            if key in VARIANTS:
                if value not in VARIANTS[key]:
                    raise SearchSpaceError(
                        f"A start takes a variant of the {key}, not {value!r:.80}: "
                        + nearest(str(value), VARIANTS[key])
                    )
            elif key not in parameters:
                raise SearchSpaceError(
                    f"A start sets parameters of the space, not '{key}': "
                    + nearest(key, (*chosen, *VARIANTS))
                )
            elif key in chosen and not offers(chosen[key], value):
                raise SearchSpaceError(
                    f"A start takes a value that its parameter may have: found {value!r:.80} for '{key}'; "
                    "change it, or the choices."
                )
