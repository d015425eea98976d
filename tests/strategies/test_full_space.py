"""Candidates without a proposal: all of the space can be reached, and of many pairs shares of a ranking are asked."""

from __future__ import annotations

from itertools import combinations, product

import pytest
from optuna.distributions import CategoricalDistribution

from autofi.operators.registry import choices_of
from autofi.samplers.base import ObservedTrial
from autofi.space.architecture import Architecture
from autofi.space.load import load_space
from autofi.space.search_space import SearchSpace
from autofi.strategies.full_space import FreeCandidates
from autofi.supernet.proposal import Proposal
from autofi.supernet.propose_without_supernet import OWN_PARAMETERS

SPACE = load_space("optinter")
FORMS = {"ad": ("embedding", "statistics"), "site": ("embedding",)}
PAIR = ("ad", "site")


def asked(pairs: dict[tuple[str, str], tuple[float, float]]) -> Proposal:
    return Proposal(FORMS, FORMS, {}, {}, {}, screening_scores=pairs)


def test_fields_and_pairs_are_parameters_of_their_own() -> None:
    candidates = FreeCandidates(SPACE, asked({PAIR: (0.0, 0.0)}))
    assert {"field ad", "ad × site"} <= candidates.distributions.keys()
    assert "field site" not in candidates.distributions  # it has one form
    first = candidates.architecture(candidates.defaults)
    assert dict(first.fields) == FORMS and not first.pairs


def test_every_architecture_of_the_space_can_be_reached() -> None:
    candidates = FreeCandidates(SPACE, asked({PAIR: (0.0, 0.0)}))
    choices = {
        key: found.choices
        for key, found in candidates.distributions.items()
        if isinstance(found, CategoricalDistribution) and key in ("field ad", "ad × site")
    }
    found = {
        (architecture.fields["ad"], architecture.pairs.get(PAIR, ()))
        for values in product(*choices.values())
        for architecture in [candidates.architecture(dict(zip(choices, values, strict=True)))]
    }
    forms = [("embedding",), ("statistics",), ("embedding", "statistics")]
    assert found == set(product(forms, SPACE.pairs.options))


@pytest.fixture
def wide() -> FreeCandidates:
    names = [f"f{number}" for number in range(13)]
    pairs = {pair: (float(rank), float(-rank)) for rank, pair in enumerate(combinations(names, 2))}
    assert len(pairs) > OWN_PARAMETERS
    forms = dict.fromkeys(names, ("embedding",))
    return FreeCandidates(SPACE, Proposal(forms, forms, {}, {}, {}, screening_scores=pairs))


def test_of_many_pairs_shares_of_two_rankings_are_parameters(wide: FreeCandidates) -> None:
    assert len(wide.distributions) < 20
    chosen = wide.architecture({"memorize": 0.1, "factorize": 0.2}).pairs
    kinds = {
        kind: {pair for pair, forms in chosen.items() if choices_of(forms) == {kind}}
        for kind in ("memorize", "factorize")
    }
    # 78 pairs, ranked upwards for memorizing and downwards for factorizing.
    names = [f"f{number}" for number in range(13)]
    ordered = list(combinations(names, 2))
    assert kinds["memorize"] == set(ordered[-8:])
    assert kinds["factorize"] == set(ordered[:16])


def test_what_both_shares_claim_is_memorized(wide: FreeCandidates) -> None:
    every = wide.architecture({"memorize": 1.0, "factorize": 1.0}).pairs
    assert len(every) == 78
    assert {next(iter(choices_of(forms))) for forms in every.values()} == {"memorize"}


def test_no_architecture_is_proposed_twice_until_the_space_is_spent() -> None:
    small = SearchSpace.model_validate(
        {
            "name": "small",
            "summary": "Four points.",
            "fields": {"forms": ["embedding"]},
            "pairs": {"options": [[], ["memorize_embedding"]]},
            "sizes": {"embedding_dim": {"choices": [4, 8]}},
        }
    )
    proposal = Proposal(
        {"ad": ("embedding",), "site": ("embedding",)},
        {"ad": ("embedding",), "site": ("embedding",)},
        {},
        {},
        {},
        screening_scores={PAIR: (0.0, 0.0)},
    )
    candidates = FreeCandidates(small, proposal)
    known: list[ObservedTrial] = []
    seen: set[str] = set()
    while (found := candidates.suggest(known, seen, seed=0)) is not None:
        parameters, architecture = found
        assert architecture.id not in seen
        seen.add(architecture.id)
        # The same value every time: an estimator then asks for what it knows again and again.
        known.append(ObservedTrial(parameters, (0.5,)))
    assert len(seen) == 4


def test_names_that_some_database_takes_for_one_have_parameters_of_their_own() -> None:
    names = [
        "a × b",
        "c",
        "a",
        "b × c",
        "A",
        "é",
        "e\u0301",
        "é ",
        "x" * 2000,
        "new\nline",
        "field a",
    ]
    forms = dict.fromkeys(names, ("embedding", "statistics"))
    pairs = dict.fromkeys(combinations(names, 2), (0.0, 0.0))
    assert len(pairs) <= OWN_PARAMETERS
    candidates = FreeCandidates(SPACE, Proposal(forms, forms, {}, {}, {}, screening_scores=pairs))
    own = candidates.distributions.keys() - SPACE.parameters().keys()
    assert len(own) == len(names) + len(pairs)
    assert all(len(name) <= 512 and name.isprintable() for name in own)
    assert len({name.casefold().strip() for name in own}) == len(own)
    assert {"field a × b", "field c", "a × b × c"} <= own
    # Each is a choice of its own: what one says, no other says with it.
    for name in own:
        chosen = candidates.architecture(
            candidates.defaults | {name: candidates.distributions[name].choices[1]}
        )
        first = candidates.architecture(candidates.defaults)
        changed = [slot for slot in (*forms, *pairs) if _forms(chosen, slot) != _forms(first, slot)]
        assert len(changed) <= 1


def _forms(architecture: Architecture, slot: str | tuple[str, str]) -> tuple[str, ...]:
    return (architecture.fields if isinstance(slot, str) else architecture.pairs).get(slot, ())  # type: ignore[union-attr]
