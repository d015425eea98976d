"""The proposal: planted pairs are found and of the right kind, noise is left out, only what is offered is chosen."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import yaml

from autofi.core.progress import SilentProgress
from autofi.core.time_budget import TimeBudget
from autofi.data.dataset import EncodedDataset
from autofi.data.load import open_data
from autofi.data.planted import PlantedSpec, generate
from autofi.space.load import load_space
from autofi.space.search_space import SearchSpace
from autofi.space.sections import ProductSpace
from autofi.store.search_settings import SearchSettings
from autofi.supernet.context import batch_for
from autofi.supernet.pair_screening import PairScore
from autofi.supernet.proposal import Proposal
from autofi.supernet.propose import MOST_TARGET_ENCODED, TARGET_ENCODED, _target_encoded_pairs, propose

# Fewer rows than a real table, so stronger effects, and more values than an embedding has dimensions: each planted pair
# is beyond doubt.
SPEC = PlantedSpec(
    rows=30_000,
    cardinalities=(24, 30, 14, 80, 60, 8),
    names=("hour", "city", "device", "site", "ad", "slot"),
    memorize_pairs=((0, 1),),
    factorize_pairs=((3, 4),),
    memorize=1.5,
    factorize=2.0,
)


@pytest.fixture(scope="module")
def dataset() -> EncodedDataset:
    return open_data(generate(SPEC).table, SearchSettings(source=None, target="click"))


@pytest.fixture(scope="module")
def proposal(dataset: EncodedDataset) -> Proposal:
    return propose(dataset, load_space("optinter"), seed=0, progress=SilentProgress())


def kind(forms: tuple[str, ...]) -> str:
    return forms[0].split("_")[0] if forms else "naive"


def test_planted_pairs_are_found_and_noise_is_not(proposal: Proposal) -> None:
    truth = {pair: choice for pair, choice in SPEC.truth.items() if choice != "naive"}
    assert {pair: kind(forms) for pair, forms in proposal.pairs.items()} == truth


@pytest.mark.slow
def test_the_same_seed_proposes_the_same(dataset: EncodedDataset, proposal: Proposal) -> None:
    again = propose(dataset, load_space("optinter"), seed=0, progress=SilentProgress())
    assert again.to_json() == proposal.to_json()


def test_a_proposal_survives_json(proposal: Proposal) -> None:
    assert Proposal.from_json(json.loads(json.dumps(proposal.to_json()))) == proposal


@dataclasses.dataclass(frozen=True)
class Questions(TimeBudget):
    """A budget in which nothing fits after so many questions, whatever the clock says."""

    most: int = 0
    asked: list[float] = dataclasses.field(default_factory=list)

    def fits(self, seconds: float) -> bool:
        self.asked.append(seconds)
        return len(self.asked) <= self.most


@pytest.mark.parametrize(
    ("questions", "cut", "told"),
    [
        (0, "screen", "the screen of pairs and the supernet"),
        (1, "supernet", "the screen of pairs, on half of the training rows"),
        (2, "supernet", "the supernet"),
    ],
)
def test_a_proposal_without_time_says_where_it_was_cut(
    dataset: EncodedDataset, questions: int, cut: str, told: str
) -> None:
    # After the first network of the screen, after the second, and after the first epoch of the supernet.
    first, second = Questions(most=questions), Questions(most=questions)
    found, again = (
        propose(dataset, load_space("optinter"), seed=0, progress=SilentProgress(), budget=budget)
        for budget in (first, second)
    )
    assert again.to_json() == found.to_json()
    assert Proposal.from_json(json.loads(json.dumps(found.to_json()))) == found
    assert found.cut == cut
    assert told in (*first.left_out, *first.cut)
    assert found.fields == found.all_fields
    truth = {pair: choice for pair, choice in SPEC.truth.items() if choice != "naive"}
    # The screen alone tells what is planted, from half of the rows too.
    assert {pair: kind(forms) for pair, forms in found.pairs.items()} == ({} if cut == "screen" else truth)


def test_every_accepted_move_to_a_dearer_option_is_sure(proposal: Proposal) -> None:
    sure = [move for move in proposal.evidence if tuple(move["slot"]) in proposal.pairs]
    assert sure
    assert all(move["gain"] > 1.0 * move["standard_error"] for move in sure)


def test_every_field_keeps_a_form_that_it_can_have(dataset: EncodedDataset, proposal: Proposal) -> None:
    assert set(proposal.fields) == set(dataset.encoder.schema.names)
    for name, forms in proposal.fields.items():
        assert forms and set(forms) <= set(proposal.all_fields[name])


def test_a_space_with_one_point_has_nothing_to_learn(dataset: EncodedDataset) -> None:
    found = propose(dataset, load_space("all-memorize"), seed=0, progress=SilentProgress())
    assert len(found.pairs) == 15
    assert set(found.pairs.values()) == {("memorize_embedding",)}
    assert found.evidence == ()


@pytest.mark.parametrize("method", ["gumbel", "joint"])
def test_the_gradient_procedures_choose_among_what_the_space_offers(
    dataset: EncodedDataset, method: str, tmp_path: Path
) -> None:
    path = tmp_path / "space.yaml"
    described = {
        "name": method,
        "summary": "a test",
        "fields": {"forms": ["embedding"]},
        "pairs": {"among": [["hour", "city"], ["city", "slot"]], "options": [[], ["memorize_embedding"]]},
        "search": {"method": method, "epochs": 2},
    }
    path.write_text(yaml.safe_dump(described))
    found = propose(dataset, load_space(path), seed=0, progress=SilentProgress())
    assert found.pairs[("hour", "city")] == ("memorize_embedding",)
    assert set(found.pairs) <= {("hour", "city"), ("city", "slot")}


def test_statistics_of_many_pairs_are_offered_beside_the_likely_ones() -> None:
    names = ("a", "b", "c", "d")
    ranked = [PairScore((0, 1), 9.0, 0.0), PairScore((0, 2), 2.0, 0.0), PairScore((1, 2), 8.0, 0.0)]
    likely = {("a", "b"): ("memorize_embedding",), ("b", "c"): ("factorize_hadamard",)}
    space: SearchSpace = load_space("optinter")
    found = _target_encoded_pairs(space, names, ranked, Proposal({}, {}, likely, likely, {}))
    both = ("memorize_embedding", "memorize_statistics")
    assert found == {("a", "b"): both, ("b", "c"): TARGET_ENCODED, ("a", "c"): TARGET_ENCODED}
    many = [PairScore((0, number), float(number), 0.0) for number in range(1, MOST_TARGET_ENCODED + 20)]
    wide = _target_encoded_pairs(
        space, tuple(map(str, range(MOST_TARGET_ENCODED + 20))), many, Proposal({}, {}, {}, {}, {})
    )
    assert len(wide) == MOST_TARGET_ENCODED


@pytest.mark.parametrize(("rows", "size"), [(10, 256), (30_000, 256), (60_000, 512), (10**7, 1024)])
def test_batches_leave_a_hundred_steps_to_an_epoch(rows: int, size: int) -> None:
    assert batch_for(rows) == size
    assert np.log2(size).is_integer()


@pytest.mark.slow
def test_a_product_is_found_once_the_pairs_are_taken_out() -> None:
    fields = (0, 1, 5)
    table = generate(dataclasses.replace(SPEC, products=(fields,), product=2.0)).table
    data = open_data(table, SearchSettings(source=None, target="click"))
    space = load_space("optinter").model_copy(update={"products": ProductSpace(orders=(3, 4))})
    found = propose(data, space, seed=0, progress=SilentProgress())
    assert found.products == (tuple(SPEC.names[field] for field in fields),)
    truth = {pair: choice for pair, choice in SPEC.truth.items() if choice != "naive"}
    assert {pair: kind(forms) for pair, forms in found.pairs.items()} == truth
    assert Proposal.from_json(json.loads(json.dumps(found.to_json()))) == found


def test_sizes_of_streams_are_learned_beside_the_widths(dataset: EncodedDataset) -> None:
    given = yaml.safe_load(load_space("tanglenas_dcnv2").canonical())
    given["sizes"]["embedding_dim"] = {"choices": [4, 8]}
    given["readout"]["hidden"] = {"choices": [[8], [16]]}
    given["search"]["epochs"] = 1
    space = SearchSpace.model_validate(given)
    found = propose(dataset, space, seed=0, progress=SilentProgress())
    assert found.learned_sizes["streams"] in given["streams"]["choices"]
    assert found.learned_sizes["sizes.embedding_dim"] in (4, 8)
    assert found.learned_sizes["readout.hidden"] in ((8,), (16,))
    assert (
        Proposal.from_json(json.loads(json.dumps(found.to_json()))).learned_sizes.keys()
        == found.learned_sizes.keys()
    )
