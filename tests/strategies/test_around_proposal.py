"""Candidates: the defaults first, the starts next, never one twice, variants only where they differ."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

from autofi.samplers.base import ObservedTrial
from autofi.space.load import load_space
from autofi.strategies.around_proposal import ProposedCandidates
from autofi.strategies.candidates import ENOUGH_SUPERFLUOUS
from autofi.supernet.proposal import Proposal
from tests.supernet.proposals import PAIR, PROPOSAL


def test_what_was_selected_is_multiplied_and_its_fields_have_codes() -> None:
    products = (("ad", "hour", "site"),)
    fields = PROPOSAL.fields | {"hour": ("piecewise_linear",)}
    every = dict.fromkeys(fields, ("embedding", "statistics"))
    found = dataclasses.replace(PROPOSAL, fields=fields, all_fields=every, products=products)
    candidates = ProposedCandidates(load_space("default"), found)
    assert list(candidates.products) == ["none", "selected"]
    assert candidates.defaults["products"] == "none"
    (start,) = (one for one in candidates.starts() if one["products"] == "selected")
    assert start == {**candidates.defaults, "products": "selected"}
    first = candidates.architecture(start)
    assert first.streams["selected_products"]["crosses"] == products
    assert dict(first.fields) == {
        "ad": ("embedding", "statistics"),
        "site": ("embedding",),
        "hour": ("embedding", "piecewise_linear"),
    }
    none = candidates.architecture(candidates.defaults)
    assert "selected_products" not in none.streams
    assert dict(none.fields) == fields


def test_where_no_product_was_selected_there_is_no_such_parameter() -> None:
    assert "products" not in ProposedCandidates(load_space("default"), PROPOSAL).distributions


def test_a_study_walks_from_the_defaults_through_the_starts_to_the_estimator() -> None:
    candidates = ProposedCandidates(load_space("optinter"), PROPOSAL)
    known: list[ObservedTrial] = []
    seen: set[str] = set()
    for number in range(9):
        found = candidates.suggest(known, seen, seed=0)
        assert found is not None
        parameters, architecture = found
        assert architecture.id not in seen
        # The store refuses a parameter without a distribution and a distribution without its parameter.
        assert parameters.keys() == candidates.distributions.keys()
        assert candidates.architecture(parameters).id == architecture.id
        if number < len(candidates.starts()):
            assert parameters == candidates.starts()[number]
        seen.add(architecture.id)
        known.append(ObservedTrial(parameters, (0.7 + 0.01 * number,)))


def walk(
    candidates: ProposedCandidates, value: Callable[[dict[str, Any]], float], count: int
) -> list[ObservedTrial]:
    """The first candidates, each worth what `value` makes of its parameters."""
    known: list[ObservedTrial] = []
    seen: set[str] = set()
    for _ in range(count):
        found = candidates.suggest(known, seen, seed=0)
        assert found is not None
        seen.add(found[1].id)
        known.append(ObservedTrial(found[0], (value(found[0]),)))
    return known


def test_after_the_starts_every_variant_is_tried_once_on_the_best_so_far() -> None:
    space = load_space("default").model_copy(update={"starts": ()})
    streams = ({"fm": {}, "linear": {}}, {"cross_network": {"layers": 2}})
    every = dict.fromkeys(PROPOSAL.fields, ("embedding", "piecewise_linear", "statistics"))
    sure = dataclasses.replace(
        PROPOSAL,
        streams=streams,
        all_fields=every,
        pairs={PAIR: ("memorize_statistics", "memorize_embedding")},
    )
    candidates = ProposedCandidates(space, sure, sampler="random")
    worth = {"rates": 0.3, "fm+linear": 0.1}

    def value(parameters: dict[str, Any]) -> float:
        return sum(worth.get(str(parameters.get(key)), 0.0) for key in ("pairs", "fields", "streams"))

    starts = candidates.starts()
    assert starts == [candidates.defaults, {**candidates.defaults, "fields": "all", "pairs": "naive"}]
    steps = [step for step in candidates.steps() if not any(step.items() <= one.items() for one in starts)]
    known = walk(candidates, value, len(starts) + len(steps))
    rates, codes, fm, cross, *others = [one.parameters for one in known[len(starts) :]]
    assert rates["pairs"] == "rates"
    assert codes == {**rates, "fields": "codes"}
    assert fm == {**rates, "streams": "fm+linear"}
    assert cross == {**fm, "streams": "cross_network(layers=2)"}
    # All the others are the best so far with one more change, until every variant was tried.
    assert others == [{**fm, **step} for step in steps[4:]]
    for key, variants in (("pairs", candidates.pairs), ("fields", candidates.fields)):
        assert {one.parameters[key] for one in known} == set(variants)


def test_starts_are_passed_over_when_others_with_their_variants_were_superfluous() -> None:
    candidates = ProposedCandidates(load_space("default"), PROPOSAL)
    starts = candidates.starts()

    def tried(superfluous: bool) -> list[str]:
        known: list[ObservedTrial] = []
        seen: set[str] = set()
        while (found := candidates.next_initial(seen, known)) is not None:
            seen.add(found[1].id)
            known.append(ObservedTrial(found[0], (0.5,), superfluous=superfluous))
        return [f"{one.parameters['fields']} {one.parameters['pairs']}" for one in known]

    named = [f"{start['fields']} {start['pairs']}" for start in starts]
    assert tried(superfluous=False) == named
    assert sorted(tried(superfluous=True)) == sorted(
        name for name in set(named) for _ in range(min(named.count(name), ENOUGH_SUPERFLUOUS))
    )
    assert len(tried(superfluous=True)) < len(named)


def test_a_start_without_its_variant_falls_back_to_the_proposal() -> None:
    certain = Proposal(PROPOSAL.fields, PROPOSAL.fields, {}, {}, {})
    candidates = ProposedCandidates(load_space("optinter"), certain)
    assert "pairs" not in candidates.distributions
    for start in candidates.starts():
        assert start.keys() == candidates.distributions.keys()


def test_a_space_with_one_point_runs_out() -> None:
    candidates = ProposedCandidates(
        load_space("lr"), Proposal({"ad": ("embedding",)}, {"ad": ("embedding",)}, {}, {}, {})
    )
    found = candidates.suggest([], set(), seed=0)
    assert found is not None
    assert candidates.suggest([ObservedTrial(found[0], (0.5,))], {found[1].id}, seed=0) is None


def test_learned_widths_are_tried_after_the_defaults() -> None:
    learned = {"sizes.embedding_dim": 8, "readout.hidden": (64, 32)}
    fields = {"ad": ("embedding",), "site": ("embedding",)}
    kept = Proposal.from_json(Proposal(fields, fields, {}, {}, {}, learned_sizes=learned).to_json())
    starts = ProposedCandidates(load_space("tanglenas"), kept).starts()
    assert (starts[0]["sizes.embedding_dim"], starts[0]["readout.hidden"]) == (16, "256-128")
    assert (starts[1]["sizes.embedding_dim"], starts[1]["readout.hidden"]) == (8, "64-32")
    architecture = ProposedCandidates(load_space("tanglenas"), kept).architecture(starts[1])
    assert (architecture.sizes.embedding_dim, architecture.head.hidden) == (8, (64, 32))


def test_a_learned_set_of_streams_is_tried_as_the_space_names_it() -> None:
    space = load_space("tanglenas_dcnv2")
    learned = {"streams": {"cross_network": {"layers": 3, "rank": 8}}, "sizes.embedding_dim": 4}
    fields = {"ad": ("embedding",), "site": ("embedding",)}
    candidates = ProposedCandidates(space, Proposal(fields, fields, {}, {}, {}, learned_sizes=learned))
    starts = candidates.starts()
    assert starts[0]["streams"] == "cross_network(layers=3, rank=16)"
    assert starts[1]["streams"] == "cross_network(layers=3, rank=8)"
    architecture = candidates.architecture(starts[1])
    assert architecture.streams == {"cross_network": {"layers": 3, "rank": 8}}
    assert architecture.sizes.embedding_dim == 4
