"""Variants around a proposal: each once, and an option per slot where the supernet has them."""

from __future__ import annotations

from dataclasses import replace

from autofi.space.initial_trials import VARIANTS
from autofi.space.load import load_space
from autofi.supernet.exploration import Exploration, NamedSlot, ScoredArchitecture
from autofi.supernet.proposal import Proposal
from autofi.supernet.variants import field_variants, pair_variants, variant_options
from tests.supernet.proposals import PAIR, PROPOSAL

OPTIONS = load_space("optinter").pairs.options
FORMS = (("embedding",), ("statistics",), ("statistics", "embedding"))
SLOTS: tuple[NamedSlot, ...] = (
    (("ad",), FORMS),
    (("site",), FORMS),
    (PAIR, ((), ("factorize_hadamard",))),
)


def test_variants_that_are_the_same_are_offered_once() -> None:
    assert set(field_variants(PROPOSAL)) == {"selected", "all", "embeddings", "codes"}
    assert set(pair_variants(PROPOSAL, OPTIONS)) == {"selected", "likely", "rates"}
    certain = Proposal(PROPOSAL.all_fields, PROPOSAL.all_fields, {}, {}, {})
    assert "all" not in field_variants(certain)
    assert set(pair_variants(certain, OPTIONS)) == {"selected"}


def test_a_variant_has_a_name_that_a_start_may_give() -> None:
    """Three are sure to gain, and different from all other variants: of two best ones there is one each."""
    sure = [
        ScoredArchitecture(options, None, 0.4, gain, 0.01)
        for options, gain in (((2, 0, 1), 0.2), ((0, 2, 0), 0.3))
    ]
    worst = ScoredArchitecture((2, 1, 1), None, 0.4, gain=0.1, standard_error=0.01)
    explored = replace(PROPOSAL, exploration=Exploration(SLOTS, (), (worst, *sure)))
    fields, pairs = field_variants(explored), pair_variants(explored, OPTIONS)
    assert fields["explored-1"] == {"ad": ("embedding",), "site": ("statistics", "embedding")}
    assert fields["explored-2"] == {"ad": ("statistics", "embedding"), "site": ("embedding",)}
    assert fields.keys() == set(VARIANTS["fields"]) and pairs.keys() < set(VARIANTS["pairs"])


def test_what_is_memorized_is_offered_by_embeddings_alone() -> None:
    pairs = {PAIR: ("memorize_statistics",), ("ad", "hour"): ("factorize_hadamard",)}
    sure = Proposal(PROPOSAL.fields, PROPOSAL.all_fields, pairs, pairs, pairs)
    variants = pair_variants(sure, OPTIONS)
    assert set(variants) == {"selected", "embeddings", "naive"}
    assert variants["embeddings"] == {**pairs, PAIR: ("memorize_embedding",)}
    assert set(pair_variants(sure, [(), ("memorize_statistics",)])) == {"selected", "naive"}


def test_a_field_whose_only_form_is_left_out_keeps_it() -> None:
    single = Proposal({"ad": ("embedding",)}, {"ad": ("embedding",)}, {}, {}, {})
    assert set(field_variants(single)) == {"selected"}


def test_every_variant_of_fields_stands_beside_every_one_of_pairs_that_the_slots_hold() -> None:
    # As selected, all, embeddings, codes; naive or likely, for the statistics of the pair are no option of its slot.
    fields = [(1, 0), (2, 2), (0, 0), (1, 1)]
    found = variant_options(PROPOSAL, SLOTS, OPTIONS)
    assert found == [(*forms, pair) for forms in fields for pair in (0, 1)]


def test_a_variant_with_a_pair_that_is_not_open_is_left_out() -> None:
    elsewhere = replace(PROPOSAL, probable_pairs={("ad", "hour"): ("factorize_hadamard",)})
    assert {options[-1] for options in variant_options(elsewhere, SLOTS, OPTIONS)} == {0}
