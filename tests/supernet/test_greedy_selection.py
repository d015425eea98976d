"""Options are accepted for a sure gain on held-out rows, and for nothing else."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from autofi.space.head_config import HeadSizes
from autofi.supernet.greedy_selection import HeldOut, select
from autofi.supernet.supernet import Slot, Supernet, chosen
from autofi.training.row_source import Rows
from tests.supernet.tables import CODES, FIELDS, PAIRS, Table, cell_table, make_supernet, slots_with

BOTH = ((), ("memorize_embedding",), ("factorize_inner",), ("memorize_embedding", "factorize_inner"))
SUM = HeadSizes("sum", hidden=())
PLANTED = (1, 3)


@pytest.fixture(scope="module")
def table() -> Table:
    return cell_table(4000, {PLANTED: 1.0})


def randomised(table: Table, slots: list[Slot], head: HeadSizes, *, field_sum: bool = False) -> Supernet:
    supernet = make_supernet(table, slots, head, field_sum=field_sum)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in supernet.parameters():
            parameter += 0.3 * torch.randn(parameter.shape, generator=generator)
    return supernet


def knowing(table: Table, slots: list[Slot], *, noise: float, seed: int = 0) -> Supernet:
    """A summing supernet whose memorized cells hold the truth for the planted pair, else only noise."""
    supernet = make_supernet(table, slots, SUM)
    generator = torch.Generator().manual_seed(seed)
    memorize = supernet.operators["memorize_embedding"]
    with torch.no_grad():
        for tables in supernet.tables():
            tables.zero_()
        for pair, block in zip(memorize.slots, memorize.table.split(memorize.slot_rows), strict=True):
            block[:, 0] = noise * torch.randn(len(block), generator=generator)
            if pair == PLANTED:
                rows = table.features.crosses[:, table.features.pairs.index(PLANTED)]
                block[torch.from_numpy(rows).long(), 0] = torch.from_numpy(table.logits.astype(np.float32))
    return supernet


def whole_losses(supernet: Supernet, rows: Rows, options: list[int]) -> torch.Tensor:
    """The slow way: the whole supernet with that architecture active."""
    supernet.eval()
    supernet.activate(chosen(supernet.choices, options))
    with torch.no_grad():
        logits = supernet(rows.selected)
    supernet.reset()
    return torch.nn.functional.binary_cross_entropy_with_logits(logits, rows.labels, reduction="none")


@pytest.mark.parametrize(
    "head",
    [SUM, HeadSizes("linear", hidden=()), HeadSizes(hidden=(8, 4), dropout=0.5, batch_norm=True)],
    ids=lambda r: r.name,
)
@pytest.mark.parametrize("field_sum", [False, True])
def test_changed_one_by_one_equals_computed_whole(table: Table, head: HeadSizes, field_sum: bool) -> None:
    slots = slots_with(BOTH)
    supernet = randomised(table, slots, head, field_sum=field_sum)
    rows = table.rows(supernet).part(slice(0, 300))
    fold = HeldOut(supernet, rows)
    rng = np.random.default_rng(0)
    options = [0] * len(slots)
    first = fold.first(options)
    for _ in range(25):
        row = int(rng.integers(FIELDS, len(slots)))
        option = int(rng.integers(4))
        first = fold.changed(first, slots[row], options[row], option)
        options[row] = option
        torch.testing.assert_close(
            fold.losses(first), whole_losses(supernet, rows, options), rtol=1e-4, atol=1e-5
        )
    torch.testing.assert_close(fold.first(options), first, rtol=1e-4, atol=1e-5)


def test_a_planted_gain_is_accepted_and_noise_left_naive(table: Table) -> None:
    slots = slots_with(((), ("memorize_embedding",)))
    supernet = knowing(table, slots, noise=0.1)
    rows = table.rows(supernet)
    options, moves = select([HeldOut(supernet, rows)], [0] * len(slots), threshold=2.0)
    assert options == [0] * FIELDS + [int(pair == PLANTED) for pair in PAIRS]
    (move,) = moves
    difference = (
        whole_losses(supernet, rows, [0] * len(slots)) - whole_losses(supernet, rows, options)
    ).double()
    assert (move.column, move.option) == (PLANTED, 1)
    assert move.gain == pytest.approx(difference.mean().item(), rel=1e-5)
    assert move.standard_error == pytest.approx(difference.std().item() / len(rows) ** 0.5, rel=1e-5)


def test_from_everything_only_the_planted_gain_stays(table: Table) -> None:
    slots = slots_with(((), ("memorize_embedding",)))
    supernet = knowing(table, slots, noise=0.1)
    fold = HeldOut(supernet, table.rows(supernet))
    options, moves = select([fold], [0] * FIELDS + [1] * len(PAIRS), threshold=2.0)
    assert options == [0] * FIELDS + [int(pair == PLANTED) for pair in PAIRS]
    assert len(moves) == len(PAIRS) - 1


def test_folds_are_judged_together(table: Table) -> None:
    """What helps one half and harms the other by more is no gain."""
    slots = slots_with(((), ("memorize_embedding",)))
    good, bad = knowing(table, slots, noise=0.1), knowing(table, slots, noise=0.1)
    with torch.no_grad():
        bad.operators["memorize_embedding"].table.mul_(-1.0)
    rows = table.rows(good)
    halves = rows.part(slice(0, 2000)), rows.part(slice(2000, 4000))
    alone, _ = select([HeldOut(good, halves[0])], [0] * len(slots), threshold=2.0)
    together, _ = select([HeldOut(good, halves[0]), HeldOut(bad, halves[1])], [0] * len(slots), threshold=2.0)
    assert alone[FIELDS + PAIRS.index(PLANTED)] == 1
    assert together == [0] * len(slots)


@pytest.mark.parametrize("start", range(3))
def test_ties_go_to_the_cheaper_option(table: Table, start: int) -> None:
    """An inner product of zeros adds nothing to the memorized cell."""
    slots = slots_with(((), ("memorize_embedding",), ("memorize_embedding", "factorize_inner")))
    supernet = knowing(table, slots, noise=0.1)
    planted = FIELDS + PAIRS.index(PLANTED)
    begin = [0] * len(slots)
    begin[planted] = start
    options, _ = select([HeldOut(supernet, table.rows(supernet))], begin, threshold=2.0)
    assert options[planted] == 1


def test_a_higher_threshold_accepts_less(table: Table) -> None:
    slots = slots_with(((), ("memorize_embedding",)))
    supernet = knowing(table, slots, noise=0.02, seed=3)
    fold = HeldOut(supernet, table.rows(supernet))
    accepted = [len(select([fold], [0] * len(slots), threshold=t)[1]) for t in (0.0, 1.0, 2.0, 1000.0)]
    assert accepted == sorted(accepted, reverse=True)
    assert accepted[0] > accepted[2] == 1
    assert accepted[-1] == 0


@pytest.mark.parametrize("threshold", [0.0, 1.0])
def test_it_ends_where_no_single_change_is_acceptable(table: Table, threshold: float) -> None:
    slots = slots_with(BOTH)
    supernet = randomised(table, slots, HeadSizes(hidden=(8, 4)))
    rows = table.rows(supernet).part(slice(0, 400))
    begin = [0] * FIELDS + [3] * len(PAIRS)
    options, moves = select([HeldOut(supernet, rows)], begin, threshold=threshold)
    assert moves and all(move.gain >= 0 for move in moves)
    losses = whole_losses(supernet, rows, options)
    began = whole_losses(supernet, rows, begin)
    assert sum(move.gain for move in moves) == pytest.approx(float((began - losses).mean()), abs=1e-4)
    for row, slot in enumerate(slots):
        for option in range(len(slot.options)):
            if option == options[row]:
                continue
            changed = [*options[:row], option, *options[row + 1 :]]
            difference = (losses - whole_losses(supernet, rows, changed)).double()
            needed = threshold * difference.std() / len(rows) ** 0.5 if option > options[row] else 0.0
            assert difference.mean() <= needed + 1e-6


def test_it_stops_after_the_most_moves(table: Table) -> None:
    slots = slots_with(BOTH)
    supernet = randomised(table, slots, HeadSizes(hidden=(8, 4)))
    fold = HeldOut(supernet, table.rows(supernet))
    begin = [0] * FIELDS + [3] * len(PAIRS)
    every = select([fold], begin, threshold=0.0)[1]
    options, moves = select([fold], begin, threshold=0.0, most_moves=2)
    assert moves == every[:2]
    assert len(every) > 2
    assert sum(now != then for now, then in zip(options, begin, strict=True)) in {1, 2}
    assert select([fold], begin, threshold=0.0, most_moves=0) == (begin, [])


def test_the_first_move_is_the_largest_gain(table: Table) -> None:
    slots = slots_with(BOTH)
    supernet = randomised(table, slots, HeadSizes(hidden=(8, 4)))
    rows = table.rows(supernet).part(slice(0, 500))
    begin = [0] * FIELDS + [3] * len(PAIRS)
    _, moves = select([HeldOut(supernet, rows)], begin, threshold=1.0, most_moves=1)
    before = whole_losses(supernet, rows, begin)
    gains = [
        float((before - whole_losses(supernet, rows, [*begin[:row], option, *begin[row + 1 :]])).mean())
        for row in range(FIELDS, len(slots))
        for option in range(3)
    ]
    assert moves[0].gain == pytest.approx(max(gains), abs=1e-6)
    assert CODES**2 < 500
