"""An architecture activated in a supernet and the network extracted for it are the same function."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from autofi.errors import InvalidArchitectureError
from autofi.model.network import Network
from autofi.operators.base import Sizes
from autofi.space.head_config import HeadSizes
from autofi.supernet.supernet import Slot, Supernet, candidates, chosen
from tests.operators.examples import PAIRS, random_features, shapes_for

FEATURES = random_features(60)
SHAPES = shapes_for(FEATURES)
#: Crosses and factors equally wide, so that they can share columns.
SIZES = Sizes(embedding_dim=4, cross_dim=5, factor_dim=5)
SLOTS = [
    Slot((0,), (("embedding",), ("embedding", "statistics"))),
    Slot((1,), (("embedding",),)),
    Slot((2,), ((), ("embedding",), ("piecewise_linear",), ("embedding", "periodic", "piecewise_linear"))),
    Slot((3,), (("bag",), ("bag", "embedding"))),
    Slot((4,), ((), ("periodic",), ("statistics", "periodic"))),
    *(
        Slot(
            pair,
            (
                (),
                ("factorize_inner",),
                ("factorize_hadamard",),
                ("memorize_embedding",),
                ("memorize_statistics",),
                ("memorize_embedding", "factorize_hadamard"),
            ),
        )
        for pair in PAIRS
    ),
]
HEADS = [
    HeadSizes("sum", hidden=()),
    HeadSizes("linear", hidden=()),
    HeadSizes("mlp", hidden=(7, 5), dropout=0.2, batch_norm=True),
]


def supernet(head: HeadSizes = HEADS[2], *, field_sum: bool = False, shared: bool = False) -> Supernet:
    """Random weights and running statistics, ready to be read."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(4)
        made = Supernet(SLOTS, SHAPES, SIZES, head, field_sum=field_sum, shared=shared, bias=0.3)
        with torch.no_grad():
            for parameter in made.parameters():
                parameter += 0.3 * torch.randn_like(parameter)
            for module in made.modules():
                if isinstance(module, nn.BatchNorm1d):
                    assert module.running_mean is not None and module.running_var is not None
                    module.running_mean.normal_()
                    module.running_var.uniform_(0.5, 2.0)
    return made.eval()


def random_options(seed: int) -> list[int]:
    rng = np.random.default_rng(seed)
    return [int(rng.integers(len(slot.options))) for slot in SLOTS]


@pytest.mark.parametrize("head", HEADS, ids=lambda r: r.name)
@pytest.mark.parametrize("field_sum", [False, True])
@pytest.mark.parametrize("shared", [False, True])
def test_extracted_equals_activated_for_random_architectures(
    head: HeadSizes, field_sum: bool, shared: bool
) -> None:
    whole = supernet(head, field_sum=field_sum, shared=shared)
    selected = whole.select(FEATURES)
    everything = whole(selected)
    for seed in range(8):
        layout = chosen(SLOTS, random_options(seed))
        whole.activate(layout)
        activated = whole(selected)
        small = whole.keep(layout)
        torch.testing.assert_close(small(small.select(FEATURES)), activated, rtol=2e-5, atol=2e-5)
        assert not torch.allclose(activated, everything)
        built = Network(layout, SHAPES, SIZES, head, field_sum=field_sum)
        assert small.num_parameters() == built.num_parameters() < whole.num_parameters()
        assert small.table_bytes() == built.table_bytes()
        assert type(small) is Network
        # Its weights load into a network built for the same architecture: what an export does.
        order = {name: list(op.slots) for name, op in small._operators()}
        rebuilt = Network(order, SHAPES, SIZES, head, field_sum=field_sum).eval()
        rebuilt.load_state_dict(small.state_dict())
        assert torch.equal(rebuilt(rebuilt.select(FEATURES)), small(small.select(FEATURES)))
    whole.reset()
    assert torch.equal(whole(selected), everything)


def test_extracting_leaves_the_supernet_as_it_was() -> None:
    whole = supernet()
    selected = whole.select(FEATURES)
    before = whole(selected)
    small = whole.keep(chosen(SLOTS, random_options(0)))
    with torch.no_grad():
        for parameter in small.parameters():
            parameter.zero_()
    assert torch.equal(whole(selected), before)


def test_what_it_has_not_cannot_be_activated() -> None:
    with pytest.raises(InvalidArchitectureError, match=r"no 'bag' at \(0,\)"):
        supernet().activate({"bag": [(0,)]})


def test_candidates_are_all_options_of_all_slots() -> None:
    layout = candidates(SLOTS)
    assert layout["embedding"] == [(0,), (1,), (2,), (3,)]
    assert layout["periodic"] == [(2,), (4,)]
    assert layout["factorize_hadamard"] == list(PAIRS)
    assert sum(map(len, layout.values())) == 4 + 2 + 2 + 1 + 1 + 4 * len(PAIRS)


def test_a_path_mask_switches_every_group_to_its_options() -> None:
    whole = supernet()
    selected = whole.select(FEATURES)
    paths = [random_options(seed) for seed in range(4)]
    mask = whole.path_mask(torch.tensor(paths), len(FEATURES))
    out = whole(selected, mask)
    for group, options in enumerate(paths):
        whole.activate(chosen(SLOTS, options))
        rows = slice(15 * group, 15 * (group + 1))
        torch.testing.assert_close(out[rows], whole(selected)[rows])


@pytest.mark.parametrize(("rows", "groups"), [(1, 1), (17, 2), (60, 4), (50, 4), (33, 3)])
def test_every_row_has_a_path(rows: int, groups: int) -> None:
    whole = supernet()
    paths = torch.tensor([random_options(seed) for seed in range(groups)])
    for name, mask in whole.path_mask(paths, rows).items():
        assert mask.shape == (rows, len(whole.operators[name].slots))


@pytest.mark.parametrize("shared", [False, True])
def test_a_mixture_with_all_weight_on_one_option_is_that_path(shared: bool) -> None:
    whole = supernet(shared=shared)
    selected = whole.select(FEATURES)
    options = random_options(3)
    weights = torch.nn.functional.one_hot(torch.tensor(options), 6).float()
    whole.activate(chosen(SLOTS, options))
    torch.testing.assert_close(whole(selected, whole.weighted_mask(weights)), whole(selected))


def test_a_form_in_two_options_weighs_by_both() -> None:
    whole = supernet()
    weights = torch.full((len(SLOTS), 6), 1 / 6)
    mask = whole.weighted_mask(weights)
    torch.testing.assert_close(mask["factorize_hadamard"], torch.full((len(PAIRS),), 2 / 6))
    torch.testing.assert_close(mask["factorize_inner"], torch.full((len(PAIRS),), 1 / 6))
