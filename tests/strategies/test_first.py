"""The architecture that is trained before a proposal needs none, and is a start of the candidates afterwards."""

from __future__ import annotations

import dataclasses
from itertools import combinations

import pytest

from autofi.evaluation.single_point import every_form
from autofi.space.load import load_space
from autofi.strategies.around_proposal import ProposedCandidates
from autofi.strategies.registry import get_strategy, strategies
from autofi.supernet.proposal import Proposal
from autofi.supernet.variants import TARGET_ENCODED
from autofi.testing.strategies import SPEC, example_dataset

PAIRS = tuple(combinations(SPEC.names, 2))


def proposal(**changes: object) -> Proposal:
    """Nothing is selected; pairs are ranked from the last to the first."""
    fields = every_form(load_space("default"), example_dataset())
    encoded = dict.fromkeys(PAIRS, TARGET_ENCODED)
    found = Proposal(dict.fromkeys(fields, ("embedding",)), fields, {}, {}, encoded, ranked_pairs=PAIRS[::-1])
    return dataclasses.replace(found, **changes)  # type: ignore[arg-type]


def test_it_has_every_form_and_target_encodings_of_every_pair() -> None:
    first = get_strategy("staged").first(example_dataset(), load_space("default"))
    assert first is not None
    assert set(first.fields) == set(SPEC.names)
    assert all("statistics" in forms and "embedding" in forms for forms in first.fields.values())
    assert dict(first.pairs) == dict.fromkeys(sorted(PAIRS), TARGET_ENCODED)


@pytest.mark.parametrize("likely", [{}, {PAIRS[0]: ("memorize_embedding",)}])
def test_afterwards_it_is_the_first_start(likely: dict[tuple[str, str], tuple[str, ...]]) -> None:
    """Also where the target encodings of the proposal have an embedding beside them."""
    space = load_space("default")
    encoded = dict.fromkeys(PAIRS, TARGET_ENCODED) | {
        pair: tuple(sorted({*forms, *TARGET_ENCODED})) for pair, forms in likely.items()
    }
    candidates = ProposedCandidates(space, proposal(probable_pairs=likely, target_encoded_pairs=encoded))
    first = get_strategy("staged").first(example_dataset(), space)
    assert first is not None
    assert candidates.architecture(candidates.starts()[0]).id == first.id
    assert candidates.parameters_of(first.id) == candidates.starts()[0]
    assert candidates.parameters_of("0" * 16) is None
    after = candidates.next_initial({first.id})
    assert after is not None and after[0] == candidates.defaults


def test_a_proposal_of_an_earlier_version_has_its_own_variants_only() -> None:
    """The choices of a categorical parameter must be the same in all trials of a study."""
    old = proposal(ranked_pairs=())
    candidates = ProposedCandidates(load_space("default"), old)
    assert set(candidates.pairs) == {"selected", "rates"}
    assert candidates.starts()[0] == candidates.defaults


def test_of_too_many_pairs_none_is_encoded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("autofi.strategies._unselected.MOST_TARGET_ENCODED", len(PAIRS) - 1)
    first = get_strategy("staged").first(example_dataset(), load_space("default"))
    assert first is not None and first.boosting
    assert not first.pairs


@pytest.mark.parametrize("space", ["tests/spaces/several.yaml", "fm"])
def test_a_space_without_target_encodings_or_with_one_point_has_none(space: str) -> None:
    assert get_strategy("staged").first(example_dataset(), load_space(space)) is None


def test_other_strategies_begin_with_what_they_learned() -> None:
    first = {
        name: get_strategy(name).first(example_dataset(), load_space("default")) for name in strategies()
    }
    assert [name for name, found in first.items() if found is not None] == ["quick", "staged"]
