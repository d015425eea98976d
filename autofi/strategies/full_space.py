"""Candidates without a proposal: every field and pair has its own parameter, or shares of a ranking do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution

from autofi.core.option_names import DEFAULT_SAMPLER
from autofi.objectives.objectives import Direction
from autofi.operators.registry import choices_of
from autofi.space.architecture import Architecture, Forms
from autofi.space.optuna_distributions import decode, defaults, distributions, forms_label, parameter_names
from autofi.space.resolve import resolve
from autofi.space.search_space import SearchSpace, subsets
from autofi.strategies.candidates import Candidates
from autofi.supernet.proposal import Proposal
from autofi.supernet.propose_without_supernet import OWN_PARAMETERS

#: The choices of a pair besides naive.
KINDS = ("memorize", "factorize")

Pairs = dict[tuple[str, str], Forms]


class FreeCandidates(Candidates):
    """Architectures of the whole space, without any ranking by a supernet.

    A field is a parameter `field NAME`, a pair one `LEFT × RIGHT`, as in `parameter_names`. With more than
    OWN_PARAMETERS pairs, the shares `memorize` and `factorize` tell how much of the screen's ranking of that kind is
    memorized or factorized, and `memorize as` and `factorize as` by which operators; the architecture of the trial's
    record has the choice of every pair.
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
        self._fields = {
            name: {
                forms_label(forms): forms for forms in (subsets(every) if space.fields.search else (every,))
            }
            for name, every in proposal.all_fields.items()
        }
        self._asked = tuple(proposal.screening_scores)
        self._fixed = dict(proposal.pairs)
        self._options = {forms_label(forms): forms for forms in space.pairs.options}
        #: By kind, its operators for a pair, and the pairs from the best of that kind on.
        self._ways = {
            kind: {label: forms for label, forms in self._options.items() if choices_of(forms) == {kind}}
            for kind in KINDS
        }
        self._ranked = {
            kind: sorted(self._asked, key=lambda pair: -proposal.screening_scores[pair][number])
            for number, kind in enumerate(KINDS)
        }
        free = [name for name, forms in self._fields.items() if len(forms) > 1]
        labels = [f"field {name}" for name in free]
        labels += [] if self._wide else [" × ".join(pair) for pair in self._asked]
        taken = (*space.parameters(), *KINDS, *(f"{kind} as" for kind in KINDS))
        # The parameter of every field and pair.
        self._names: dict[str | tuple[str, str], str] = dict(
            zip((*free, *self._asked), parameter_names(labels, taken), strict=False)
        )
        added = self._field_parameters() | self._pair_parameters()
        super().__init__(
            distributions(space, {}) | {key: found for key, (found, _) in added.items()},
            defaults(space, {}) | {key: first for key, (_, first) in added.items()},
            sampler=sampler,
            directions=directions,
        )

    def architecture(self, parameters: Mapping[str, Any]) -> Architecture:
        """Return the architecture of some parameters; those not named take their defaults."""
        chosen = {**self.defaults, **parameters}
        return resolve(
            self.space,
            fields={
                name: forms[chosen[self._names[name]] if name in self._names else next(reversed(forms))]
                for name, forms in self._fields.items()
            },
            pairs=self._by_share(chosen) if self._wide else self._by_pair(chosen),
            parameters=decode(self.space, chosen),
        )

    @property
    def _wide(self) -> bool:
        return len(self._asked) > OWN_PARAMETERS

    def _field_parameters(self) -> dict[str, tuple[BaseDistribution, Any]]:
        return {
            self._names[name]: (CategoricalDistribution(list(forms)), next(reversed(forms)))
            for name, forms in self._fields.items()
            if len(forms) > 1
        }

    def _pair_parameters(self) -> dict[str, tuple[BaseDistribution, Any]]:
        labels = list(self._options)
        if not self._wide:
            return {self._names[pair]: (CategoricalDistribution(labels), labels[0]) for pair in self._asked}
        found: dict[str, tuple[BaseDistribution, Any]] = {}
        for kind, ways in self._ways.items():
            if ways:
                found[kind] = (FloatDistribution(0.0, 1.0), 0.0)
            if len(ways) > 1:
                found[f"{kind} as"] = (CategoricalDistribution(list(ways)), next(iter(ways)))
        return found

    def _by_pair(self, chosen: Mapping[str, Any]) -> Pairs:
        found = {pair: self._options[chosen[self._names[pair]]] for pair in self._asked}
        return self._fixed | {pair: forms for pair, forms in found.items() if forms}

    def _by_share(self, chosen: Mapping[str, Any]) -> Pairs:
        """Return pairs by their shares of the rankings; a pair in both shares is memorized."""
        found: Pairs = dict(self._fixed)
        for kind in reversed(KINDS):
            if ways := self._ways[kind]:
                forms = ways[chosen.get(f"{kind} as", next(iter(ways)))]
                count = round(chosen[kind] * len(self._asked))
                found |= dict.fromkeys(self._ranked[kind][:count], forms)
        return found
