"""Paths are drawn by the shares of the options, or evenly, or with both ends; sets of streams in turn."""

from __future__ import annotations

from collections import Counter
from itertools import islice

import pytest
import torch

from autofi.supernet.path_sampling import STREAMLESS_SHARE, draw_options, draw_streams
from tests.supernet.tables import Table, cell_table, make_supernet, slots_with

SHARES = torch.tensor([[0.25, 0.375, 0.375], [0.25, 0.75, 0.0], [1.0, 0.0, 0.0]])
OPTIONS = ((), ("memorize_embedding",))
SETS = [{"fm": {}}, {}, {"cross_network": {"layers": 1}}, {"cross_network": {"layers": 2}, "fm": {}}]


@pytest.fixture(scope="module")
def table() -> Table:
    return cell_table(400, {(0, 1): 2.0})


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("sampling", ["uniform", "fair"])
def test_options_are_drawn_by_their_shares(sampling: str) -> None:
    options = draw_options(SHARES, 8000, sampling, generator())  # type: ignore[arg-type]
    assert options.shape == (8000, 3)
    for slot, shares in enumerate(SHARES):
        drawn = torch.bincount(options[:, slot], minlength=3) / len(options)
        torch.testing.assert_close(drawn, shares, atol=0.02, rtol=0)


def test_fair_groups_differ_from_the_shares_by_rounding_only_and_in_no_order() -> None:
    found = [draw_options(SHARES, 16, "fair", generator(seed)) for seed in range(50)]
    for options in found:
        for slot, shares in enumerate(SHARES):
            counts = torch.bincount(options[:, slot], minlength=3)
            assert ((counts - 16 * shares).abs() <= 1).all()
    # Slots are dealt apart: two that have the same shares do not go together.
    assert len({tuple(options[:, 0].tolist()) for options in found}) == len(found)


def test_a_sandwich_holds_the_cheapest_and_the_dearest_path() -> None:
    options = draw_options(SHARES, 6, "sandwich", generator())
    assert options[0].tolist() == [0, 0, 0]
    assert options[1].tolist() == [2, 1, 0]
    assert draw_options(SHARES, 1, "sandwich", generator()).tolist() == [[0, 0, 0]]


def test_every_set_of_streams_comes_before_any_comes_again(table: Table) -> None:
    supernet = make_supernet(table, slots_with(OPTIONS), streams=SETS)
    drawn = list(islice(draw_streams(supernet, generator()), 3000))
    with_streams = [number for number in drawn if number is not None]
    assert len(with_streams) / len(drawn) == pytest.approx(1 - STREAMLESS_SHARE, abs=0.03)
    for start in range(0, len(with_streams) - 3, 3):
        assert sorted(with_streams[start : start + 3]) == [0, 2, 3]


def test_without_an_empty_set_every_step_has_streams(table: Table) -> None:
    supernet = make_supernet(table, slots_with(OPTIONS), streams=[SETS[0], SETS[2]])
    drawn = Counter(islice(draw_streams(supernet, generator()), 10))
    assert drawn == {0: 5, 1: 5}


def test_without_streams_nothing_is_drawn(table: Table) -> None:
    fresh = generator()
    streams = draw_streams(make_supernet(table, slots_with(OPTIONS)), fresh)
    assert list(islice(streams, 3)) == [None, None, None]
    assert torch.equal(fresh.get_state(), generator().get_state())
