"""Candidates around a proposal: named variants of fields and pairs, and the parameters of the space."""

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
from autofi.strategies.unselected import BEFORE_PROPOSAL, USUAL, divide_starts
from autofi.supernet.proposal import Proposal
from autofi.supernet.variants import field_variants, named_fields, named_pairs, pair_variants

#: Sets of names of the fields that are multiplied.
Products = tuple[tuple[str, ...], ...]
#: The number of sets of streams that are tried because the supernet ranks them best.
BEST_STREAMS = 2
#: Variants that a supernet ranks too low on sparse tables, where no path is trained for long.
SPARSE = ({"pairs": "rates"}, {"fields": "codes"})


class ProposedCandidates(Candidates):
    """Architectures around a proposal: the parameters of the space, and named variants of fields and of pairs.

    A variant is one parameter of the study (`fields`, `pairs`, `products`), whatever number of choices it stands for,
    so that a study of a wide table stays readable. With `around` False, the proposal is the only variant.
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
        self.learned_sizes = proposal.learned_sizes
        self.streams = proposal.streams
        self._explored = explored_starts(proposal, self.fields, self.pairs)
        self._selects = proposal.selects
        self._aliases = {
            "fields": _aliases(named_fields(proposal), self.fields),
            "pairs": _aliases(named_pairs(proposal, space.pairs.options), self.pairs),
        }
        super().__init__(
            distributions(space, named), defaults(space, named), sampler=sampler, directions=directions
        )

    def architecture(self, parameters: Mapping[str, Any]) -> Architecture:
        """Return the architecture of some parameters; variants not named are the proposal itself."""
        products = self.products[parameters.get("products", "none")]
        return resolve(
            self.space,
            fields=self._with_codes(self.fields[parameters.get("fields", "selected")], products),
            pairs=self.pairs[parameters.get("pairs", "selected")],
            parameters=decode(self.space, parameters),
            streams={SelectedProducts.name: {"crosses": products, "dim": self._dim}} if products else {},
        )

    def _with_codes(self, fields: Mapping[str, Forms], products: Products) -> dict[str, Forms]:
        """Return the forms, with one that has codes added for fields that are multiplied."""
        multiplied = {name for names in products for name in names}
        return {
            name: forms + self._coded[name][:1]
            if name in multiplied and not set(forms) & set(self._coded[name])
            else forms
            for name, forms in fields.items()
        }

    def starts(self) -> list[dict[str, Any]]:
        """Return the trials before the sampler proposes.

        They are the defaults, so that what was selected is tried even in a search of two trials, the first starts that
        need no selection, most of which are trained before the proposal, then the best explored ones, selected
        products, learned widths, the space's starts around what is selected, and its other starts. Where nothing is
        selected, all that need no selection come first. A variant that this data does not have (no pair is likely, say)
        is left out of its start; a start that needs no selection is left out with it.
        """
        products = [{"products": "selected"}] if "selected" in self.products else []
        free, around = divide_starts(self.space)
        free, usual = ([start for start in starts if self._has(start)] for starts in (free, USUAL))
        first = [{}, *free[:BEFORE_PROPOSAL]] if self._selects else [*free, {}]
        others = (*self._explored[:1], *products, self.learned_sizes, *around, *free, *usual)
        found: list[dict[str, Any]] = []
        for start in (*first, *others):
            chosen = self.named(start)
            if chosen not in found:
                found.append(chosen)
        return found

    def _has(self, start: Mapping[str, Any]) -> bool:
        """Return True if this data has the variants that a start names."""
        return all(start[key] in names for key, names in self._aliases.items())

    def named(self, start: Mapping[str, Any]) -> dict[str, Any]:
        """Return the point of a start: what it does not set, and what this data does not offer, is at its default."""
        return {**self.defaults, **self._offered(start)}

    def steps(self) -> list[dict[str, Any]]:
        """Return steps: variants for sparse data, the streams that the supernet ranks best, then every other variant.

        The variants for sparse data are target encodings of many pairs, then no embeddings.
        """
        named = {"streams": self.streams[:BEST_STREAMS], "pairs": self.pairs, "fields": self.fields}
        every: list[Mapping[str, Any]] = [{key: value} for key, values in named.items() for value in values]
        found: list[dict[str, Any]] = []
        for change in map(self._offered, (*SPARSE, *every)):
            if change and change not in found:
                found.append(change)
        return found

    def _offered(self, start: Mapping[str, Any]) -> dict[str, Any]:
        """Return the values of a start that this data offers, by the labels of the study."""
        offered: dict[str, Collection[Any]] = {
            "fields": self.fields,
            "pairs": self.pairs,
            "products": self.products,
        }
        named = {
            key: self._aliases.get(key, {}).get(value, label(value))
            for key, value in ((key, label(value)) for key, value in start.items())
            if key in self.defaults
        }
        return {key: value for key, value in named.items() if value in offered.get(key, [value])}


def product_variants(proposal: Proposal) -> dict[str, Products]:
    """Return the variants of products: none, and the selected ones if there are any."""
    return {"none": (), "selected": proposal.products} if proposal.products else {"none": ()}


def explored_starts(
    proposal: Proposal,
    fields: Mapping[str, Mapping[str, Forms]],
    pairs: Mapping[str, Mapping[tuple[str, str], Forms]],
) -> list[dict[str, Any]]:
    """Return the best explored architectures by the variants that hold them; equal variants may share a name."""
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


def _aliases(
    named: Mapping[str, Mapping[Any, Forms]], offered: Mapping[str, Mapping[Any, Forms]]
) -> dict[str, str]:
    """Return, by the name of every variant, the name of the equal one that is offered."""
    found = {name: _name_of(variant, offered) for name, variant in named.items()}
    return {name: other for name, other in found.items() if other is not None}
