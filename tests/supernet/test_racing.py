"""A race ends with the candidates that scoring every one on every row puts first, for a part of the rows."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from autofi.space.head_config import ReadoutSizes
from autofi.supernet.inherited_scoring import Options, Scorer
from autofi.supernet.path_training import train_by_paths
from autofi.supernet.racing import Race, Stage, race, surely_worse
from autofi.supernet.supernet import Supernet
from autofi.training.row_source import Rows
from tests.supernet.tables import cell_table, make_supernet, slots_with

OPTIONS = ((), ("memorize_embedding",), ("factorize_hadamard",))
TRAINED, HELD_OUT = 4000, 8000


@pytest.fixture(scope="module", params=range(2))
def trained(request: pytest.FixtureRequest) -> tuple[Supernet, Rows]:
    table = cell_table(TRAINED + HELD_OUT, {(0, 1): 1.0, (1, 3): 0.7, (2, 3): 0.4}, seed=request.param)
    supernet = make_supernet(table, slots_with(OPTIONS), ReadoutSizes(hidden=(32, 16)), seed=request.param)
    rows = table.rows(supernet)
    train_by_paths(
        supernet,
        rows,
        index=torch.arange(TRAINED),
        epochs=4,
        learning_rate=1e-2,
        embedding_l2=0.0,
        batch_size=200,
        generator=torch.Generator().manual_seed(request.param),
    )
    return supernet, rows.part(slice(TRAINED, None))


def scorer_of(trained: tuple[Supernet, Rows], seed: int = 0, block_rows: int = 250) -> Scorer:
    return Scorer(*trained, generator=torch.Generator().manual_seed(seed), block_rows=block_rows)


def drawn(supernet: Supernet, number: int) -> list[Options]:
    """Different architectures."""
    rng = np.random.default_rng(0)
    found: dict[Options, None] = {}
    while len(found) < number:
        found[tuple(int(rng.integers(len(slot.options))) for slot in supernet.choices)] = None
    return list(found)


@pytest.mark.parametrize("seed", range(3))
def test_the_ten_best_are_those_of_full_scoring(trained: tuple[Supernet, Rows], seed: int) -> None:
    candidates = drawn(trained[0], 400)
    scorer = scorer_of(trained, seed)
    means = scorer.losses(candidates).double().mean(1)
    found = race(scorer, candidates)
    assert list(found.best) == means.argsort(stable=True)[:10].tolist()
    assert list(found.losses) == pytest.approx(means[list(found.best)].tolist(), abs=1e-6)
    assert found.cost < 0.25


def test_samples_double_and_candidates_only_leave(trained: tuple[Supernet, Rows]) -> None:
    found = race(scorer_of(trained), drawn(trained[0], 100), first_blocks=3)
    assert [stage.rows for stage in found.stages] == [750, 1500, 3000, 6000, 8000]
    left = [stage.candidates for stage in found.stages]
    assert left == sorted(left, reverse=True)
    assert left[0] == 100
    assert left[-1] >= 10


def test_with_an_endless_margin_nobody_leaves(trained: tuple[Supernet, Rows]) -> None:
    scorer, candidates = scorer_of(trained), drawn(trained[0], 30)
    found = race(scorer, candidates, best=30, margin=float("inf"))
    means = scorer.losses(candidates).double().mean(1)
    assert list(found.best) == means.argsort().tolist()
    assert found.cost == 1.0


def test_no_more_are_found_than_there_are(trained: tuple[Supernet, Rows]) -> None:
    assert sorted(race(scorer_of(trained), drawn(trained[0], 3)).best) == [0, 1, 2]


def test_one_block_is_full_scoring(trained: tuple[Supernet, Rows]) -> None:
    found = race(scorer_of(trained, block_rows=HELD_OUT), drawn(trained[0], 20))
    assert found.stages == (Stage(HELD_OUT, 20),)


def test_cost_counts_every_row_once() -> None:
    found = Race((), (), (Stage(100, 1000), Stage(200, 50), Stage(400, 10)))
    assert found.cost == pytest.approx((100 * 1000 + 100 * 50 + 200 * 10) / (400 * 1000))


@pytest.mark.parametrize("margin", [0.5, 1.0, 3.0])
def test_surely_worse_is_worse_than_each_of_the_best(margin: float) -> None:
    generator = torch.Generator().manual_seed(0)
    losses = torch.randn(200, generator=generator) + 0.3 * torch.randn(30, 200, generator=generator)
    losses += torch.linspace(0, 0.3, 30).unsqueeze(1)
    leaders = losses.mean(1).argsort()[:4].tolist()
    expected = []
    for row in losses:
        claims = []
        for leader in leaders:
            paired = (row - losses[leader]).double().numpy()
            error = paired.std(ddof=1) / 200**0.5 * (1 - 200 / 1000) ** 0.5
            claims.append(paired.mean() > margin * error)
        expected.append(all(claims))
    found = surely_worse(losses, 4, margin, 1000)
    assert found.tolist() == expected
    assert 0 < int(found.sum()) < 26
    assert not found[leaders].any()


def test_on_all_rows_any_difference_is_sure() -> None:
    losses = torch.randn(6, 50, generator=torch.Generator().manual_seed(0))
    assert int(surely_worse(losses, 2, 3.0, 50).sum()) == 4
    assert not surely_worse(losses, 2, 3.0, 10**9).any()
