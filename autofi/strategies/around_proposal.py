"""Candidates around a proposal: named variants of fields and pairs beside the parameters of the space."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from autofi.core.option_names import DEFAULT_SAMPLER
from autofi.objectives.objectives import Direction
from autofi.operators.registry import coded_operators
from autofi.operators.selected_products import SelectedProducts
from autofi.space.architecture import Architecture, Forms
from autofi.space.initial_trials import EXPLORED
from autofi.space.optuna_distributions import decode, defaults, distributions
from autofi.space.parameters import label
from autofi.space.resolve import resolve
from autofi.space.search_space import SearchSpace
from autofi.strategies.candidates import Candidates
from autofi.supernet.proposal import Proposal
from autofi.supernet.variants import field_variants, pair_variants

#: Sets of fields that are multiplied, by name.
Products = tuple[tuple[str, ...], ...]
#: Sets of streams that are tried because the supernet ranks them best.
BEST_STREAMS = 2
#: Where a search begins that asks no supernet: what was selected has to come out ahead of it.
UNSELECTED = {"fields": "all", "pairs": "naive"}
#: What a supernet judges too low on sparse tables, where no path is trained for long.
SPARSE = ({"pairs": "rates"}, {"fields": "codes"})


class ProposedCandidates(Candidates):
    """Architectures around a proposal: the parameters of the space, and named variants of fields and of pairs.

    A variant is one parameter (`fields`, `pairs`, `products`) of the study, whatever number of choices it stands for,
    so that a study of a wide table stays readable. Not `around` the proposal, it is the only variant.
    """

    def __init__(
        self,
        space: SearchSpace,
        proposal: Proposal,
        *,
        sampler: str = DEFAULT_SAMPLER,
        directions: Sequence[Direction] = ("maximize",),
        around: bool = True,
    ) -> None:
        self.space = space
        variants = around and space.fields.search
        self.fields = field_variants(proposal) if variants else {"selected": proposal.fields}
        variants = around and space.pairs.searched
        self.pairs = (
            pair_variants(proposal, space.pairs.options) if variants else {"selected": proposal.pairs}
        )
        self.products: dict[str, Products] = product_variants(proposal) if around else {"none": ()}
        self._dim = space.products.dim if space.products else 0
        self._coded = {
            name: tuple(form for form in forms if form in coded_operators())
            for name, forms in proposal.all_fields.items()
        }
        named = {
            "fields": tuple(self.fields),
            "pairs": tuple(self.pairs),
            "products": tuple(self.products),
        }
        self.widths = proposal.widths
        self.streams = proposal.streams
        self._explored = explored_starts(proposal, self.fields, self.pairs)
        super().__init__(
            distributions(space, named), defaults(space, named), sampler=sampler, directions=directions
        )

    def architecture(self, parameters: Mapping[str, Any]) -> Architecture:
        """The architecture of some parameters; variants not named are the proposal itself."""
        products = self.products[parameters.get("products", "none")]
        return resolve(
            self.space,
            fields=self._with_codes(self.fields[parameters.get("fields", "selected")], products),
            pairs=self.pairs[parameters.get("pairs", "selected")],
            parameters=decode(self.space, parameters),
            streams={SelectedProducts.name: {"crosses": products, "dim": self._dim}} if products else {},
        )

    def _with_codes(self, fields: Mapping[str, Forms], products: Products) -> dict[str, Forms]:
        """The same forms, and of fields that are multiplied one that has codes."""
        multiplied = {name for names in products for name in names}
        return {
            name: forms + self._coded[name][:1]
            if name in multiplied and not set(forms) & set(self._coded[name])
            else forms
            for name, forms in fields.items()
        }

    def starts(self) -> list[dict[str, Any]]:
        """What is tried before the engine proposes: the defaults, what exploring found best, selected products, what
        there is without a supernet, learned widths, then the space's own starts.

        A variant that this data does not have (no pair is likely, say) is left out of its start.
        """
        found = [self.defaults]
        products = [{"products": "selected"}] if "selected" in self.products else []
        for start in (*self._explored[:1], *products, UNSELECTED, self.widths, *self.space.starts):
            chosen = {**self.defaults, **self._offered(start)}
            if chosen not in found:
                found.append(chosen)
        return found

    def steps(self) -> list[dict[str, Any]]:
        """Target statistics of many pairs, then no embeddings, as sparse data asks for; the streams that the supernet
        ranks best; then every other variant."""
        named = {"streams": self.streams[:BEST_STREAMS], "pairs": self.pairs, "fields": self.fields}
        every: list[Mapping[str, Any]] = [{key: value} for key, values in named.items() for value in values]
        found: list[dict[str, Any]] = []
        for change in map(self._offered, (*SPARSE, *every)):
            if change and change not in found:
                found.append(change)
        return found

    def _offered(self, start: Mapping[str, Any]) -> dict[str, Any]:
        """What this data has of a start, by the labels of the study."""
        offered: dict[str, Collection[Any]] = {
            "fields": self.fields,
            "pairs": self.pairs,
            "products": self.products,
        }
        named = {key: label(value) for key, value in start.items() if key in self.defaults}
        return {key: value for key, value in named.items() if value in offered.get(key, [value])}


def product_variants(proposal: Proposal) -> dict[str, Products]:
    """None, and what was selected where anything was."""
    return {"none": (), "selected": proposal.products} if proposal.products else {"none": ()}


def explored_starts(
    proposal: Proposal,
    fields: Mapping[str, Mapping[str, Forms]],
    pairs: Mapping[str, Mapping[tuple[str, str], Forms]],
) -> list[dict[str, Any]]:
    """What exploring found best, by the variants that hold it; a variant may have another name where two are alike."""
    found = proposal.exploration
    starts = []
    for one in found.best[: len(EXPLORED)]:
        streams = found.streams_of(one)
        starts.append(
            {"fields": _name_of(found.fields(one), fields), "pairs": _name_of(found.pairs(one), pairs)}
            | ({} if streams is None else {"streams": streams})
        )
    return starts


def _name_of(wanted: Mapping[Any, Forms], variants: Mapping[str, Mapping[Any, Forms]]) -> str | None:
    return next((name for name, variant in variants.items() if dict(variant) == dict(wanted)), None)
