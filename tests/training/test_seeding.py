"""Global random numbers follow a training's seed inside it, and are untouched outside."""

from __future__ import annotations

import pytest
import torch

from autofi.training.seeding import own_randomness


@own_randomness
def drop(rows: int, *, generator: torch.Generator) -> torch.Tensor:
    return torch.nn.functional.dropout(torch.ones(rows))


@own_randomness
def fail(*, generator: torch.Generator) -> None:
    torch.rand(3)
    raise ValueError


def test_dropout_follows_the_generator_s_seed() -> None:
    def dropped(seed: int) -> torch.Tensor:
        return drop(64, generator=torch.Generator().manual_seed(seed))

    first = dropped(1)
    torch.rand(5)
    assert torch.equal(dropped(1), first)
    assert not torch.equal(dropped(2), first)


def test_outside_nothing_changed() -> None:
    before = torch.get_rng_state()
    drop(64, generator=torch.Generator().manual_seed(1))
    with pytest.raises(ValueError):
        fail(generator=torch.Generator())
    assert torch.equal(torch.get_rng_state(), before)
