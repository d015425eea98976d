"""Sampling of the paths of a supernet's training step: an option per slot and group of rows, and a set of streams."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from autofi.space.sections import Sampling
from autofi.supernet.supernet import Supernet

#: Share of the paths that leave a slot at its cheapest option: often enough to learn to do without the slot, and
#: seldom enough that a product of two embeddings, which learns slowly at first, gets started.
NAIVE_SHARE = 0.25
#: Share of the steps without streams, where the space allows it: fields and pairs are judged without streams.
STREAMLESS_SHARE = 0.5


def option_shares(supernet: Supernet) -> Tensor:
    """Return the probability of every option of every slot, `[slots, most options]`; `NAIVE_SHARE` for the cheapest."""
    most = max(len(slot.options) for slot in supernet.choices)
    shares = torch.zeros(len(supernet.choices), most)
    for row, slot in enumerate(supernet.choices):
        others = len(slot.options) - 1
        shares[row, : len(slot.options)] = (1 - NAIVE_SHARE) / others if others else 1.0
        if others:
            shares[row, 0] = NAIVE_SHARE
    return shares


def draw_options(shares: Tensor, groups: int, sampling: Sampling, generator: torch.Generator) -> Tensor:
    """Draw an option of every slot for every group of rows, int64 `[groups, slots]`.

    Args:
        sampling: The way groups draw. "uniform": every group draws independently (https://arxiv.org/abs/1904.00420).
            "fair": for every slot, each option is drawn by as many groups as its share says, up to rounding
            (https://arxiv.org/abs/1907.01845). "sandwich": the first group has the cheapest option of every slot, the
            second the dearest, the others draw independently (https://arxiv.org/abs/1903.05134).
    """
    if sampling == "fair":
        # Points one group apart from a random start: each share gets as many points as fit in it.
        points = (torch.arange(groups) + torch.rand(len(shares), 1, generator=generator)) / groups
        options = torch.searchsorted(shares.cumsum(1).clamp_max(1.0), points, right=True)
        options = options.clamp_max(shares.shape[1] - 1)
        order = torch.rand(len(shares), groups, generator=generator).argsort(1)
        return options.gather(1, order).T
    options = torch.multinomial(shares, groups, replacement=True, generator=generator).T
    if sampling == "sandwich":
        options[0] = 0
        options[1:2] = (shares > 0).sum(1) - 1
    return options


def draw_streams(supernet: Supernet, generator: torch.Generator) -> Iterator[int | None]:
    """Yield a set of streams for every step, without end.

    Where a set may be empty, `STREAMLESS_SHARE` of the steps have none; each of the others comes once before any is
    repeated.
    """
    sets = [number for number, keys in enumerate(supernet.stream_sets) if keys]
    share = STREAMLESS_SHARE if len(sets) < len(supernet.stream_sets) else 0.0
    while True:
        if not sets:
            yield None
            continue
        for place in torch.randperm(len(sets), generator=generator).tolist():
            while share and float(torch.rand((), generator=generator)) < share:
                yield None
            yield sets[place]
