"""Starts that need no proposal: named by the space, trained before it, and points of the candidates afterwards."""

from __future__ import annotations

import dataclasses
from itertools import combinations

import pytest

from autofi.space.load import load_space
from autofi.strategies.around_proposal import ProposedCandidates
from autofi.strategies.registry import get_strategy, strategies
from autofi.strategies.unselected import (
    BEFORE_PROPOSAL,
    ROWS_PER_CELL,
    Start,
    unselected_proposal,
    unselected_starts,
)
from autofi.supernet.proposal import Proposal
from autofi.supernet.variants import TARGET_ENCODED
from autofi.testing.strategies import SPEC, example_dataset

PAIRS = tuple(combinations(SPEC.names, 2))
NAMELESS = load_space("default").model_copy(update={"starts": ()})


def proposal(**changes: object) -> Proposal:
    """Embeddings are selected; pairs are ranked from the last to the first."""
    found = unselected_proposal(example_dataset(), load_space("default"))
    selected = dict.fromkeys(found.fields, ("embedding",))
    return dataclasses.replace(found, fields=selected, ranked_pairs=PAIRS[::-1], **changes)  # type: ignore[arg-type]


def starts(space: str = "default") -> list[Start]:
    found = load_space(space)
    return unselected_starts(found, unselected_proposal(example_dataset(), found))


def test_a_space_without_starts_begins_with_every_form_and_target_encodings_of_every_pair() -> None:
    (_, first), (parameters, second) = unselected_starts(
        NAMELESS, unselected_proposal(example_dataset(), NAMELESS)
    )
    assert set(first.fields) == set(SPEC.names)
    assert all("statistics" in forms and "embedding" in forms for forms in first.fields.values())
    assert dict(first.pairs) == dict.fromkeys(sorted(PAIRS), TARGET_ENCODED)
    assert (parameters["fields"], parameters["pairs"], dict(second.pairs)) == ("all", "naive", {})


def test_dense_pairs_have_enough_rows_for_every_possible_cell() -> None:
    dataset = example_dataset()
    sizes = dict(zip(SPEC.names, dataset.encoder.cardinalities, strict=True))
    rows = dataset.parts["train"].stop
    found = unselected_proposal(dataset, NAMELESS).dense_pairs
    assert found is not None and set(found) == {
        (left, right) for left, right in PAIRS if rows / (sizes[left] * sizes[right]) >= ROWS_PER_CELL
    }
    assert 0 < len(found) <= len(PAIRS)


def test_the_default_space_names_more_of_them_than_come_before_a_proposal() -> None:
    assert len(starts()) > BEFORE_PROPOSAL
    assert len({architecture.id for _, architecture in starts()}) == len(starts())


@pytest.mark.parametrize("likely", [{}, {PAIRS[0]: ("memorize_embedding",)}])
def test_afterwards_they_are_starts_by_their_names(likely: dict[tuple[str, str], tuple[str, ...]]) -> None:
    """Also where the target encodings of the proposal have an embedding beside them."""
    space = load_space("default")
    encoded = dict.fromkeys(PAIRS, TARGET_ENCODED) | {
        pair: tuple(sorted({*forms, *TARGET_ENCODED})) for pair, forms in likely.items()
    }
    candidates = ProposedCandidates(space, proposal(probable_pairs=likely, target_encoded_pairs=encoded))
    for parameters, architecture in starts():
        assert candidates.architecture(candidates.named(parameters)).id == architecture.id
        assert candidates.parameters_of(architecture.id) == candidates.named(parameters)
    assert candidates.parameters_of("0" * 16) is None
    before = {architecture.id for _, architecture in starts()[:BEFORE_PROPOSAL]}
    after = candidates.next_initial(before)
    assert after is not None and after[0] == candidates.defaults


def test_where_nothing_is_selected_all_of_them_come_first() -> None:
    space = load_space("default")
    candidates = ProposedCandidates(space, unselected_proposal(example_dataset(), space))
    ids = [candidates.architecture(start).id for start in candidates.starts()]
    assert ids[: len(starts())] == [architecture.id for _, architecture in starts()]


def test_a_proposal_of_an_earlier_version_has_its_own_variants_only() -> None:
    """The choices of a categorical parameter must be the same in all trials of a study."""
    made = proposal().to_json()
    oldest = Proposal.from_json({key: made[key] for key in made if key not in ("ranked", "dense")})
    old = Proposal.from_json({key: made[key] for key in made if key != "dense"})
    assert set(ProposedCandidates(load_space("default"), oldest).pairs) == {"selected", "rates"}
    # Target encodings of the same pairs in another order are the same variant.
    assert set(ProposedCandidates(load_space("default"), old).pairs) == {"selected", "rates"}


def test_of_too_many_pairs_none_is_encoded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("autofi.strategies.unselected.MOST_TARGET_ENCODED", len(PAIRS) - 1)
    found = starts()
    assert found and all(architecture.boosting for _, architecture in found)
    assert not any(architecture.pairs for _, architecture in found)


@pytest.mark.parametrize("space", ["tests/spaces/several.yaml", "fm"])
def test_a_space_without_target_encodings_or_with_one_point_has_none(space: str) -> None:
    assert starts(space) == []


def test_other_strategies_begin_with_what_they_learned() -> None:
    found = {
        name: get_strategy(name).unselected(example_dataset(), load_space("default")) for name in strategies()
    }
    assert [name for name, free in found.items() if free is not None] == ["quick", "staged"]
