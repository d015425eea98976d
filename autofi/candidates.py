"""The candidates of a study: from a proposal, and what is measured so far, to the next architecture to train."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from autofi.engine.base import Known, Question
from autofi.engine.registry import DEFAULT_SAMPLER, check_sampler, propose
from autofi.objectives import Direction
from autofi.operators.registry import choices_of, coded_operators, vector_operators
from autofi.operators.selected_products import SelectedProducts
from autofi.space.architecture import Architecture, Forms
from autofi.space.encoding import decode, defaults, distributions, label
from autofi.space.resolve import resolve
from autofi.space.search_space import SearchSpace
from autofi.supernet.proposal import Proposal

#: The option of a pair whose cells learn a vector each, and nothing beside it.
EMBEDDED_CROSS: Forms = ("memorize_embedding",)
#: Sets of fields that are multiplied, by name.
Products = tuple[tuple[str, ...], ...]
#: Variants of the pairs that hold no pair but the sure ones.
SURE_PAIRS = ("selected", "embeddings")
#: Sets of streams that are tried because the supernet ranks them best.
BEST_STREAMS = 2
#: Draws of a new point before the engine is taken to have run out of architectures.
DRAWS = 20


class Candidates:
    """Architectures around a proposal: the parameters of the space, and named variants of fields and of pairs.

    A variant is one parameter (`fields`, `pairs`, `products`) of the study, whatever number of choices it stands for,
    so that a study of a wide table stays readable.
    """

    def __init__(
        self,
        space: SearchSpace,
        proposal: Proposal,
        *,
        sampler: str = DEFAULT_SAMPLER,
        directions: Sequence[Direction] = ("maximize",),
    ) -> None:
        self.space = space
        self.fields = field_variants(proposal) if space.fields.search else {"selected": proposal.fields}
        self.pairs = (
            pair_variants(proposal, space.pairs.options)
            if space.pairs.searched
            else {"selected": proposal.pairs}
        )
        self.products = product_variants(proposal)
        self._dim = space.products.dim if space.products else 0
        self._coded = {
            name: tuple(form for form in forms if form in coded_operators())
            for name, forms in proposal.all_fields.items()
        }
        variants = {
            "fields": tuple(self.fields),
            "pairs": tuple(self.pairs),
            "products": tuple(self.products),
        }
        self.distributions = distributions(space, variants)
        self.defaults = defaults(space, variants)
        self.widths = proposal.widths
        self.streams = proposal.streams
        self._sampler, self._directions = sampler, directions
        check_sampler(sampler, self._question([], 0))

    def _question(self, known: Sequence[Known], seed: int) -> Question:
        return Question(self.distributions, self.defaults, known, self._directions, seed)

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
        """What is tried before the engine proposes: the defaults, selected products, learned widths, the streams that
        the supernet ranks best, then the space's own starts.

        A variant that this data does not have (no pair is likely, say) is left out of its start.
        """
        offered: dict[str, Collection[Any]] = {
            "fields": self.fields,
            "pairs": self.pairs,
            "products": self.products,
        }
        found = [self.defaults]
        inherited = [{"streams": streams} for streams in self.streams[:BEST_STREAMS]]
        products = [{"products": "selected"}] if "selected" in self.products else []
        for start in (*products, self.widths, *inherited, *self.space.starts):
            named = {key: label(value) for key, value in start.items() if key in self.defaults}
            kept = {key: value for key, value in named.items() if value in offered.get(key, [value])}
            chosen = {**self.defaults, **kept}
            if chosen not in found:
                found.append(chosen)
        return found

    def start(self, seen: Collection[str]) -> tuple[dict[str, Any], Architecture] | None:
        """The first of the starts that is not `seen` by id; None when they are over."""
        for parameters in self.starts():
            architecture = self.architecture(parameters)
            if architecture.id not in seen:
                return dict(parameters), architecture
        return None

    def several(
        self,
        known: Sequence[Known],
        seen: set[str],
        *,
        most: int,
        seed: int,
    ) -> list[tuple[dict[str, Any], Architecture]]:
        """At most `most` different candidates to train at once."""
        found: list[tuple[dict[str, Any], Architecture]] = []
        while len(found) < most:
            pending = {architecture.id for _, architecture in found}
            candidate = self.next(known, seen | pending, seed=seed)
            if candidate is None:
                break
            found.append(candidate)
        return found

    def next(
        self,
        known: Sequence[Known],
        seen: set[str],
        *,
        seed: int,
    ) -> tuple[dict[str, Any], Architecture] | None:
        """Parameters and architecture of the next candidate that is not `seen` by id; None when there is none."""
        start = self.start(seen)
        if start is not None:
            return start
        for draw in range(DRAWS):
            parameters = propose(self._sampler, self._question(known, seed + 7919 * draw))
            architecture = self.architecture(parameters)
            if architecture.id not in seen:
                return parameters, architecture
        return None


def field_variants(proposal: Proposal) -> dict[str, Mapping[str, Forms]]:
    """Forms of all fields: as selected, all that apply, embeddings by themselves, everything but embeddings."""
    every, vectors = proposal.all_fields, vector_operators()

    def only(embeddings: bool) -> dict[str, Forms]:
        return {
            name: tuple(form for form in forms if (form in vectors) == embeddings) or forms
            for name, forms in every.items()
        }

    return _distinct(
        {"selected": proposal.fields, "all": every, "embeddings": only(True), "codes": only(False)}
    )


def pair_variants(proposal: Proposal, options: Sequence[Forms]) -> dict[str, Mapping[tuple[str, str], Forms]]:
    """Options of all pairs: the sure ones, the same with whatever is memorized by embeddings alone, the likely ones
    too, target statistics of many pairs, and none.

    A supernet, where no path is trained for long, finds statistics as good as embeddings and takes the cheaper;
    trained from scratch, embeddings of cells that are seen often come out ahead.
    """
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
    )


def product_variants(proposal: Proposal) -> dict[str, Products]:
    """None, and what was selected where anything was."""
    return {"none": (), "selected": proposal.products} if proposal.products else {"none": ()}


def _distinct(variants: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, variant in variants.items():
        if dict(variant) not in [dict(other) for other in found.values()]:
            found[name] = variant
    return found
