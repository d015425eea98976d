"""Named variants of all fields and of all pairs around a proposal, which trials combine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any

from autofi.operators.registry import choices_of, vector_operators
from autofi.space.architecture import Forms
from autofi.space.initial_trials import EXPLORED
from autofi.supernet.exploration import NamedSlot
from autofi.supernet.proposal import Proposal

#: The option of a pair that learns one vector per cell and has nothing else.
EMBEDDED_CROSS: Forms = ("memorize_embedding",)
#: The option of a pair that has target encodings alone, and the most pairs that get them together.
TARGET_ENCODED: Forms = ("memorize_statistics",)
MOST_TARGET_ENCODED = 60
#: The option of a pair that has the products of two vectors, elementwise.
FACTORIZED: Forms = ("factorize_hadamard",)
#: The variants that treat all pairs alike: target encodings of the first ones, their products, and embeddings of the
#: cells of those with enough rows.
ALL_TARGET_ENCODED, ALL_FACTORIZED, ALL_MEMORIZED = "all_target_encoded", "all_factorized", "all_memorized"

Fields = Mapping[str, Forms]
Pairs = Mapping[tuple[str, str], Forms]


def field_variants(proposal: Proposal) -> dict[str, Fields]:
    """Return different variants of all fields' forms: see `named_fields`."""
    return _distinct(named_fields(proposal))


def pair_variants(proposal: Proposal, options: Sequence[Forms]) -> dict[str, Pairs]:
    """Return different variants of all pairs' options: see `named_pairs`."""
    return _distinct(named_pairs(proposal, options))


def named_fields(proposal: Proposal) -> dict[str, Fields]:
    """Return variants of all fields' forms: selected, all that apply, only embeddings, no embeddings, explored."""
    found = proposal.exploration
    return (
        {"selected": proposal.fields}
        | unselected_fields(proposal)
        | {name: found.fields(one) for name, one in zip(EXPLORED, found.best, strict=False)}
    )


def unselected_fields(proposal: Proposal) -> dict[str, Fields]:
    """Return the variants of fields that need no selection: all forms, only embeddings, no embeddings."""
    every, vectors = proposal.all_fields, vector_operators()

    def only(embeddings: bool) -> dict[str, Forms]:
        return {
            name: tuple(form for form in forms if (form in vectors) == embeddings) or forms
            for name, forms in every.items()
        }

    return {"all": every, "embeddings": only(True), "codes": only(False)}


def unselected_pairs(proposal: Proposal, options: Sequence[Forms]) -> dict[str, Pairs]:
    """Return the variants of pairs that need no selection: none, and those that treat the first pairs alike.

    Embeddings of cells are for `Proposal.dense_pairs`. A variant without any pair is left out, and so are those that
    the trials of an earlier version's proposal did not know.
    """
    first = proposal.ranked_pairs[:MOST_TARGET_ENCODED]
    alike = {ALL_TARGET_ENCODED: (first, TARGET_ENCODED)}
    if proposal.dense_pairs is not None:
        alike |= {ALL_FACTORIZED: (first, FACTORIZED), ALL_MEMORIZED: (proposal.dense_pairs, EMBEDDED_CROSS)}
    return {"naive": {}} | {
        name: dict.fromkeys(pairs, option)
        for name, (pairs, option) in alike.items()
        if pairs and option in options
    }


def named_pairs(proposal: Proposal, options: Sequence[Forms]) -> dict[str, Pairs]:
    """Return variants of all pairs' options, by name.

    They are the sure ones, the sure ones with only embeddings where something is memorized, the likely ones, target
    encodings of many pairs with the likely embeddings, the variants that need no selection, and those that exploring
    ranked best.

    In a supernet, where no path is trained for long, target encodings look as good as embeddings and win because they
    are cheaper; trained from scratch, embeddings of cells that are seen often come out ahead.
    """
    found = proposal.exploration
    embedded = {
        pair: EMBEDDED_CROSS if choices_of(forms) == {"memorize"} and EMBEDDED_CROSS in options else forms
        for pair, forms in proposal.pairs.items()
    }
    # By the names that trials store: see `space.renamed_keys`.
    return (
        {
            "selected": proposal.pairs,
            "embeddings": embedded,
            "likely": proposal.probable_pairs,
            "rates": proposal.target_encoded_pairs,
        }
        | unselected_pairs(proposal, options)
        | {name: found.pairs(one) for name, one in zip(EXPLORED, found.best, strict=False)}
    )


def variant_options(
    proposal: Proposal, slots: Sequence[NamedSlot], options: Sequence[Forms]
) -> list[tuple[int, ...]]:
    """Return one option per slot for every variant of fields and pairs together that the slots hold.

    Args:
        options: The options of a pair, as for `pair_variants`.
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
