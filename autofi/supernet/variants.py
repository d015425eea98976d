"""Named variants of all fields and of all pairs around a proposal: what trials are made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any

from autofi.operators.registry import choices_of, vector_operators
from autofi.space.architecture import Forms
from autofi.space.initial_trials import EXPLORED
from autofi.supernet.exploration import NamedSlot
from autofi.supernet.proposal import Proposal

#: The option of a pair whose cells learn a vector each, and nothing beside it.
EMBEDDED_CROSS: Forms = ("memorize_embedding",)


def field_variants(proposal: Proposal) -> dict[str, Mapping[str, Forms]]:
    """Forms of all fields: as selected, all that apply, embeddings by themselves, everything but embeddings."""
    every, vectors = proposal.all_fields, vector_operators()

    def only(embeddings: bool) -> dict[str, Forms]:
        return {
            name: tuple(form for form in forms if (form in vectors) == embeddings) or forms
            for name, forms in every.items()
        }

    found = proposal.exploration
    return _distinct(
        {"selected": proposal.fields, "all": every, "embeddings": only(True), "codes": only(False)}
        | {name: found.fields(one) for name, one in zip(EXPLORED, found.best, strict=False)}
    )


def pair_variants(proposal: Proposal, options: Sequence[Forms]) -> dict[str, Mapping[tuple[str, str], Forms]]:
    """Options of all pairs: the sure ones, the same with whatever is memorized by embeddings alone, the likely ones
    too, target statistics of many pairs, none, and what exploring found best.

    A supernet, where no path is trained for long, finds statistics as good as embeddings and takes the cheaper;
    trained from scratch, embeddings of cells that are seen often come out ahead.
    """
    found = proposal.exploration
    embedded = {
        pair: EMBEDDED_CROSS if choices_of(forms) == {"memorize"} and EMBEDDED_CROSS in options else forms
        for pair, forms in proposal.pairs.items()
    }
    return _distinct(
        {
            "selected": proposal.pairs,
            "embeddings": embedded,
            "likely": proposal.likely,
            "rates": proposal.rates,
            "naive": {},
        }
        | {name: found.pairs(one) for name, one in zip(EXPLORED, found.best, strict=False)}
    )


def variant_options(
    proposal: Proposal, slots: Sequence[NamedSlot], options: Sequence[Forms]
) -> list[tuple[int, ...]]:
    """Every variant of the fields beside every variant of the pairs, so far as the slots hold it: an option per slot.

    options   of a pair, as `pair_variants` takes them
    """
    numbers = [{frozenset(forms): number for number, forms in enumerate(offered)} for _, offered in slots]
    found = []
    for fields, pairs in product(
        field_variants(proposal).values(), pair_variants(proposal, options).values()
    ):
        forms: dict[tuple[str, ...], Forms] = {
            **{(name,): given for name, given in fields.items()},
            **{(left, right): given for (left, right), given in pairs.items()},
        }
        chosen = [
            known.get(frozenset(forms.pop(names, ())))
            for (names, _), known in zip(slots, numbers, strict=True)
        ]
        if not forms and None not in chosen:
            found.append(tuple(number for number in chosen if number is not None))
    return found


def _distinct(variants: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, variant in variants.items():
        if dict(variant) not in [dict(other) for other in found.values()]:
            found[name] = variant
    return found
